"""Commands that act in one organisation, by the same services as its administrators use."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

from riveredge_kernel.cli.common import with_platform
from riveredge_kernel.platform import Platform
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.uow import unit_of_work

T = TypeVar("T")

# Who made a thing that an operator made at the command line.
OPERATOR = UUID(int=0)


@asynccontextmanager
async def acting_in(platform: Platform, slug: str) -> AsyncIterator[None]:
    """A unit of work of the organisation, in which the operator holds every permission."""
    tenant = await platform.provisioning.find_tenant(slug)
    # The directory answers what is on for a tenant once it has looked at it.
    await platform.tenants.get(tenant.id)
    operator = Principal(
        id=OPERATOR,
        kind="system",
        name="operator",
        tenant_id=tenant.id,
        permissions=platform.auth.grants.everything(),
    )
    with use_context(Context(runtime=platform.runtime, tenant_id=tenant.id, principal=operator)):
        async with unit_of_work():
            yield


def in_tenant(slug: str, work: Callable[[Platform], Awaitable[T]]) -> T:
    """Do something in the organisation, as its operator."""

    async def do(platform: Platform) -> T:
        async with acting_in(platform, slug):
            return await work(platform)

    return with_platform(do)
