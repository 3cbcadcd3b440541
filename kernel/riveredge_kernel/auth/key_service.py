"""Making, changing over and revoking API keys, in the running unit of work."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from riveredge_kernel.auth.api_keys import ApiKeys, NewKey, new_key
from riveredge_kernel.auth.delegation import Delegation
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount
from riveredge_kernel.auth.key_schemas import ApiKeyIn, ApiKeyOut, ApiKeySecret, RotateIn
from riveredge_kernel.auth.models import User
from riveredge_kernel.settings import AuthSettings
from riveredge_sdk.auth import current_principal
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import ListQuery, Page, Resource
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Conflict, Forbidden, invalid_field
from riveredge_sdk.quotas import claim_quota
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session

DEFAULT_LIFETIME = timedelta(days=90)


class KeyRows(Repository[ApiKey]):
    """API keys of the current tenant."""

    model = ApiKey
    fields = (
        FilterField("name", "text", ApiKey.name),
        FilterField("prefix", "text", ApiKey.prefix),
        FilterField("user_id", "uuid", ApiKey.user_id),
        FilterField("service_account_id", "uuid", ApiKey.account_id),
        FilterField("expires_at", "datetime", ApiKey.expires_at),
        FilterField("revoked_at", "datetime", ApiKey.revoked_at),
        FilterField("last_used_at", "datetime", ApiKey.last_used_at),
    )


class KeyService:
    """What the routes of keys do. `where` conditions say whose keys a caller may reach."""

    def __init__(self, keys: ApiKeys, rules: Delegation, settings: AuthSettings) -> None:
        self._keys = keys
        self._rules = rules
        self._max_lifetime = timedelta(days=settings.api_key_max_days)
        self.rows = KeyRows()

    async def page(self, query: ListQuery, *where: ColumnElement[bool]) -> Page[ApiKeyOut]:
        """A page of the keys that meet the conditions."""
        page = await self.rows.page(query, *where, into=Resource)
        rows = await self.rows.all(col(ApiKey.id).in_([item.id for item in page.items]))
        by_id = {out.id: out for out in await self._complete(rows)}
        return Page[ApiKeyOut](items=[by_id[item.id] for item in page.items], next=page.next)

    async def out(self, row: ApiKey) -> ApiKeyOut:
        """The key as clients see it."""
        return (await self._complete([row]))[0]

    async def create(
        self, body: ApiKeyIn, *, user_id: UUID | None = None, account_id: UUID | None = None
    ) -> ApiKeySecret:
        """A key for the user or the service account.

        Raises:
            Forbidden: it would allow more than the one who makes it may do.
            Invalid: a permission is unknown, or it would last too long.
        """
        await claim_quota("kernel.api_keys")
        self._rules.known(body.permissions)
        self._rules.held(body.permissions)
        expires_at = await self._expiry(body.expires_at, DEFAULT_LIFETIME)
        return await self._add(
            ApiKey(
                user_id=user_id,
                account_id=account_id,
                name=body.name,
                permissions=sorted(set(body.permissions)),
                expires_at=expires_at,
                created_by_id=current_principal().id,
                prefix="",
                digest="",
            )
        )

    async def rotate(self, row: ApiKey, body: RotateIn) -> ApiKeySecret:
        """A new key in the place of `row`, which ends now or after the overlap.

        Raises:
            Conflict: the old one does not work any more.
            Forbidden: it allows more than the one who asks may do: they would get it into their hands.
        """
        if row.revoked_at is not None or row.expires_at <= utcnow():
            raise Conflict("This key has expired or was revoked. Make a new one.")
        self._rules.held(row.permissions)
        made_for = row.expires_at - row.created_at
        expires_at = await self._expiry(body.expires_at, made_for)
        row.expires_at = min(row.expires_at, utcnow() + timedelta(minutes=body.overlap_minutes))
        return await self._add(
            ApiKey(
                user_id=row.user_id,
                account_id=row.account_id,
                name=row.name,
                permissions=row.permissions,
                expires_at=expires_at,
                created_by_id=current_principal().id,
                rotated_from_id=row.id,
                prefix="",
                digest="",
            )
        )

    async def revoke(self, row: ApiKey) -> ApiKeyOut:
        """End the key now, for good. Revoking it again changes nothing."""
        if row.revoked_at is None:
            row.revoked_at = utcnow()
            row.revoked_by_id = current_principal().id
            await session().flush()
            self._keys.invalidate()
        return await self.out(row)

    async def delete(self, row: ApiKey) -> None:
        """End the key and forget it."""
        await self.rows.delete(row)
        self._keys.invalidate()

    async def _add(self, row: ApiKey) -> ApiKeySecret:
        made: NewKey = new_key()
        row.prefix, row.digest = made.prefix, made.digest
        await self.rows.add(row)
        self._keys.invalidate()
        return ApiKeySecret(**(await self.out(row)).model_dump(), key=made.secret)

    async def _expiry(self, wanted: datetime | None, default: timedelta) -> datetime:
        now = utcnow()
        latest = now + self._max_lifetime
        used = current_principal().api_key_id
        if used is not None:
            # Otherwise a key could be kept alive for ever by what it made.
            latest = min(latest, (await self.rows.get(used)).expires_at)
        if wanted is None:
            return min(now + default, latest)
        if wanted <= now:
            raise invalid_field("expires_at", "This time has passed.", "expires_at")
        if wanted > latest:
            raise invalid_field("expires_at", f"At the latest {latest.isoformat(timespec='seconds')}.", "expires_at")
        return wanted

    async def _complete(self, rows: Sequence[ApiKey]) -> list[ApiKeyOut]:
        users = await session().exec(select(User).where(col(User.id).in_({row.user_id for row in rows})))
        accounts = await session().exec(
            select(ServiceAccount).where(col(ServiceAccount.id).in_({row.account_id for row in rows}))
        )
        names = {one.id: one.name for one in (*users, *accounts)}
        now = utcnow()
        return [
            ApiKeyOut(
                **row.model_dump(include=set(ApiKeyOut.model_fields)),
                owner="user" if row.user_id else "service_account",
                owner_id=(owner_id := row.user_id or row.account_id),
                owner_name=names.get(owner_id, "") if owner_id else "",
                state="revoked" if row.revoked_at else "expired" if row.expires_at <= now else "active",
            )
            for row in rows
        ]


def of_current_user() -> ColumnElement[bool]:
    """The condition for the keys of the signed-in user.

    Raises:
        Forbidden: a program asks. A personal key that could make others would outlive its revocation.
    """
    principal = current_principal()
    if principal.kind != "user" or principal.api_key_id is not None:
        raise Forbidden("Personal API keys are managed by their owner: sign in, an API key cannot do it.")
    return col(ApiKey.user_id) == principal.id
