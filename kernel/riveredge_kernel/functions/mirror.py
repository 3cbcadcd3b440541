"""The mirror of runs in the database: what a tenant sees of its durable functions, and proof that an event arrived."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.events.models import OutboxEvent, OutboxState
from riveredge_kernel.functions.models import Rerun, Run, RunStatus, RunStep
from riveredge_kernel.functions.topics import push_run, push_step
from riveredge_kernel.http.models import IdempotencyRecord
from riveredge_kernel.metrics import RUN_SECONDS, RUNS
from riveredge_kernel.timers.models import Timer
from riveredge_kernel.timers.service import TimerRef, TimerService
from riveredge_kernel.tracing import UNTRACED
from riveredge_sdk.context import current_context
from riveredge_sdk.functions import Subject
from riveredge_sdk.models import utcnow
from riveredge_sdk.timers import NotServedError
from riveredge_sdk.uow import unit_of_work

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing

log = structlog.get_logger(__name__)

_OPEN = (RunStatus.RUNNING,)
REPEATABLE = (RunStatus.FAILED, RunStatus.LOST)
KEEP_RUNS = timedelta(days=90)
KEEP_EVENTS = timedelta(days=7)
KEEP_TICKS = timedelta(days=1)
KEEP_TIMERS = timedelta(days=30)
_MAX_ERROR = 4000
_CANCELLED = "Cancelled."


class RunMirror:
    """Writes down what runs do. Every method runs under the run's own context: tenant, run id, request id."""

    def __init__(self, timers: TimerService, tracing: "Tracing | None" = None) -> None:
        self._timers = timers
        self._tracing = tracing

    async def started(
        self,
        run_id: str,
        function: str,
        event_ids: Iterable[UUID],
        event_name: str,
        expected: frozenset[str],
        *,
        again: bool = False,
        timer: TimerRef | None = None,
        subject: Subject | None = None,
        rerun_of: str | None = None,
        traceparent: str | None = None,
        not_here: NotServedError | None = None,
    ) -> str | None:
        """Note that a run began, and confirm its events once every function that they start was seen.

        Args:
            expected: the functions that each such event starts for certain.
            again: the event was sent again under a new id, so an earlier run of it may well be alive.
            timer: what published the event, if a timer did.
            subject: the object that the run serves.
            rerun_of: the run that it repeats.
            traceparent: the span of its event.
            not_here: why the function is not to run for this tenant at present. The event has arrived all the same:
                without a run it would be sent again and again. Its timer waits until the tenant is served again.

        Returns:
            Why the run is to end at once; None if it may go on. An engine that forgot what it knew starts the same
            event again; and a timer may have been cancelled or replaced while its event was on the way.
        """
        ids = list(event_ids)
        context = current_context()
        try:
            async with unit_of_work(independent=True) as session:
                if (known := await _find(session, run_id)) is not None:
                    if known.status == RunStatus.LOST:
                        # It was not lost after all.
                        known.status, known.ended_at, known.error = RunStatus.RUNNING, None, None
                        push_run("started", known)
                    return known.error if known.status == RunStatus.CANCELLED else None
                refusal: str | None = None
                if not_here is not None:
                    refusal = str(not_here)
                    if timer is not None:
                        await self._timers.hold(session, timer, plugin_of(function))
                elif await self._is_repeated(session, function, ids, again=again):
                    refusal = "The event has been dealt with by an earlier run."
                elif timer is not None and not await self._timers.admit(session, timer, run_id):
                    refusal = "The timer was cancelled or set anew."
                run = Run(
                    run_id=run_id,
                    tenant_id=context.tenant_id,
                    function=function,
                    event_id=ids[0] if ids else None,
                    event_name=event_name,
                    request_id=context.request_id,
                    started_at=utcnow(),
                    subject_type=subject.type[:100] if subject else None,
                    subject_id=str(subject.id)[:100] if subject else None,
                    rerun_of=rerun_of,
                )
                if self._tracing is not None:
                    run.trace_id = self._tracing.trace_of_run(run_id, function, traceparent)
                    run.traceparent = traceparent if run.trace_id else None
                if refusal is not None:
                    run.status, run.ended_at, run.error = RunStatus.CANCELLED, utcnow(), refusal
                    RUNS.labels(function, RunStatus.CANCELLED).inc()
                session.add(run)
                await session.flush()
                push_run("started" if refusal is None else "cancelled", run)
                await self._confirm(session, function, ids, expected)
                self._trace(run)
                return refusal
        except IntegrityError:
            # A simultaneous call of the same run was faster.
            return None

    async def _is_repeated(self, session: AsyncSession, function: str, event_ids: list[UUID], *, again: bool) -> bool:
        if len(event_ids) != 1:
            return again and await self._are_seen(session, function, event_ids)
        earlier = (
            await session.exec(
                select(Run).where(col(Run.event_id) == event_ids[0], col(Run.function) == function).limit(10)
            )
        ).all()
        if again and earlier:
            return True
        for run in earlier:
            if run.status in _OPEN:
                run.status, run.ended_at = RunStatus.CANCELLED, utcnow()
                run.error = "The engine lost this run and started another for the same event."
                push_run("cancelled", run)
        return any(run.status in {RunStatus.COMPLETED, RunStatus.FAILED} for run in earlier)

    async def _are_seen(self, session: AsyncSession, function: str, event_ids: list[UUID]) -> bool:
        """Whether the function has had all events of a batch. One that has had some gets those once more."""
        query = select(OutboxEvent).where(col(OutboxEvent.id).in_(event_ids))
        rows = (await session.exec(query)).all()
        done = [row for row in rows if row.state == OutboxState.CONFIRMED or function in (row.seen_by or ())]
        return len(done) == len(event_ids) > 0

    async def _confirm(
        self, session: AsyncSession, function: str, event_ids: list[UUID], expected: frozenset[str]
    ) -> None:
        if len(expected) > 1:
            event_ids = await self._seen_by_all(session, function, event_ids, expected)
        await session.exec(
            update(OutboxEvent)
            .where(col(OutboxEvent.id).in_(event_ids), col(OutboxEvent.state) != OutboxState.CONFIRMED)
            .values(state=OutboxState.CONFIRMED, confirmed_at=utcnow())
        )

    async def _seen_by_all(
        self, session: AsyncSession, function: str, event_ids: list[UUID], expected: frozenset[str]
    ) -> list[UUID]:
        """Those of the events that every expected function has seen by now."""
        # Locked, so that of two functions that see an event at once the later one knows of both.
        query = select(OutboxEvent).where(col(OutboxEvent.id).in_(event_ids)).order_by(col(OutboxEvent.id))
        rows = (await session.exec(query.with_for_update())).all()
        runs = select(Run.event_id, Run.function).where(col(Run.event_id).in_(event_ids))
        seen: dict[UUID | None, set[str]] = {}
        for event_id, name in (await session.exec(runs)).all():
            seen.setdefault(event_id, set()).add(name)
        complete = []
        for row in rows:
            if len(event_ids) > 1:
                row.seen_by = sorted({*(row.seen_by or ()), function})
            if expected <= seen.get(row.id, set()) | {*(row.seen_by or ())}:
                complete.append(row.id)
        await session.flush()
        return complete

    async def step(
        self, run_id: str, name: str, *, began: datetime, attempt: int, error: str | None, waiting: bool
    ) -> None:
        """Note a step's end, or that the run now waits at it. `began` is when this attempt did."""
        now = utcnow()
        status = RunStatus.FAILED if error else RunStatus.RUNNING if waiting else RunStatus.COMPLETED
        async with unit_of_work(independent=True) as session:
            query = select(RunStep).where(col(RunStep.run_id) == run_id, col(RunStep.step) == name[:500])
            row = (await session.exec(query)).one_or_none()
            if row is None:
                tenant = current_context().tenant_id
                row = RunStep(run_id=run_id, tenant_id=tenant, step=name[:500], started_at=began)
                session.add(row)
            row.status, row.attempt, row.error = status, attempt, error and error[:_MAX_ERROR]
            row.ended_at = None if waiting else now
            run = await _find(session, run_id)
            if run is not None:
                run.step, run.attempt, run.error = name[:500], attempt, row.error
                push_step("step", run_id, attempt=attempt)
                if error is not None:
                    push_run("failing", run)

    async def attempt_failed(self, run_id: str, *, attempt: int, error: str) -> None:
        """Note that the function itself raised; whether that was the last attempt, Inngest tells later."""
        async with unit_of_work(independent=True) as session:
            run = await _find(session, run_id)
            if run is not None:
                run.attempt, run.error = attempt, error[:_MAX_ERROR]
                push_run("failing", run)

    async def ended(self, run_id: str, status: RunStatus, *, error: str | None = None) -> None:
        """Note the run's end. A run that has ended stays as it is, but who cancelled it may be told later."""
        async with unit_of_work(independent=True) as session:
            run = await _find(session, run_id)
            if run is not None and run.status == status == RunStatus.CANCELLED and error and run.error == _CANCELLED:
                run.error = error[:_MAX_ERROR]
            if run is None or run.status not in _OPEN:
                return
            if status == RunStatus.CANCELLED:
                error = error or _CANCELLED
            now = utcnow()
            run.status, run.ended_at, run.error = status, now, (error and error[:_MAX_ERROR]) or None
            waiting = (col(RunStep.run_id) == run_id, col(RunStep.status) == RunStatus.RUNNING)
            await session.exec(update(RunStep).where(*waiting).values(status=status, ended_at=now))
            push_run(status, run)
            push_step(status, run_id, attempt=run.attempt)
            RUNS.labels(run.function, status).inc()
            RUN_SECONDS.labels(run.function).observe(max((now - run.started_at).total_seconds(), 0.0))
            self._trace(run)

    def _trace(self, run: Run) -> None:
        if self._tracing is not None:
            self._tracing.run_ended(run)

    async def prune(self) -> dict[str, int]:
        """Delete what nobody asks for any more, across tenants; the numbers of rows. Needs a system context."""
        now = utcnow()
        async with unit_of_work(independent=True) as session:
            old = select(Run.run_id).where(col(Run.ended_at) < now - KEEP_RUNS)
            failed = select(Run.event_id).where(col(Run.status).in_(REPEATABLE), col(Run.event_id).is_not(None))
            removals = {
                "steps": delete(RunStep).where(col(RunStep.run_id).in_(old)),
                "runs": delete(Run).where(col(Run.ended_at) < now - KEEP_RUNS),
                "ticks": delete(Run).where(col(Run.function).in_(UNTRACED), col(Run.ended_at) < now - KEEP_TICKS),
                "timers": delete(Timer).where(col(Timer.ended_at) < now - KEEP_TIMERS),
                "reruns": delete(Rerun).where(col(Rerun.ended_at) < now - KEEP_RUNS),
                "events": delete(OutboxEvent).where(
                    col(OutboxEvent.confirmed_at) < now - KEEP_EVENTS,
                    # What failed can be repeated for as long as it is shown.
                    col(OutboxEvent.id).not_in(failed),
                ),
                "answers": delete(IdempotencyRecord).where(col(IdempotencyRecord.expires_at) < now),
            }
            return {name: (await session.exec(statement)).rowcount for name, statement in removals.items()}


def plugin_of(function: str) -> str:
    """The plugin whose function it is."""
    return function.partition(".")[0]


async def _find(session: AsyncSession, run_id: str) -> Run | None:
    return (await session.exec(select(Run).where(col(Run.run_id) == run_id))).one_or_none()
