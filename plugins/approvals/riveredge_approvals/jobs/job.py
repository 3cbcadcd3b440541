"""How jobs go on: migrations, rehearsals and handovers only say what is to be done with each of their things.

A job is a row with its progress, and a durable function that goes over the job's things in slices. Each thing is done
in a unit of work of its own, together with what became of it and with the progress: whoever is killed in the middle
goes on where it was, and nothing is done twice. A job that is cancelled does nothing more from that moment on.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import structlog
from sqlmodel import col

from riveredge_approvals.events import JobRef
from riveredge_approvals.jobs import slices
from riveredge_approvals.jobs.models import JobRow, JobStatus
from riveredge_sdk import (
    EventType,
    FunctionContext,
    FunctionSpec,
    PerTenant,
    Problem,
    Repository,
    StreamTopic,
    Subject,
    current_principal,
    publish,
    push,
    savepoint,
    session,
    unit_of_work,
    utcnow,
)
from riveredge_sdk.functions import Concurrency, Failure
from riveredge_sdk.problems import Conflict, NotFound

log = structlog.get_logger(__name__)
RowT = TypeVar("RowT", bound=JobRow)
MeansT = TypeVar("MeansT")
# One that has not stirred for so long has lost its run, and stands in nobody's way.
SILENCE = timedelta(hours=1)


class Job(ABC, Generic[RowT, MeansT]):
    """A kind of job. `MeansT` is what its things need that is the same for all of them.

    Attributes:
        name: of its subject and its topic: `approvals.<name>`.
        permission: whoever has it may follow the job on the stream.
        rows: the jobs of this kind.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    permission: ClassVar[str]
    function_id: ClassVar[str]
    event: ClassVar[EventType[JobRef]]
    rows: Repository[RowT]

    def __init__(self) -> None:
        self.topic = StreamTopic(
            f"approvals.{self.name}",
            f"A {self.name}",
            permission=self.permission,
            scope="object",
            authorise=self._is_there,
            description="progress, completed, cancelled and failed; data: total, done, kept.",
        )

    @abstractmethod
    async def ahead(self, row: RowT, after: UUID | None, limit: int) -> Sequence[UUID]:
        """The next things to be done, by the keys of their order.

        Args:
            after: only those behind this one.
        """

    @abstractmethod
    async def prepare(self, row: RowT) -> MeansT:
        """What all things need, read once for a slice."""

    @abstractmethod
    async def act(self, row: RowT, key: UUID, means: MeansT) -> bool | None:
        """Do one thing and note what became of it, with the thing locked; whether it was done, None if it was before.

        Raises:
            Problem, LookupError, ValueError: it cannot be done. What it has written is taken back, `keep` notes why.
        """

    @abstractmethod
    async def keep(self, row: RowT, key: UUID, why: str) -> None:
        """Note that one thing is left as it is."""

    async def sum_up(self, row: RowT) -> None:
        """What is left to be noted at the job's end, whichever it is."""

    def function(self) -> FunctionSpec[JobRef]:
        """The durable function that goes over its things."""
        return FunctionSpec(
            id=self.function_id,
            title=self.title,
            trigger=self.event,
            handler=self.run,
            on_failure=self.failed,
            retries=10,
            per_tenant=PerTenant(2),
            concurrency=Concurrency(key="event.data.job_id", limit=1),
            subject=lambda event: Subject(f"approvals.{self.name}", event.job_id),
        )

    async def begin(self, row: RowT, items: Sequence[Any] = ()) -> RowT:
        """Add a job, with rows of its things, and have it begin after the commit."""
        row.started_by = current_principal().id
        await self.rows.add(row)
        session().add_all(items)
        publish(self.event, JobRef(job_id=row.id))
        await session().flush()
        return row

    async def alone(self, *where: Any) -> None:
        """See that no other one is under way; whoever calls has locked what they are about.

        Raises:
            Conflict: there is one; `job_id` says which.
        """
        for row in await self.rows.all(col(self.rows.model.status) == JobStatus.RUNNING, *where):
            if row.updated_at > utcnow() - SILENCE:
                raise Conflict(
                    "Another one is under way here. Wait for it, or cancel it.", extensions={"job_id": str(row.id)}
                )
            await self._end(row, JobStatus.FAILED, "Its run was lost.")

    async def cancel(self, job_id: UUID) -> RowT:
        """Stop it. What is done stays done.

        Raises:
            NotFound: there is none.
            Conflict: it is over.
        """
        row = await self.rows.get(job_id, lock=True)
        if row.status != JobStatus.RUNNING:
            raise Conflict(f"It is {row.status} already.")
        await self._end(row, JobStatus.CANCELLED)
        return row

    async def run(self, ctx: FunctionContext, event: JobRef) -> None:
        """Go over the job's things; by another run where one is not enough."""

        async def one(place: str | None) -> str | None:
            return await self._slice(event.job_id, UUID(place) if place is not None else None)

        @unit_of_work()
        async def go_on() -> None:
            publish(self.event, event)

        if not await slices.in_slices(ctx, one):
            await ctx.step.run("go-on", go_on)

    @unit_of_work()
    async def failed(self, _ctx: FunctionContext, failure: Failure) -> None:
        """It did not come to its end. What is done stays done."""
        row = await self._running(UUID(failure.data["job_id"]), lock=True)
        if row is not None:
            await self._end(row, JobStatus.FAILED, f"{failure.error}: {failure.message}"[:500])

    async def _slice(self, job_id: UUID, after: UUID | None) -> str | None:
        async with unit_of_work(read_only=True):
            row = await self._running(job_id)
            if row is None:
                return None
            keys, means = await self.ahead(row, after, slices.PER_SLICE), await self.prepare(row)
        with suppress(_StoppedError):
            for key in keys:
                await self._one(job_id, key, means)
        async with unit_of_work():
            row = await self._running(job_id, lock=True)
            if row is None:
                return None
            if len(keys) < slices.PER_SLICE:
                await self._end(row, JobStatus.COMPLETED)
                return None
            self._tell(row, "progress")
        return str(keys[-1])

    @unit_of_work()
    async def _one(self, job_id: UUID, key: UUID, means: MeansT) -> None:
        row = await self._running(job_id)
        if row is None:
            raise _StoppedError
        try:
            async with savepoint():
                done = await self.act(row, key, means)
        except (Problem, LookupError, ValueError) as error:
            # One that cannot be done is no reason not to do the others.
            log.info("a job keeps something as it is", job=str(job_id), kind=self.name, key=str(key), error=str(error))
            done = False
            await self.keep(row, key, str(error)[:500])
        if done is None:
            return
        # Locked last: who cancels it waits for one thing at the most, and what comes too late is taken back.
        row = await self._running(job_id, lock=True)
        if row is None:
            raise _StoppedError
        row.done += 1
        row.kept += not done

    async def _running(self, job_id: UUID, *, lock: bool = False) -> RowT | None:
        try:
            row = await self.rows.get(job_id, lock=lock)
        except NotFound:
            return None
        return row if row.status == JobStatus.RUNNING else None

    async def _end(self, row: RowT, status: JobStatus, error: str = "") -> None:
        row.status, row.error, row.finished_at = status, error, utcnow()
        await self.sum_up(row)
        await session().flush()
        self._tell(row, status)

    def _tell(self, row: RowT, what: str) -> None:
        push(self.topic, row.id, what=what, data={"total": row.total, "done": row.done, "kept": row.kept})

    async def _is_there(self, job_id: str) -> bool:
        return await self.rows.find(col(self.rows.model.id) == UUID(job_id)) is not None


class _StoppedError(Exception):
    """The job is over; what was just done for it is taken back."""
