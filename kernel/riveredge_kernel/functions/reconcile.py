"""Keeps the mirror true when nobody says how a run ended: it timed out, was cancelled at the engine, or got lost.

Runs that are open here are compared with the engine's own. How often, grows with their age, because most runs that are
open for long sleep or wait.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from riveredge_kernel.functions.engine_api import EngineApi, EngineAwayError
from riveredge_kernel.functions.mirror import RunMirror
from riveredge_kernel.functions.models import FIRST_CHECK, Run, RunStatus
from riveredge_kernel.metrics import RUNS_RECONCILED
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.events import EventType
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import unit_of_work

log = structlog.get_logger(__name__)

MAX_CHECK = timedelta(hours=1)
BATCH = 200
_AT_ONCE = 10
# A server may not show a run that it has only just begun.
_MISSES = 2

_TEXTS = {
    RunStatus.FAILED: "Failed; the engine does not say why.",
    RunStatus.LOST: "The engine does not know this run any more.",
}


@dataclass(frozen=True, slots=True)
class _Open:
    run_id: str
    tenant_id: UUID | None
    started_at: datetime
    misses: int


class Reconciler:
    """Compares open runs with the engine's."""

    def __init__(self, runtime: Runtime, mirror: RunMirror, api: EngineApi) -> None:
        self._runtime = runtime
        self._mirror = mirror
        self._api = api

    async def check_due(self) -> dict[str, int]:
        """Look at the runs whose turn it is; how many there were, and how many had ended. Needs a system context."""
        runs = await self._due()
        ended = 0
        for start in range(0, len(runs), _AT_ONCE):
            found = await asyncio.gather(*(self.check(run) for run in runs[start : start + _AT_ONCE]))
            if None in found:
                break
            ended += sum(bool(one) for one in found)
        return {"checked": len(runs), "ended": ended}

    async def check(self, run: _Open) -> bool | None:
        """Whether the run has ended; None if the engine cannot be asked at present."""
        try:
            known = await self._api.run(run.run_id)
        except EngineAwayError as error:
            log.warning("engine_not_asked", run=run.run_id, error=str(error))
            return None
        if known is None:
            misses = run.misses + 1
            if misses < _MISSES:
                await self._note(run, misses)
                return False
            await self.end(run.run_id, run.tenant_id, RunStatus.LOST)
        elif known.status == RunStatus.RUNNING:
            await self._note(run, 0)
            return False
        else:
            await self.end(run.run_id, run.tenant_id, known.status, known.error)
        return True

    async def end(self, run_id: str, tenant_id: UUID | None, status: RunStatus, error: str | None = None) -> None:
        """Note in the mirror, as the run's own tenant, how a run ended."""
        reason = None if tenant_id else "reconcile runs"
        context = Context(runtime=self._runtime, tenant_id=tenant_id, run_id=run_id, system_reason=reason)
        RUNS_RECONCILED.labels(status).inc()
        with use_context(context):
            await self._mirror.ended(run_id, status, error=error or _TEXTS.get(status))

    async def _due(self) -> Sequence[_Open]:
        query = (
            select(Run.run_id, Run.tenant_id, Run.started_at, Run.misses)
            .where(col(Run.status) == RunStatus.RUNNING, col(Run.next_check_at) <= self._runtime.now())
            .order_by(col(Run.next_check_at))
            .limit(BATCH)
        )
        async with unit_of_work(independent=True, read_only=True) as session:
            return [_Open(*row) for row in (await session.exec(query)).all()]

    async def _note(self, run: _Open, misses: int) -> None:
        now = self._runtime.now()
        # One that is missing is looked for again soon.
        age = now - run.started_at
        pause = FIRST_CHECK if misses else min(max(age / 2, FIRST_CHECK), MAX_CHECK)
        async with unit_of_work(independent=True) as session:
            still_open = (col(Run.run_id) == run.run_id, col(Run.status) == RunStatus.RUNNING)
            await session.exec(update(Run).where(*still_open).values(next_check_at=now + pause, misses=misses))


RECONCILE_REQUESTED = EventType(
    "kernel/reconcile.requested", CronTick, "Open runs are to be compared with the engine", internal=True
)


def reconcile_function(reconciler: Reconciler, *, by_itself: bool) -> FunctionSpec[Any]:
    """The durable function that looks.

    Args:
        by_itself: every two minutes; else only when it is asked to.
    """

    async def reconcile(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
        found: dict[str, int] = await ctx.step.run("compare", reconciler.check_due)
        return found

    return FunctionSpec(
        id="kernel.reconcile",
        title="Compare open runs with the engine's",
        trigger=[Cron("*/2 * * * *"), RECONCILE_REQUESTED] if by_itself else RECONCILE_REQUESTED,
        handler=reconcile,
        system=True,
        retries=0,
    )
