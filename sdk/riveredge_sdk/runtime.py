"""What the kernel lends to the SDK's functions. Plugins use those functions, not this protocol."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_sdk.context import current_context
from riveredge_sdk.ports import Port

if TYPE_CHECKING:
    from riveredge_sdk.context import Context
    from riveredge_sdk.timers import Owner
    from riveredge_sdk.tracing import Tracer
    from riveredge_sdk.uow import UnitOfWork

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Runtime(Protocol):
    """The kernel, as far as the SDK needs it. Everything is answered for the current context's tenant."""

    def open_unit_of_work(self, *, read_only: bool = False) -> "AbstractAsyncContextManager[UnitOfWork]": ...

    def open_read_session(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def find_service(self, port: Port[T]) -> T | None: ...

    def contributions(self, hook: Callable[[Any], Iterable[T]]) -> list[T]: ...

    async def tenant_settings(self, model: type[SettingsT]) -> SettingsT: ...

    async def set_timer(
        self, owner: "Owner", name: str, due_at: datetime, event: str, data: dict[str, Any]
    ) -> None: ...

    async def cancel_timers(self, owner: "Owner", name: str | None) -> int: ...

    async def tenant_context(self, tenant_id: UUID, plugin: str) -> "Context": ...

    async def served_tenants(self, plugin: str, among: Collection[UUID] | None = None) -> Sequence[UUID]: ...

    async def database_now(self) -> datetime: ...

    def now(self) -> datetime: ...

    @property
    def tracer(self) -> "Tracer | None":
        """What writes traces, if the installation has them."""
        ...

    @property
    def cursor_key(self) -> bytes: ...

    @property
    def public_url(self) -> str: ...


def public_url(path: str) -> str:
    """The address of a path of the platform (`/api/v1/…`), as people and other services reach it: for links.

    It is made of settings only, never of a request's headers, which a stranger could forge.
    """
    return current_context().runtime.public_url.rstrip("/") + path


def contributions(hook: Callable[[Any], Iterable[T]]) -> list[T]:
    """What the plugins that are on for the current tenant offer through a contribution hook, in dependency order.

    Name the hook by its method: `contributions(Plugin.message_templates)`, or, for an extension point of a plugin's
    own, `contributions(MyHooks.widgets)`.
    """
    return current_context().runtime.contributions(hook)
