"""Who is being served: tenant, principal, request id and locale of the running request or function step.

The kernel enters a `Context` in its ASGI middleware, in the wrapper around durable functions and in its own
`system(reason)` hatch. Plugins read it; they never build one outside tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from riveredge_sdk.auth import Principal
    from riveredge_sdk.runtime import Runtime


class NoContextError(RuntimeError):
    """Code that needs a request or a function run was called outside of both."""


class NoTenantError(NoContextError):
    """Tenant data was asked for where no tenant is being served. Reads and writes are refused, never widened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one request or one function step runs under.

    `tenant_id` is None for platform-level work (login, health, system functions). `system_reason` is set only inside
    the kernel's cross-tenant hatch. `address` is the client's, where there is one. `locale` is a BCP 47 tag, `timezone`
    an IANA zone name.
    """

    runtime: "Runtime"
    tenant_id: UUID | None = None
    principal: "Principal | None" = None
    request_id: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    system_reason: str | None = None
    run_id: str | None = None
    address: str | None = None


_current: ContextVar[Context | None] = ContextVar("riveredge_context", default=None)


def find_context() -> Context | None:
    """The running context, or None outside of requests and function runs."""
    return _current.get()


def current_context() -> Context:
    """The running context.

    Raises:
        NoContextError: outside of requests and function runs.
    """
    context = _current.get()
    if context is None:
        raise NoContextError(
            "no context: call this inside a request or a function step, or use the `tenant` fixture in a test"
        )
    return context


def current_tenant() -> UUID:
    """The tenant being served.

    Raises:
        NoTenantError: when there is no context, or the context serves no tenant.
    """
    context = _current.get()
    if context is None or context.tenant_id is None:
        raise NoTenantError("no tenant is being served here; tenant data can be neither read nor written")
    return context.tenant_id


@contextmanager
def use_context(context: Context) -> Iterator[Context]:
    """Run the block under `context`. For the kernel and for tests."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
