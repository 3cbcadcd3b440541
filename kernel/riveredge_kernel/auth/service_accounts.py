"""`/api/v1/service-accounts`: programs that act in an organisation, and their API keys."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import delete
from sqlmodel import col, select

from riveredge_kernel.auth.api_keys import ApiKeys
from riveredge_kernel.auth.delegation import Delegation, roles_by_key
from riveredge_kernel.auth.explain import Explainer, Holder
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount, ServiceAccountRole
from riveredge_kernel.auth.key_routes import account_obstacles, roles_of_account
from riveredge_kernel.auth.key_schemas import (
    ServiceAccountChange,
    ServiceAccountIn,
    ServiceAccountOut,
)
from riveredge_kernel.auth.models import RoleRow
from riveredge_kernel.auth.schemas import Explanation, PermissionId
from riveredge_sdk.auth import current_principal
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import taken_field
from riveredge_sdk.quotas import claim_quota
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session

TAG = "Service accounts"
READ, WRITE = "kernel.service_account.read", "kernel.service_account.write"


class ServiceAccounts(Repository[ServiceAccount]):
    """Service accounts of the current tenant."""

    model = ServiceAccount
    fields = (
        FilterField("name", "text", ServiceAccount.name),
        FilterField("active", "boolean", ServiceAccount.active),
    )
    default_sort = "name"


async def _out(account: ServiceAccount) -> ServiceAccountOut:
    made = ServiceAccountOut.model_validate(account)
    made.roles = [role.key for role in await roles_of_account(account.id)]
    return made


async def _named(name: str, *, besides: UUID | None = None) -> None:
    other = await ServiceAccounts().find(col(ServiceAccount.name) == name, col(ServiceAccount.id) != besides)
    if other is not None:
        raise taken_field("service account", "name", name)


async def _give(account: ServiceAccount, held: list[RoleRow], wanted: list[RoleRow]) -> None:
    before, after = {role.id for role in held}, {role.id for role in wanted}
    if taken := before - after:
        gone = delete(ServiceAccountRole).where(
            col(ServiceAccountRole.account_id) == account.id, col(ServiceAccountRole.role_id).in_(taken)
        )
        await session().exec(gone)
    session().add_all(ServiceAccountRole(account_id=account.id, role_id=role_id) for role_id in after - before)
    await session().flush()


class ServiceAccountService:
    """The current tenant's service accounts."""

    def __init__(self, grants: Grants, keys: ApiKeys, explainer: Explainer) -> None:
        self._grants = grants
        self._keys = keys
        self._rules = Delegation(grants)
        self._explainer = explainer
        self.accounts = ServiceAccounts()

    async def page(self, query: ListQuery) -> Page[ServiceAccountOut]:
        """A page of them, with their roles."""
        page = await self.accounts.page(query, into=ServiceAccountOut)
        by_id = {item.id: item for item in page.items}
        held = await session().exec(
            select(ServiceAccountRole.account_id, RoleRow.key)
            .join(RoleRow, col(RoleRow.id) == col(ServiceAccountRole.role_id))
            .where(col(ServiceAccountRole.account_id).in_(by_id))
            .order_by(col(RoleRow.key))
        )
        for account_id, key in held:
            by_id[account_id].roles.append(key)
        return page

    async def explain(self, account_id: UUID, permission: str | None) -> Explanation:
        """Why the account may, or may not."""
        account = await self.accounts.get(account_id)
        roles = await roles_of_account(account.id)
        holder = Holder(name=account.name, roles=roles, obstacles=account_obstacles(account))
        return await self._explainer.explain(holder, permission)

    async def create(self, body: ServiceAccountIn) -> ServiceAccountOut:
        """A new account.

        Raises:
            Conflict: the name is taken.
            Forbidden: a role allows more than the one who gives it may do.
        """
        wanted = await roles_by_key(body.roles)
        self._rules.roles_held(wanted)
        await claim_quota("kernel.service_accounts")
        await _named(body.name)
        values = body.model_dump(exclude={"roles"})
        account = await self.accounts.add(ServiceAccount(**values, created_by_id=current_principal().id))
        await _give(account, [], wanted)
        return await _out(account)

    async def change(self, account_id: UUID, body: ServiceAccountChange, version: int) -> ServiceAccountOut:
        """Rename, describe, switch, give and take roles.

        Raises:
            Conflict: the name is taken.
            Forbidden: a role given or taken allows more than the one who does it may do.
        """
        account = await self.accounts.get(account_id, version=version, lock=True)
        held = await roles_of_account(account.id)
        wanted = held if body.roles is None else await roles_by_key(body.roles)
        self._rules.roles_moved(held, wanted, switched=body.active is not None and body.active != account.active)
        values = {name: value for name, value in body.given().items() if name != "roles"}
        if "name" in values:
            await _named(values["name"], besides=account.id)
        await self.accounts.change(account, values)
        if body.roles is not None:
            # The roles belong to what a client sees as the account, so its version counts them.
            account.updated_at = utcnow()
            await _give(account, held, wanted)
        self._grants.invalidate()
        return await _out(account)

    async def delete(self, account_id: UUID, version: int) -> None:
        """End the account and its keys.

        Raises:
            Forbidden: it may do more than the one who deletes it.
        """
        account = await self.accounts.get(account_id, version=version, lock=True)
        self._rules.roles_held(await roles_of_account(account.id))
        for model in (ApiKey, ServiceAccountRole):
            await session().exec(delete(model).where(col(model.account_id) == account.id))
        await self.accounts.delete(account)
        self._grants.invalidate()
        self._keys.invalidate()


def service_account_router(service: ServiceAccountService) -> Router:
    """The accounts themselves."""
    router = Router(prefix="/service-accounts", tag=TAG, audit="kernel.service_account")

    @router.get(require=READ, summary="List service accounts")
    async def list_service_accounts(query: Annotated[ListQuery, Query()]) -> Page[ServiceAccountOut]:
        return await service.page(query)

    @router.post(require=WRITE, summary="Create a service account")
    async def create_service_account(body: ServiceAccountIn) -> ServiceAccountOut:
        return await service.create(body)

    @router.get("/{account_id}", require=READ, summary="One service account")
    async def get_service_account(account_id: UUID) -> ServiceAccountOut:
        return await _out(await service.accounts.get(account_id))

    @router.get("/{account_id}/permissions", require=READ, summary="Why may it?")
    async def explain_service_account(
        account_id: UUID, permission: Annotated[PermissionId | None, Query(description="Only this one.")] = None
    ) -> Explanation:
        """Every permission with the roles that grant it to this account, or with what is missing."""
        return await service.explain(account_id, permission)

    @router.patch("/{account_id}", require=WRITE, summary="Change a service account")
    async def change_service_account(
        account_id: UUID, body: ServiceAccountChange, version: ExpectedVersion
    ) -> ServiceAccountOut:
        return await service.change(account_id, body, version)

    @router.delete("/{account_id}", require=WRITE, summary="Delete a service account and its keys")
    async def delete_service_account(account_id: UUID, version: ExpectedVersion) -> None:
        await service.delete(account_id, version)

    return router
