"""`/api/v1/api-keys`: one's own keys; `/api/v1/tenant/api-keys`: everybody's, for those who look after them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import ColumnElement
from sqlmodel import col, select
from starlette.responses import Response

from riveredge_kernel.auth.explain import Explainer, Holder
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount, ServiceAccountRole
from riveredge_kernel.auth.key_schemas import ApiKeyChange, ApiKeyIn, ApiKeyOut, ApiKeySecret, CurrentKeyOut, RotateIn
from riveredge_kernel.auth.key_service import KeyService, of_current_user
from riveredge_kernel.auth.members import obstacles, roles_of_membership
from riveredge_kernel.auth.models import Membership, RoleRow, User
from riveredge_kernel.auth.schemas import Explanation, Obstacle, PermissionId
from riveredge_sdk.auth import current_principal
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import NotFound
from riveredge_sdk.uow import session

TAG = "API keys"
_WITHOUT_KEY: dict[int, dict[str, str]] = {404: {"description": "The request is not made with an API key."}}
# RFC 6749 §5.1: an answer with a credential is kept nowhere, for repeated requests neither.
NO_STORE = {"Cache-Control": "no-store"}


async def find(
    service: KeyService,
    key_id: UUID,
    where: ColumnElement[bool],
    version: int | None = None,
    *,
    lock: bool = False,
) -> ApiKey:
    """One of the keys that meet the condition.

    Raises:
        NotFound: there is none.
        PreconditionFailed: it has another version.
    """
    if await service.rows.find(col(ApiKey.id) == key_id, where) is None:
        raise NotFound(f"There is no API key with the id {key_id} here.")
    return await service.rows.get(key_id, version=version, lock=lock or version is not None)


def own_keys_router(service: KeyService) -> Router:
    """One's own."""
    router = Router(prefix="/api-keys", tag=TAG, audit="kernel.api_key")
    own = "kernel.api_key.own"

    @router.get(require=own, summary="List my API keys")
    async def list_api_keys(query: Annotated[ListQuery, Query()]) -> Page[ApiKeyOut]:
        return await service.page(query, of_current_user())

    @router.post(require=own, summary="Make an API key")
    async def create_api_key(body: ApiKeyIn, response: Response) -> ApiKeySecret:
        """It acts as you, here, within the permissions it names. The answer shows it once."""
        of_current_user()
        response.headers.update(NO_STORE)
        return await service.create(body, user_id=current_principal().id)

    # Before /{key_id}, which would take the word for an id.
    @router.get(
        "/current", signed_in=True, api_keys=True, summary="The API key of this request", responses=_WITHOUT_KEY
    )
    async def get_current_key() -> CurrentKeyOut:
        """For programs that want to know what they are allowed, and until when."""
        shown = await service.out(await _current(service))
        return CurrentKeyOut(**shown.model_dump(), allowed=sorted(current_principal().permissions))

    @router.post(
        "/current/revoke",
        signed_in=True,
        api_keys=True,
        status=200,
        summary="End this request's API key",
        responses=_WITHOUT_KEY,
    )
    async def revoke_current_key() -> ApiKeyOut:
        """For whoever finds a key where it should not be."""
        return await service.revoke(await _current(service))

    @router.get("/{key_id}", require=own, summary="One of my API keys")
    async def get_api_key(key_id: UUID) -> ApiKeyOut:
        return await service.out(await find(service, key_id, of_current_user()))

    @router.patch("/{key_id}", require=own, summary="Rename an API key")
    async def change_api_key(key_id: UUID, body: ApiKeyChange, version: ExpectedVersion) -> ApiKeyOut:
        row = await find(service, key_id, of_current_user(), version)
        return await service.out(await service.rows.change(row, body.given()))

    @router.post("/{key_id}/rotate", require=own, summary="Change over to a new key")
    async def rotate_api_key(key_id: UUID, body: RotateIn, response: Response) -> ApiKeySecret:
        response.headers.update(NO_STORE)
        return await service.rotate(await find(service, key_id, of_current_user(), lock=True), body)

    @router.post("/{key_id}/revoke", require=own, status=200, summary="End an API key")
    async def revoke_api_key(key_id: UUID) -> ApiKeyOut:
        return await service.revoke(await find(service, key_id, of_current_user(), lock=True))

    @router.delete("/{key_id}", require=own, summary="End an API key and forget it")
    async def delete_api_key(key_id: UUID, version: ExpectedVersion) -> None:
        await service.delete(await find(service, key_id, of_current_user(), version))

    return router


async def _current(service: KeyService) -> ApiKey:
    key_id = current_principal().api_key_id
    if key_id is None:
        raise NotFound("This request came with an access token, not with an API key.")
    return await service.rows.get(key_id)


def all_keys_router(service: KeyService, explainer: Explainer) -> Router:
    """Everybody's, without their secrets."""
    router = Router(prefix="/tenant/api-keys", tag=TAG, audit="kernel.api_key")
    manage = "kernel.api_key.manage"

    @router.get(require=manage, summary="List everybody's API keys")
    async def list_all_api_keys(query: Annotated[ListQuery, Query()]) -> Page[ApiKeyOut]:
        return await service.page(query)

    @router.get("/{key_id}", require=manage, summary="Anybody's API key")
    async def get_any_api_key(key_id: UUID) -> ApiKeyOut:
        return await service.out(await service.rows.get(key_id))

    @router.get("/{key_id}/permissions", require=manage, summary="What may a key be used for, and why?")
    async def explain_api_key(
        key_id: UUID, permission: Annotated[PermissionId | None, Query(description="Only this one.")] = None
    ) -> Explanation:
        return await explainer.explain(await _holder(await service.rows.get(key_id)), permission)

    @router.post("/{key_id}/revoke", require=manage, status=200, summary="End anybody's API key")
    async def revoke_any_api_key(key_id: UUID) -> ApiKeyOut:
        return await service.revoke(await service.rows.get(key_id, lock=True))

    return router


async def roles_of_account(account_id: UUID) -> list[RoleRow]:
    """The roles that a service account holds."""
    query = (
        select(RoleRow)
        .join(ServiceAccountRole, col(ServiceAccountRole.role_id) == col(RoleRow.id))
        .where(col(ServiceAccountRole.account_id) == account_id)
        .order_by(col(RoleRow.key))
    )
    return list((await session().exec(query)).all())


def account_obstacles(account: ServiceAccount) -> list[Obstacle]:
    """What keeps a service account from doing anything."""
    off = Obstacle(code="account_off", message="The service account is switched off.")
    return [] if account.active else [off]


async def _holder(row: ApiKey) -> Holder:
    found: list[Obstacle] = []
    if row.revoked_at is not None:
        found.append(Obstacle(code="revoked", message="The key was revoked."))
    elif row.expires_at <= utcnow():
        found.append(Obstacle(code="expired", message="The key has expired."))
    if row.account_id is not None:
        account = (await session().exec(select(ServiceAccount).where(col(ServiceAccount.id) == row.account_id))).one()
        roles, found = await roles_of_account(account.id), found + account_obstacles(account)
    else:
        user = (await session().exec(select(User).where(col(User.id) == row.user_id))).one()
        member = (await session().exec(select(Membership).where(col(Membership.user_id) == user.id))).one_or_none()
        roles = await roles_of_membership(member.id) if member else []
        found += obstacles(user, member)
    return Holder(name=row.name, roles=roles, obstacles=found, scope=frozenset(row.permissions))
