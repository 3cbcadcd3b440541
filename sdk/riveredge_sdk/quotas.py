"""Quotas: how much of something an organisation may have. A plugin says what it counts, operators say how many::

    async def count() -> int:
        return await Notes().count()

    NOTES_QUOTA = Quota("example.notes", "Notes", count)       # contributed by Plugin.quotas

    await claim_quota("example.notes")                         # before one more is added

What is counted in bytes (`unit="bytes"`) counts for the quota `kernel.storage` as well, the sum over all plugins: a
claim looks after both.

Nothing is counted where there is no limit, so a claim costs next to nothing then. What is limited otherwise than by a
count (so many at the same time, so many seconds apart) asks for the number: `await quota_limit("example.pause_s")`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from riveredge_sdk.ports import Port, get_service
from riveredge_sdk.problems import Forbidden

Unit = Literal["rows", "bytes", "seconds"]


@dataclass(frozen=True, slots=True)
class Quota:
    """Something that can be limited.

    Args:
        id: `<plugin>.<things>`.
        title: for people.
        count: how many there are of the current tenant, asked in a unit of work; None for what cannot be counted.
        default: the limit where the operators set none; None for no limit.
        unit: what the limit is a number of.
    """

    id: str
    title: str
    count: Callable[[], Awaitable[int]] | None = None
    description: str = ""
    default: int | None = None
    unit: Unit = "rows"


class QuotaExceeded(Forbidden):
    """The organisation has as much as it may have; `quota` names of what, `limit` how much, `used` how much it has."""

    code: ClassVar[str] = "quota-exceeded"
    title: ClassVar[str] = "The organisation has reached a limit"


class Quotas(Protocol):
    """The port's interface."""

    async def claim(self, quota: str, adding: int) -> None: ...

    async def limit_of(self, quota: str) -> int | None: ...


QUOTAS: Port[Quotas] = Port("kernel.quotas", version=1)


async def claim_quota(quota: str, adding: int = 1) -> None:
    """Make sure that so many more may be added, in the running unit of work: of two at once, one waits for the other.

    Raises:
        QuotaExceeded: there would be more than the limit.
        LookupError: no plugin contributes the quota, or it cannot be counted.
        NoUnitOfWorkError: no unit of work is open.
    """
    await get_service(QUOTAS).claim(quota, adding)


async def quota_limit(quota: str) -> int | None:
    """The limit that holds for the current tenant; None if there is none.

    Raises:
        LookupError: no plugin contributes the quota.
    """
    return await get_service(QUOTAS).limit_of(quota)


__all__ = ["QUOTAS", "Quota", "QuotaExceeded", "Quotas", "claim_quota", "quota_limit"]
