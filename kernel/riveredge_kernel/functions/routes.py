"""`/api/v1/runs`: what durable functions did, and what can be done about it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col, select

from riveredge_kernel.functions.engine_api import EngineApi, EngineAwayError
from riveredge_kernel.functions.models import Run, RunStatus, RunStep
from riveredge_kernel.functions.reconcile import Reconciler
from riveredge_kernel.functions.repository import RerunRows, Runs
from riveredge_kernel.functions.rerun import Reruns
from riveredge_kernel.functions.schemas import RepeatOut, RerunIn, RerunOut, RunDetail, RunOut, StepOut
from riveredge_sdk.auth import current_principal
from riveredge_sdk.context import current_tenant
from riveredge_sdk.http import ListQuery, Page, Router
from riveredge_sdk.problems import Conflict, NotFound, Unavailable
from riveredge_sdk.uow import session, unit_of_work


def runs_routers(api: EngineApi, reconciler: Reconciler, reruns: Reruns) -> list[Router]:
    """The routes; those of repetitions first, so that `reruns` is no run's id."""
    return [_rerun_router(reruns), _run_router(api, reconciler, reruns)]


def _rerun_router(reruns: Reruns) -> Router:
    router = Router(prefix="/runs/reruns", tag="Runs", audit="kernel.rerun")
    rows = RerunRows()

    @router.post(require="kernel.run.rerun", status=202, summary="Repeat failed runs")
    async def rerun_failed(body: RerunIn) -> RerunOut:
        """Repeats, in the background, every failed or lost run that the filter finds and that was not repeated yet."""
        return RerunOut.model_validate(await reruns.many(body.filter, cap=body.cap))

    @router.get(require="kernel.run.read", summary="List repetitions of failed runs")
    async def list_reruns(query: Annotated[ListQuery, Query()]) -> Page[RerunOut]:
        return await rows.page(query, into=RerunOut)

    @router.get("/{rerun_id}", require="kernel.run.read", summary="How far a repetition of failed runs has come")
    async def get_rerun(rerun_id: UUID) -> RerunOut:
        return RerunOut.model_validate(await rows.get(rerun_id))

    return router


def _run_router(api: EngineApi, reconciler: Reconciler, reruns: Reruns) -> Router:
    router = Router(prefix="/runs", tag="Runs", audit="kernel.run")

    @router.get(require="kernel.run.read", summary="List runs")
    async def list_runs(query: Annotated[ListQuery, Query()]) -> Page[RunOut]:
        return await Runs().page(query, into=RunOut)

    @router.get("/{run_id}", require="kernel.run.read", summary="One run with its steps")
    async def get_run(run_id: str) -> RunDetail:
        run = await _find(run_id)
        query = select(RunStep).where(col(RunStep.run_id) == run_id).order_by(col(RunStep.started_at), col(RunStep.id))
        steps = [StepOut.model_validate(row) for row in (await session().exec(query)).all()]
        return RunDetail(**RunOut.model_validate(run).model_dump(), steps=steps)

    @router.post(
        "/{run_id}/cancel", require="kernel.run.cancel", status=200, own_transactions=True, summary="Cancel a run"
    )
    async def cancel_run(run_id: str) -> RunOut:
        """Stops it before its next step; a step under way is not interrupted. `on_failure` is not called."""
        run = await _look(run_id)
        if run.status != RunStatus.RUNNING:
            raise Conflict(f"The run has ended: {run.status}.")
        try:
            known = await api.run(run_id) if await api.cancel(run_id) else None
        except EngineAwayError as error:
            raise Unavailable(f"The engine does not answer ({error}). Try again.") from None
        if known is not None and known.status in {RunStatus.COMPLETED, RunStatus.FAILED}:
            # It was faster, and nobody has said so yet.
            await reconciler.end(run_id, current_tenant(), known.status, known.error)
        else:
            by = f"Cancelled by {current_principal().name or 'somebody'}."
            await reconciler.end(run_id, current_tenant(), RunStatus.CANCELLED, by)
        return RunOut.model_validate(await _look(run_id))

    @router.post("/{run_id}/rerun", require="kernel.run.rerun", status=202, summary="Repeat a run")
    async def rerun_run(run_id: str) -> RepeatOut:
        """Runs the same function once more with the same data, whatever became of the first run."""
        return RepeatOut(run_id=run_id, event_id=await reruns.one(await _find(run_id)))

    return router


async def _find(run_id: str) -> Run:
    run = await Runs().find(col(Run.run_id) == run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id[:64]!r} here.")
    return run


async def _look(run_id: str) -> Run:
    """The run, without keeping the database busy while the engine is asked."""
    async with unit_of_work(independent=True, read_only=True):
        return await _find(run_id)
