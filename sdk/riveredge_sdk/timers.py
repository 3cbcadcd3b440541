"""Timers: what is due later, kept in the database and sent at its exact time.

Inside a unit of work, a timer is set with the event that it is to publish, under an owner and a name::

    from riveredge_sdk import timers

    owner = timers.Owner("approvals.task", task.id)
    await timers.set(owner, "reminder", task.due_at - timedelta(hours=4), REMINDER_DUE, ReminderDue(task_id=task.id))
    await timers.set(owner, "deadline", task.due_at, DEADLINE_REACHED, DeadlineReached(task_id=task.id))

    await timers.cancel(owner)                # the task is done: neither will reach its function
    await timers.cancel(owner, "reminder")    # or one of them

Setting the same owner and name again replaces what was set. A timer that was cancelled or replaced does not reach its
functions, even if its event is on its way already: the kernel sees to it, handlers need not look. While an organisation
is suspended, or the plugin switched off for it, its timers wait, and come late rather than never.

A plugin with a table of due rows of its own (schedules, say) takes part in the kernel's tick with
`DueRows`, or a `TimerSource` if they are many.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk.context import current_context, use_context
from riveredge_sdk.events import EventType, PublishedEvent
from riveredge_sdk.models import uuid7
from riveredge_sdk.uow import unit

PayloadT = TypeVar("PayloadT", bound=BaseModel)

# The tick claims what is due within this time: more than its period, and than a late tick's.
HORIZON = timedelta(seconds=90)
MAX_CHUNK = 250


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose timer it is: a kind (`<plugin>.<thing>`, at most 100 characters) and the thing's id."""

    kind: str
    id: UUID | str


async def set(  # noqa: A001
    owner: Owner, name: str, due_at: datetime, event: EventType[PayloadT], payload: PayloadT
) -> None:
    """Publish `payload` at `due_at`, unless the timer is cancelled or set again before. Part of the unit of work.

    Args:
        name: tells the owner's timers apart, at most 100 characters.
        due_at: an aware datetime; what is past is due at once.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
        NoTenantError: no tenant is being served.
        ValueError: `due_at` has no time zone, or the owner or the name is empty or too long.
    """
    unit()
    await current_context().runtime.set_timer(owner, name, due_at, event.name, payload.model_dump(mode="json"))


async def cancel(owner: Owner, name: str | None = None) -> int:
    """Cancel the owner's timer of this name, or all of its timers. Part of the unit of work.

    Returns:
        How many there were that had not started a function yet.
    """
    unit()
    return await current_context().runtime.cancel_timers(owner, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """One due row of a `TimerSource`, as it travels to its execution."""

    tenant_id: UUID
    id: UUID
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Fires of one instant, of one tenant or of several. `run_id` is the run that executes them."""

    fires: Sequence[Fire]
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a source has in front of it.

    `overdue`: rows whose time has passed without their being claimed. `next_due_at`: when the next unclaimed row is
    due, past or future; None if there is none.
    """

    overdue: int
    next_due_at: datetime | None


class DueRows(ABC):
    """A plugin's own table of due rows, claimed by the kernel's tick. Contributed by `Plugin.timer_sources`.

    Each row that it claims publishes an event of its own. Where many are due at once, see `TimerSource`.

    The methods run without a tenant, in the kernel's hatch: a `unit_of_work()` opened inside sees the rows of all
    tenants and stamps nothing, so each row and each published event names its tenant. Work that is a tenant's own is
    done inside `serving(tenant_id, plugin)`.

    Attributes:
        id: `<plugin>.<name>`.
        title: for people.
    """

    id: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    async def claim(self, until: datetime, limit: int) -> int:
        """Claim up to `limit` rows that are due before `until`, in one transaction; how many. `until` is HORIZON ahead.

        Select them with `with_for_update(skip_locked=True)` ordered by their due time, write what remembers the fire,
        move the rows on, and hand the fires over: `publish_fires` for many light ones, or
        `publish(event, payload, due_at=…, tenant_id=…)` for one that is to be a run of its own. Called again until it
        returns less than `limit`, perhaps by several claimers at the same time.
        """

    @abstractmethod
    async def reconcile(self, now: datetime) -> int:
        """Mend what got lost on the way (fires that never started, leases that ran out); how much. Once in a tick."""

    @abstractmethod
    async def waiting(self, now: datetime) -> Waiting:
        """What is overdue, and when the next row is due; asked by health checks and by the testing kit's clock."""


class TimerSource(DueRows):
    """Due rows whose fires travel together (`publish_fires`) and come back to the source, many in one call."""

    @abstractmethod
    async def fire(self, chunk: Chunk) -> None:
        """Execute what `publish_fires` handed over: called at the fires' due time, never before, at least once.

        Admit each fire with a guarded change (`UPDATE … WHERE id IN (…) AND state = 'planned' RETURNING …`), so that
        one that comes again, or was taken back meanwhile, finds nothing to do. If it raises, it is called again later.
        """


def publish_fires(source: str, fires: Iterable[Fire], *, size: int = 200) -> int:
    """Hand claimed fires over when the unit of work commits, as few events: one for each instant and `size` fires.

    Fires of one event start at their exact common instant, so many fires become few events only where they share
    instants: round due times to whole seconds.

    Args:
        source: the id of the `TimerSource` whose `fire` gets them.

    Returns:
        The number of events.
    """
    if not 1 <= size <= MAX_CHUNK:
        raise ValueError(f"size must be 1 to {MAX_CHUNK}")
    events = 0
    for due_at, same in groupby(sorted(fires, key=_by_instant), key=lambda fire: fire.due_at):
        together = list(same)
        for first in range(0, len(together), size):
            part = [[str(fire.tenant_id), str(fire.id)] for fire in together[first : first + size]]
            data = {"source": source, "due_at": due_at.isoformat(), "fires": part}
            unit().add_event(PublishedEvent(id=uuid7(), name=FIRES_DUE, data=data, due_at=due_at))
            events += 1
    return events


# The kernel's event that carries fires.
FIRES_DUE = "kernel/fires.due"


def _by_instant(fire: Fire) -> tuple[datetime, UUID]:
    return fire.due_at, fire.tenant_id


class NotServedError(Exception):
    """The tenant is gone or suspended, or has the plugin switched off. The message says which, in a sentence."""


@asynccontextmanager
async def serving(tenant_id: UUID, plugin: str) -> AsyncIterator[None]:
    """Serve one tenant for the time of the block, inside a `TimerSource`; open units of work inside it.

    Args:
        plugin: the id of the plugin on whose behalf.

    Raises:
        NotServedError: the tenant is not to be served.
    """
    context = await current_context().runtime.tenant_context(tenant_id, plugin)
    with use_context(context):
        yield


async def served_tenants(plugin: str, among: Collection[UUID] | None = None) -> Sequence[UUID]:
    """The tenants for which `serving(tenant_id, plugin)` would serve. For code that runs without a tenant.

    Args:
        among: only of these; many are looked up at once, and `serving` each of them then looks up nothing.
    """
    return await current_context().runtime.served_tenants(plugin, among)


async def now() -> datetime:
    """The present by the database's clock, which decides what is due: nodes' own clocks differ. Costs one statement.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
    """
    unit()
    return await current_context().runtime.database_now()


__all__ = [
    "HORIZON",
    "MAX_CHUNK",
    "Chunk",
    "DueRows",
    "Fire",
    "NotServedError",
    "Owner",
    "TimerSource",
    "Waiting",
    "cancel",
    "now",
    "publish_fires",
    "served_tenants",
    "serving",
    "set",
]
