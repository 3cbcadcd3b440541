"""Rate limits that hold across processes, for what is costly, or what strangers could try again and again::

    EXPORTS = Limit("reports.export", hits=10, seconds=3600)

    @router.post("/exports", require="reports.export.create")
    async def export() -> ExportOut:
        await count_hit(EXPORTS, str(current_principal().id))

The count is kept even if the request is rolled back.
"""

from dataclasses import dataclass
from typing import Protocol

from riveredge_sdk.context import find_context
from riveredge_sdk.ports import Port, get_service


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `hits` within `seconds`. The hit that reaches it begins the wait: `seconds` from then.

    `name` begins with the plugin's id. `reason` is told to whoever has to wait.
    """

    name: str
    hits: int
    seconds: int
    reason: str = "That was too often."


class RateLimiter(Protocol):
    """The port's interface."""

    async def hit(self, limit: Limit, key: str) -> None:
        """Count one, in a transaction of its own.

        Raises:
            TooManyRequests: there were `limit.hits` before; `Retry-After` says how long to wait, in seconds.
        """
        ...


RATE_LIMITER: Port[RateLimiter] = Port("kernel.rate_limiter", version=1)


async def count_hit(limit: Limit, key: str) -> None:
    """Count one for `key` (a user's id, an address, …) in the current tenant.

    Call it before the request's first write: SQLite lets one writer in at a time, so that there the count goes into the
    request's own transaction after that, and is lost if it is rolled back.

    Raises:
        TooManyRequests: there were `limit.hits` before; `Retry-After` says how long to wait, in seconds.
    """
    context = find_context()
    tenant = context.tenant_id if context is not None else None
    await get_service(RATE_LIMITER).hit(limit, f"{tenant}\n{key}")
