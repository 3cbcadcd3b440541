"""Setting, cancelling and admitting timers, each inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.metrics import TIMER_LATENESS
from riveredge_kernel.timers.clock import Clock
from riveredge_kernel.timers.models import OPEN, Timer, TimerState
from riveredge_sdk.context import current_context, current_tenant
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.models import uuid7
from riveredge_sdk.timers import HORIZON, Owner
from riveredge_sdk.uow import unit

_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class TimerRef:
    """What an event says of the timer that published it. `event_id` is the event's own."""

    id: UUID
    event_id: UUID

    @staticmethod
    def of(data: Mapping[str, Any], event_id: UUID | None) -> "TimerRef | None":
        """The timer that the event's data names, if any."""
        meta = data.get("riveredge")
        named = meta.get("timer") if isinstance(meta, Mapping) else None
        if event_id is None or not isinstance(named, Mapping):
            return None
        try:
            return TimerRef(UUID(str(named.get("id"))), event_id)
        except ValueError:
            return None


def event_of(  # noqa: PLR0917
    timer_id: UUID,
    generation: int,
    event_id: UUID,
    event: str,
    data: Mapping[str, Any],
    due_at: datetime,
    *,
    tenant_id: UUID,
    request_id: str,
) -> PublishedEvent:
    """The event of a timer."""
    meta = {"timer": {"id": str(timer_id), "generation": generation}}
    return PublishedEvent(
        id=event_id,
        name=event,
        data={**data, "riveredge": meta},
        due_at=due_at,
        tenant_id=tenant_id,
        request_id=request_id,
    )


class TimerService:
    """Works in the running unit of work."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def set(self, owner: Owner, name: str, due_at: datetime, event: str, data: dict[str, Any]) -> None:
        """See `riveredge_sdk.timers.set`."""
        kind, owner_id = _checked(owner)
        if not 1 <= len(name) <= _MAX_NAME:
            raise ValueError(f"a timer's name has 1 to {_MAX_NAME} characters")
        if due_at.tzinfo is None:
            raise ValueError("due_at needs a time zone; use UTC")
        work, tenant_id, request_id = unit(), current_tenant(), current_context().request_id
        now = await self._clock.database_now(work.session)
        near = due_at <= now + HORIZON
        event_id = uuid7() if near else None
        new: dict[str, Any] = {
            "due_at": due_at,
            "event": event,
            "data": data,
            "request_id": request_id,
            "state": TimerState.DISPATCHED if near else TimerState.WAITING,
            "event_id": event_id,
            "dispatched_at": now if near else None,
            "held_for": None,
            "ended_at": None,
            "run_id": None,
            "updated_at": now,
        }
        key = {"tenant_id": tenant_id, "owner_kind": kind, "owner_id": owner_id, "name": name}
        dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
        insert = dialect.insert(Timer).values(id=uuid7(), generation=1, version=1, created_at=now, **key, **new)
        counted = {"generation": col(Timer.generation) + 1, "version": col(Timer.version) + 1}
        upsert = insert.on_conflict_do_update(index_elements=list(key), set_={**new, **counted})
        returned = await work.session.exec(upsert.returning(col(Timer.id), col(Timer.generation)))
        timer_id, generation = returned.one()
        if event_id is not None:
            work.add_event(
                event_of(
                    timer_id, generation, event_id, event, data, due_at, tenant_id=tenant_id, request_id=request_id
                )
            )

    async def cancel(self, owner: Owner, name: str | None) -> int:
        """See `riveredge_sdk.timers.cancel`."""
        kind, owner_id = _checked(owner)
        current_tenant()
        where = [col(Timer.owner_kind) == kind, col(Timer.owner_id) == owner_id, col(Timer.state).in_(OPEN)]
        if name is not None:
            where.append(col(Timer.name) == name)
        session = unit().session
        now = await self._clock.database_now(session)
        ended = {"state": TimerState.CANCELLED, "ended_at": now, "version": col(Timer.version) + 1}
        return (await session.exec(update(Timer).where(*where).values(**ended))).rowcount

    async def admit(self, session: AsyncSession, timer: TimerRef, run_id: str) -> bool:
        """Whether a run of this timer's event may begin; notes that it did. False: the timer was cancelled or set anew.

        Several functions may be triggered by the same event, so it is admitted again after it has fired.
        """
        named = (col(Timer.id) == timer.id, col(Timer.event_id) == timer.event_id)
        now = await self._clock.database_now(session)
        fired = {"state": TimerState.FIRED, "ended_at": now, "run_id": run_id, "held_for": None}
        open_ = col(Timer.state).in_((TimerState.DISPATCHED, TimerState.HELD))
        changed = await session.exec(
            update(Timer).where(*named, open_).values(**fired).returning(col(Timer.due_at), col(Timer.event))
        )
        first: Sequence[Any] | None = changed.first()
        if first is not None:
            TIMER_LATENESS.labels(first[1]).observe(max((now - first[0]).total_seconds(), 0.0))
            return True
        again = await session.exec(select(Timer.id).where(*named, col(Timer.state) == TimerState.FIRED))
        return again.first() is not None

    async def hold(self, session: AsyncSession, timer: TimerRef, plugin: str) -> None:
        """Its event came while the tenant was suspended or the plugin off: let it wait for the end of that."""
        named = (col(Timer.id) == timer.id, col(Timer.event_id) == timer.event_id)
        held = {"state": TimerState.HELD, "held_for": plugin}
        await session.exec(update(Timer).where(*named, col(Timer.state) == TimerState.DISPATCHED).values(**held))


def _checked(owner: Owner) -> tuple[str, str]:
    owner_id = str(owner.id)
    if not (1 <= len(owner.kind) <= _MAX_NAME and 1 <= len(owner_id) <= _MAX_NAME):
        raise ValueError(f"a timer's owner has a kind and an id of 1 to {_MAX_NAME} characters")
    return owner.kind, owner_id
