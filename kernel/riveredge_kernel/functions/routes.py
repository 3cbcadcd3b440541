"""`/api/v1/runs`: what durable functions did."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from sqlmodel import col, select

from riveredge_kernel.functions.models import Run, RunStep
from riveredge_sdk.filter_fields import FilterField
from riveredge_sdk.http import ListQuery, Page, Router
from riveredge_sdk.problems import NotFound
from riveredge_sdk.repository import Repository
from riveredge_sdk.uow import session


class RunOut(BaseModel):
    """A run of a durable function."""

    run_id: str
    function: str
    event_id: UUID | None
    event_name: str
    request_id: str
    status: str
    attempt: int
    step: str | None
    error: str | None
    started_at: datetime
    ended_at: datetime | None


class StepOut(BaseModel):
    """A step of a run, with its last attempt. One that is waited at is `running`."""

    step: str
    status: str
    attempt: int
    error: str | None
    started_at: datetime
    ended_at: datetime | None


class RunDetail(RunOut):
    """A run with its steps, in the order they began."""

    steps: list[StepOut]


class Runs(Repository[Run]):
    """The current tenant's runs."""

    model = Run
    fields = (
        FilterField("run_id", "text", Run.run_id, "Run"),
        FilterField("function", "text", Run.function, "Function"),
        FilterField("event_id", "uuid", Run.event_id, "Event id"),
        FilterField("event_name", "text", Run.event_name, "Event"),
        FilterField("request_id", "text", Run.request_id, "Request"),
        FilterField("status", "text", Run.status, "Status"),
        FilterField("started_at", "datetime", Run.started_at, "Began"),
        FilterField("ended_at", "datetime", Run.ended_at, "Ended"),
    )
    default_sort = "-started_at"


def runs_router() -> Router:
    """The routes."""
    router = Router(prefix="/runs", tag="Runs")
    runs = Runs()

    @router.get(require="kernel.run.read", summary="List runs")
    async def list_runs(query: Annotated[ListQuery, Query()]) -> Page[RunOut]:
        return await runs.page(query, into=RunOut)

    @router.get("/{run_id}", require="kernel.run.read", summary="One run with its steps")
    async def get_run(run_id: str) -> RunDetail:
        run = await runs.find(col(Run.run_id) == run_id)
        if run is None:
            raise NotFound(f"There is no run {run_id[:64]!r} here.")
        query = select(RunStep).where(col(RunStep.run_id) == run_id).order_by(col(RunStep.started_at), col(RunStep.id))
        steps = [StepOut.model_validate(row, from_attributes=True) for row in (await session().exec(query)).all()]
        return RunDetail(**RunOut.model_validate(run, from_attributes=True).model_dump(), steps=steps)

    return router
