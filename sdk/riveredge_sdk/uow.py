"""Units of work: one request, or one function step, is one transaction of one tenant.

In a route the unit of work is open already. In a function step open one around the work that belongs together::

    @unit_of_work()
    async def accept() -> str: ...

    await ctx.step.run("accept", accept)

Nobody calls `commit`: leaving the block commits, an exception rolls back, and the published events go out only after
the commit.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_sdk.context import current_context
from riveredge_sdk.events import EventType, PublishedEvent
from riveredge_sdk.models import uuid7
from riveredge_sdk.tenancy import TenantWallError

if TYPE_CHECKING:
    from riveredge_sdk.audit import AuditRecord

PayloadT = TypeVar("PayloadT", bound=BaseModel)


class NoUnitOfWorkError(RuntimeError):
    """The database was asked for outside of a unit of work."""


# For each of these keys of a topic, the numbers that its pushes carry.
Counters: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Mapping[str, int]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What `push` hands to the kernel's stream. `key` is empty for a topic of the whole tenant."""

    topic: str
    key: str
    what: str
    data: Mapping[str, str | int | None]
    counters: Counters | None = None


class UnitOfWork(Protocol):
    """What the kernel provides for the time of one transaction."""

    @property
    def session(self) -> AsyncSession: ...

    def add_event(self, event: PublishedEvent) -> None: ...

    def add_push(self, push: Pushed) -> None: ...

    def add_record(self, record: "AuditRecord") -> None: ...

    @property
    def has_records(self) -> bool: ...


current_unit_of_work: ContextVar[UnitOfWork | None] = ContextVar("riveredge_unit_of_work", default=None)


@asynccontextmanager
async def unit_of_work(*, independent: bool = False, read_only: bool = False) -> AsyncIterator[AsyncSession]:
    """Open a transaction for the current tenant; usable as a block and as a decorator of an async function.

    Args:
        independent: open a second transaction although one is running, for what must last even if the surrounding
            one is rolled back (a failed login's counter, an attempt row before the I/O).
        read_only: writing and publishing are refused; on SQLite it waits for nobody.

    Raises:
        RuntimeError: one is open already and `independent` is not set.
        NoContextError: outside of requests and function runs.
    """
    if current_unit_of_work.get() is not None and not independent:
        raise RuntimeError("a unit of work is open already: use session(), or unit_of_work(independent=True)")
    async with current_context().runtime.open_unit_of_work(read_only=read_only) as opened:
        token = current_unit_of_work.set(opened)
        try:
            yield opened.session
        finally:
            current_unit_of_work.reset(token)


def unit() -> UnitOfWork:
    """The running unit of work, for the SDK's own functions.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
    """
    found = current_unit_of_work.get()
    if found is None:
        raise NoUnitOfWorkError("no unit of work is open: decorate the step with @unit_of_work()")
    return found


def session() -> AsyncSession:
    """The session of the running unit of work: it sees and writes the current tenant's rows only.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
    """
    return unit().session


@dataclass(slots=True)
class _Part:
    """The unit of work inside a savepoint: it keeps what is to be sent to itself until the part has succeeded."""

    session: AsyncSession
    events: list[PublishedEvent] = field(default_factory=list)
    pushes: list[Pushed] = field(default_factory=list)
    records: list["AuditRecord"] = field(default_factory=list)

    def add_event(self, event: PublishedEvent) -> None:
        self.events.append(event)

    def add_push(self, push: Pushed) -> None:
        self.pushes.append(push)

    def add_record(self, record: "AuditRecord") -> None:
        self.records.append(record)

    @property
    def has_records(self) -> bool:
        return bool(self.records)


@asynccontextmanager
async def savepoint() -> AsyncIterator[None]:
    """A part of the running unit of work that may fail by itself: an exception takes back its rows, its events
    and its audit entries, and the unit of work goes on.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
    """
    around = unit()
    part = _Part(around.session)
    token = current_unit_of_work.set(part)
    try:
        async with around.session.begin_nested():
            yield
    finally:
        current_unit_of_work.reset(token)
    for event in part.events:
        around.add_event(event)
    for push in part.pushes:
        around.add_push(push)
    for record in part.records:
        around.add_record(record)


@asynccontextmanager
async def read_session() -> AsyncIterator[AsyncSession]:
    """A session for reading only; it may be served by a replica, so it need not see the running unit's writes."""
    async with current_context().runtime.open_read_session() as reading:
        yield reading


def publish(
    event: EventType[PayloadT],
    payload: PayloadT,
    *,
    due_at: datetime | None = None,
    tenant_id: UUID | None = None,
) -> UUID:
    """Publish `payload` when the running unit of work commits; nothing is sent if it rolls back.

    Args:
        due_at: start the functions then, not before (aware datetime; None: at once). For what may have to be taken
            back, set a timer instead (`riveredge_sdk.timers`).
        tenant_id: whose event it is, where code serves none: in a `TimerSource`. None: the tenant being served.

    Returns:
        The event's id, which consumers may use to tell repeats apart: delivery is at least once.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
        ValueError: `due_at` has no time zone.
        TenantWallError: `tenant_id` is another tenant than the one being served.
    """
    if due_at is not None and due_at.tzinfo is None:
        raise ValueError("due_at needs a time zone; use UTC")
    if tenant_id is not None:
        context = current_context()
        if context.system_reason is None and context.tenant_id != tenant_id:
            raise TenantWallError("an event cannot be published for another tenant than the one being served")
    published = PublishedEvent(
        id=uuid7(), name=event.name, data=payload.model_dump(mode="json"), due_at=due_at, tenant_id=tenant_id
    )
    unit().add_event(published)
    return published.id
