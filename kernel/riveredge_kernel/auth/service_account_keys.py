"""`/api/v1/service-accounts/{account_id}/api-keys`: the keys with which programs come in."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import ColumnElement
from sqlmodel import col
from starlette.responses import Response

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.key_models import ApiKey
from riveredge_kernel.auth.key_routes import NO_STORE, find, roles_of_account
from riveredge_kernel.auth.key_schemas import ApiKeyIn, ApiKeyOut, ApiKeySecret, RotateIn
from riveredge_kernel.auth.key_service import KeyService
from riveredge_kernel.auth.service_accounts import READ, TAG, WRITE, ServiceAccounts
from riveredge_sdk.http import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import FieldError, Invalid


def service_account_keys_router(grants: Grants, service: KeyService) -> Router:
    """The accounts' keys."""
    router = Router(prefix="/service-accounts/{account_id}/api-keys", tag=TAG, audit="kernel.api_key")
    accounts = ServiceAccounts()

    async def of(account_id: UUID) -> ColumnElement[bool]:
        return col(ApiKey.account_id) == (await accounts.get(account_id)).id

    @router.get(require=READ, summary="List a service account's API keys")
    async def list_service_account_keys(account_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[ApiKeyOut]:
        return await service.page(query, await of(account_id))

    @router.post(require=WRITE, summary="Make an API key for a service account")
    async def create_service_account_key(account_id: UUID, body: ApiKeyIn, response: Response) -> ApiKeySecret:
        """The answer shows it once. Whoever makes it holds all its permissions, and so does the account."""
        account = await accounts.get(account_id)
        allowed = grants.of_roles(await roles_of_account(account.id))
        errors = [
            FieldError(f"permissions.{index}", f"The account's roles do not allow {name!r}.", "not_held")
            for index, name in enumerate(body.permissions)
            if name in grants.everything() and name not in allowed
        ]
        if errors:
            raise Invalid("The key would name permissions that the account does not have.", errors=errors)
        response.headers.update(NO_STORE)
        return await service.create(body, account_id=account.id)

    @router.get("/{key_id}", require=READ, summary="One of a service account's API keys")
    async def get_service_account_key(account_id: UUID, key_id: UUID) -> ApiKeyOut:
        return await service.out(await find(service, key_id, await of(account_id)))

    @router.post("/{key_id}/rotate", require=WRITE, summary="Change a service account over to a new key")
    async def rotate_service_account_key(
        account_id: UUID, key_id: UUID, body: RotateIn, response: Response
    ) -> ApiKeySecret:
        response.headers.update(NO_STORE)
        return await service.rotate(await find(service, key_id, await of(account_id), lock=True), body)

    @router.post("/{key_id}/revoke", require=WRITE, status=200, summary="End a service account's API key")
    async def revoke_service_account_key(account_id: UUID, key_id: UUID) -> ApiKeyOut:
        return await service.revoke(await find(service, key_id, await of(account_id), lock=True))

    @router.delete("/{key_id}", require=WRITE, summary="End a service account's API key and forget it")
    async def delete_service_account_key(account_id: UUID, key_id: UUID, version: ExpectedVersion) -> None:
        await service.delete(await find(service, key_id, await of(account_id), version))

    return router
