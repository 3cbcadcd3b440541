"""Repeating runs: one, or all failed ones that a filter finds, in the background."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, update
from sqlmodel import col, select

from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions.mirror import REPEATABLE
from riveredge_kernel.functions.models import Rerun, RerunStatus, Run, RunStatus
from riveredge_kernel.functions.repository import Runs
from riveredge_kernel.functions.requests import RUN_REQUESTED, RunRequest, is_repeatable
from riveredge_kernel.functions.topics import RUNS
from riveredge_sdk.auth import current_principal
from riveredge_sdk.events import EventType, PublishedEvent
from riveredge_sdk.functions import FunctionContext, FunctionSpec
from riveredge_sdk.models import utcnow, uuid7
from riveredge_sdk.problems import Conflict
from riveredge_sdk.stream import push
from riveredge_sdk.uow import publish, session, unit, unit_of_work

BATCH = 100
_FUNCTION = "kernel.rerun"


class RerunRequested(BaseModel):
    """Which one."""

    rerun_id: UUID


RERUN_REQUESTED = EventType("kernel/rerun.requested", RerunRequested, "Failed runs are to be repeated", internal=True)


class KnowsFunctions(Protocol):
    """The function host, as far as repetitions need it."""

    def spec(self, spec_id: str) -> FunctionSpec[Any] | None: ...


class Reruns:
    """Asks for repetitions, in the running unit of work."""

    def __init__(self, functions: KnowsFunctions) -> None:
        self._functions = functions

    async def one(self, run: Run) -> UUID:
        """Repeat a run with the data of its event; the id of the event that asks for it.

        Raises:
            Conflict: it has not ended, or cannot be repeated.
        """
        if run.status == RunStatus.RUNNING:
            raise Conflict("The run has not ended. Cancel it first.")
        event = await session().get(OutboxEvent, run.event_id) if run.event_id else None
        if reason := self._why_not(run, event):
            raise Conflict(reason)
        assert event is not None  # noqa: S101  (or there is a reason)
        run.rerun_at = utcnow()
        return _ask(run, event)

    async def many(self, filter_text: str | None, *, cap: int) -> Rerun:
        """Begin to repeat the failed and lost runs that the filter finds and that were not repeated yet."""
        now = utcnow()
        failed = _failed(filter_text, col(Run.started_at) < now)
        found = (await session().exec(select(func.count(col(Run.id))).where(*failed))).one()
        made = Rerun(
            requested_by_id=current_principal().id, filter=filter_text, cap=cap, found=min(found, cap), until=now
        )
        session().add(made)
        await session().flush()
        publish(RERUN_REQUESTED, RerunRequested(rerun_id=made.id))
        return made

    async def next_batch(self, rerun_id: UUID) -> bool:
        """Repeat some more of them; whether there may be others."""
        query = select(Rerun).where(col(Rerun.id) == rerun_id)
        rerun = (await session().exec(query.with_for_update())).one_or_none()
        if rerun is None or rerun.status != RerunStatus.RUNNING:
            return False
        size = min(BATCH, rerun.cap - rerun.repeated - rerun.skipped)
        later = [col(Run.started_at) < rerun.until]
        if rerun.position is not None:
            later.append(col(Run.id) > rerun.position)
        failed = select(Run).where(*_failed(rerun.filter, *later)).order_by(col(Run.id)).limit(size)
        runs = (await session().exec(failed)).all() if size > 0 else []
        events = await _events(runs)
        asked = []
        for run in runs:
            event = events.get(run.event_id) if run.event_id else None
            if event is None or self._why_not(run, event):
                rerun.skipped += 1
            else:
                _ask(run, event)
                asked.append(run.id)
        # Not through the rows: somebody else may have repeated one of them meanwhile, which does no harm.
        await session().exec(update(Run).where(col(Run.id).in_(asked)).values(rerun_at=utcnow()))
        rerun.repeated += len(asked)
        if len(runs) < BATCH or rerun.repeated + rerun.skipped >= rerun.cap:
            rerun.status, rerun.ended_at = RerunStatus.COMPLETED, utcnow()
        else:
            rerun.position = runs[-1].id
        push(RUNS, what="repeated", data={"rerun": rerun.id, "repeated": rerun.repeated, "skipped": rerun.skipped})
        return rerun.status == RerunStatus.RUNNING

    def _why_not(self, run: Run, event: OutboxEvent | None) -> str:
        spec = self._functions.spec(run.function)
        if spec is None:
            return f"There is no function {run.function!r} any more."
        if not is_repeatable(spec):
            return f"The function {run.function!r} takes each event once only."
        if event is None:
            return "The event that started the run is not kept any more."
        return ""


def _failed(filter_text: str | None, *more: ColumnElement[bool]) -> Sequence[ColumnElement[bool]]:
    return (
        Runs().condition(filter_text, where="filter"),
        col(Run.status).in_(REPEATABLE),
        col(Run.rerun_at).is_(None),
        # Repeating what repeats is done by asking anew.
        col(Run.function) != _FUNCTION,
        *more,
    )


async def _events(runs: Sequence[Run]) -> Mapping[UUID, OutboxEvent]:
    ids = [run.event_id for run in runs if run.event_id]
    rows = (await session().exec(select(OutboxEvent).where(col(OutboxEvent.id).in_(ids)))).all()
    return {row.id: row for row in rows}


def _ask(run: Run, event: OutboxEvent) -> UUID:
    name = event.name if event.name != RUN_REQUESTED else RunRequest.of(event.data).event
    request = RunRequest(function=run.function, run_id=run.run_id, event=name)
    asked = PublishedEvent(id=uuid7(), name=RUN_REQUESTED, data={**event.data, "riveredge": request.as_data()})
    unit().add_event(asked)
    return asked.id


def rerun_function(reruns: Reruns) -> FunctionSpec[Any]:
    """The durable function that works through a set of failed runs."""

    async def rerun(ctx: FunctionContext, event: RerunRequested) -> None:
        @unit_of_work()
        async def batch() -> bool:
            return await reruns.next_batch(event.rerun_id)

        # Where it is, is a row: a step that is done twice goes on instead of beginning anew.
        number = 0
        while await ctx.step.run(f"batch-{number}", batch):
            number += 1

    return FunctionSpec(id=_FUNCTION, title="Repeat failed runs", trigger=RERUN_REQUESTED, handler=rerun, retries=10)
