"""The doorway to Inngest: sends what lies in the outbox, and again what was acknowledged but never seen to run.

A loop of this process, because it is what makes sure that Inngest learns of anything at all: it cannot be a function of
the engine it speaks to. Everything behind the doorway is Inngest's.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import bindparam, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, or_, select

from riveredge_kernel.db.database import Database
from riveredge_kernel.events.models import OutboxEvent, OutboxState
from riveredge_kernel.functions.client import InngestAbsentError
from riveredge_kernel.metrics import OUTBOX_SENT
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.runtime import Runtime

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
BATCH = 100
LEASE = timedelta(seconds=30)
MAX_BACKOFF = 60
# What starts no function is in no hurry: it waits so long for what can be sent with it.
GATHER_SECONDS = 0.05
# While Inngest does not answer, it is asked again after half a second, then after twice as long, up to this.
MAX_ABSENCE = 10.0
_MAX_ERROR = 300
# After an acknowledgement a run is expected within this time; each further time is twice as long, up to an hour.
CONFIRM_WITHIN = 15
MAX_CONFIRM = 3600
_UNCONFIRMED = or_(col(OutboxEvent.state) == OutboxState.PENDING, col(OutboxEvent.state) == OutboxState.SENT)

# Made once, so that their SQL is.
_PENDING = select(OutboxEvent).where(
    col(OutboxEvent.id).in_(bindparam("ids", expanding=True)), col(OutboxEvent.state) == OutboxState.PENDING
)
# A run may have been seen before we come to say that its event was sent.
_SENT = (
    update(OutboxEvent)
    .where(col(OutboxEvent.id).in_(bindparam("ids", expanding=True)), col(OutboxEvent.state) != OutboxState.CONFIRMED)
    .values(sent_at=bindparam("now"), error=None, attempts=col(OutboxEvent.attempts) + 1)
)
_EXPECTED = _SENT.values(state=OutboxState.SENT, next_attempt_at=bindparam("check_at"))
_DONE = _SENT.values(state=OutboxState.CONFIRMED, confirmed_at=bindparam("now"))


class Sends(Protocol):
    """The Inngest client, as far as the relay needs it."""

    async def send_events(self, events: Sequence[OutboxEvent]) -> None: ...


class EventRelay:
    """Sends events. `nudge` after a commit; `start` and `stop` with the platform."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        sender: Sends,
        *,
        confirm_within: float = CONFIRM_WITHIN,
        is_trigger: Callable[[str], bool] = lambda _: True,
        patience: Callable[[str], timedelta] = lambda _: timedelta(0),
        tracing: "Tracing | None" = None,
    ) -> None:
        self._database = database
        self._runtime = runtime
        self._sender = sender
        self._confirm_within = confirm_within
        self._is_trigger = is_trigger
        self._patience = patience
        self._tracing = tracing
        self._fresh: list[UUID] = []
        self._unhurried: list[UUID] = []
        self._sending = False
        self._sent = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._absences = 0
        self._silent_until = 0.0
        self.last_error = ""

    def nudge(self, events: Sequence[PublishedEvent]) -> None:
        """These have just been committed by this process."""
        gathering = bool(self._unhurried)
        for event in events:
            (self._fresh if self._is_trigger(event.name) else self._unhurried).append(event.id)
        if self._fresh:
            self._wake.set()
        elif self._unhurried and not gathering:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._hurry)

    def _hurry(self) -> None:
        self._fresh += self._unhurried
        self._unhurried.clear()
        self._wake.set()

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="event relay")

    async def stop(self) -> None:
        """End; what is not sent stays in the outbox."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def flush(self) -> None:
        """Return when what this process has committed so far has been tried."""
        while self._fresh or self._unhurried or self._sending:
            self._hurry()
            self._sent.clear()
            await self._sent.wait()

    async def _run(self) -> None:
        swept = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if loop.time() < self._silent_until:
                    # What is committed meanwhile lies in the outbox, and is found there.
                    self._drop_fresh()
                while self._fresh and loop.time() >= self._silent_until:
                    await self._send_fresh()
                if loop.time() >= self._silent_until and loop.time() - swept >= SWEEP_SECONDS:
                    swept = loop.time()
                    while await self._sweep() == BATCH and loop.time() >= self._silent_until:
                        pass
            except (SQLAlchemyError, OSError) as error:
                # The database is away; the rows will still be there when it is back.
                self.last_error = f"{type(error).__name__}: {error}"[:300]
                log.warning("relay_database_error", error=self.last_error)
                await asyncio.sleep(SWEEP_SECONDS)
            self._wake.clear()
            if not self._fresh:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS)

    def _drop_fresh(self) -> None:
        self._fresh.clear()
        self._sent.set()

    async def _send_fresh(self) -> None:
        if len(self._fresh) < BATCH:
            self._hurry()
        ids, self._fresh = self._fresh[:BATCH], self._fresh[BATCH:]
        self._sending = True
        try:
            await self._send_ids(ids)
        finally:
            self._sending = False
            self._sent.set()

    async def _send_ids(self, ids: list[UUID]) -> None:
        async with self._database.system("outbox", self._runtime, read_only=True) as session:
            rows = (await session.exec(_PENDING, params={"ids": ids})).all()
        await self._send(rows)

    async def _sweep(self) -> int:
        """Claim rows that are due and send them; how many there were."""
        now = self._runtime.now()
        due = (
            select(OutboxEvent)
            .where(col(OutboxEvent.state) != OutboxState.CONFIRMED, col(OutboxEvent.next_attempt_at) <= now)
            .order_by(col(OutboxEvent.next_attempt_at))
            .limit(BATCH)
        )
        async with self._database.system("outbox", self._runtime, read_only=True) as session:
            if (await session.exec(due.limit(1))).first() is None:
                return 0
        async with self._database.system("outbox", self._runtime) as session:
            rows = (await session.exec(due.with_for_update(skip_locked=True))).all()
            for row in rows:
                row.next_attempt_at = now + LEASE
        await self._send(rows)
        return len(rows)

    async def _send(self, rows: Sequence[OutboxEvent]) -> None:
        # A row that was refused before goes alone, so that one the engine will never take does not hold up the others.
        fresh = [row for row in rows if row.error is None]
        groups = [fresh] if fresh else []
        groups += [[row] for row in rows if row.error is not None]
        for index, group in enumerate(groups):
            try:
                await self._sender.send_events(group)
            except InngestAbsentError as error:
                # The rest would only fail as well.
                await self._note_absence([row for part in groups[index:] for row in part], error)
                return
            except Exception as error:  # noqa: BLE001  (whatever goes wrong in sending means: again later)
                await self._note_failure(group, f"{type(error).__name__}: {error}"[:_MAX_ERROR])
            else:
                self._absences = 0
                self.last_error = ""
                again = sum(1 for row in group if row.state == OutboxState.SENT)
                OUTBOX_SENT.labels("again").inc(again)
                OUTBOX_SENT.labels("sent").inc(len(group) - again)
                self._trace(group)
                await self._note_sent(group)

    def _trace(self, rows: Sequence[OutboxEvent]) -> None:
        if self._tracing is None:
            return
        now = self._runtime.now()
        for row in rows:
            if row.state == OutboxState.PENDING:
                self._tracing.event_sent(row, now)

    async def _note_sent(self, rows: Sequence[OutboxEvent]) -> None:
        now = self._runtime.now()
        by_check: dict[datetime | None, list[UUID]] = {}
        for row in rows:
            by_check.setdefault(self._confirm_by(row, now) if row.consumed else None, []).append(row.id)
        async with self._database.system("outbox", self._runtime) as session:
            for check_at, ids in by_check.items():
                values = {"ids": ids, "now": now}
                if check_at is None:
                    await session.exec(_DONE, params=values)
                else:
                    await session.exec(_EXPECTED, params={**values, "check_at": check_at})

    def _confirm_by(self, row: OutboxEvent, now: datetime) -> datetime:
        start = (max(now, row.due_at) if row.due_at else now) + self._patience(row.name)
        return start + timedelta(seconds=min(self._confirm_within * 2 ** min(row.attempts, 10), MAX_CONFIRM))

    async def _note_failure(self, rows: Sequence[OutboxEvent], error: str) -> None:
        """Inngest has looked at the events and did not take them."""
        self.last_error = error
        OUTBOX_SENT.labels("refused").inc(len(rows))
        log.warning("events_refused", count=len(rows), error=error)
        now = self._runtime.now()
        async with self._database.system("outbox", self._runtime) as session:
            for row in rows:
                delay = timedelta(seconds=min(2**row.attempts, MAX_BACKOFF))
                values = {"attempts": row.attempts + 1, "error": error, "next_attempt_at": now + delay}
                await session.exec(update(OutboxEvent).where(col(OutboxEvent.id) == row.id).values(**values))

    async def _note_absence(self, rows: Sequence[OutboxEvent], error: Exception) -> None:
        """Inngest does not answer: the events stay, and nothing is tried for a while."""
        self.last_error = str(error)
        OUTBOX_SENT.labels("failed").inc(len(rows))
        pause = min(0.5 * 2**self._absences, MAX_ABSENCE)
        self._absences += 1
        self._silent_until = asyncio.get_running_loop().time() + pause
        log.warning("inngest_absent", waiting=len(rows), seconds=pause, error=self.last_error)
        values = {"next_attempt_at": self._runtime.now()}
        async with self._database.system("outbox", self._runtime) as session:
            ids = [row.id for row in rows]
            still_open = col(OutboxEvent.state) != OutboxState.CONFIRMED
            await session.exec(update(OutboxEvent).where(col(OutboxEvent.id).in_(ids), still_open).values(**values))

    async def measure(self) -> dict[str, float]:
        """How many events are not yet confirmed, and how many seconds the oldest of them that was due has waited."""
        now = self._runtime.now()
        since: Any = func.min(func.coalesce(col(OutboxEvent.due_at), col(OutboxEvent.created_at)))
        query = select(func.count(), since).select_from(OutboxEvent).where(_UNCONFIRMED)
        async with self._database.system("outbox", self._runtime, read_only=True) as session:
            count, oldest = (await session.exec(query)).one()
        return {"open": count, "oldest_seconds": max((now - oldest).total_seconds(), 0.0) if oldest else 0.0}
