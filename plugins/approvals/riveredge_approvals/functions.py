"""The durable functions: take in what has happened to an instance, and watch over each one while it runs."""

from datetime import timedelta
from typing import Any

from riveredge_approvals.engine.store import advance_instance
from riveredge_approvals.events import INPUT_GIVEN, WATCH_CONTINUED, InstanceRef
from riveredge_approvals.foresight.rehearsing import REHEARSAL
from riveredge_approvals.jobs.job import Job
from riveredge_approvals.models import ENDED
from riveredge_approvals.people.handing_over import HANDOVER
from riveredge_approvals.processes.migrating import MIGRATION
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, Subject, publish, unit_of_work
from riveredge_sdk.features.approvals import INSTANCE_CLOSED, INSTANCE_STARTED, InstanceChanged
from riveredge_sdk.functions import Cancel, Concurrency

# Inngest ends a run after 1000 steps; a long request is watched by several runs, one after the other.
MAX_LOOKS = 150
FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(hours=6)


@unit_of_work()
async def hop(_ctx: FunctionContext, event: InstanceRef) -> dict[str, Any]:
    """Take in what the event rang for; one at a time for each instance. The path on which instances get on.

    One transaction, and no step: what a run without steps repeats is all of it, and it costs one call less.
    """
    return await advance_instance(event.instance_id)


async def watch(ctx: FunctionContext, event: InstanceChanged) -> dict[str, Any]:
    """One visible run for each instance, as long as it lasts; it mends a lost doorbell within a minute."""

    @unit_of_work()
    async def look() -> dict[str, Any]:
        return await advance_instance(event.instance_id, watched_by=ctx.run_id)

    pause, rung = FIRST_LOOK, False
    for number in range(MAX_LOOKS):
        # What the bell rang for is taken in by `hop`; if that is lost, it is seen here a minute later.
        if not rung:
            seen: dict[str, Any] = await ctx.step.run(f"sync-{number}", look)
            if seen["status"] in ENDED:
                return seen
        given = await ctx.step.wait_for_event(
            f"wait-{number}",
            event=INPUT_GIVEN.name,
            if_exp=f"async.data.instance_id == '{event.instance_id}'",
            timeout=pause,
        )
        rung = given is not None
        pause = FIRST_LOOK if rung else min(pause * 2, LONGEST_LOOK)

    async def go_on() -> None:
        await _go_on(event)

    await ctx.step.run("continue", go_on)
    return {"continued": True}


@unit_of_work()
async def _go_on(event: InstanceChanged) -> None:
    publish(WATCH_CONTINUED, event)


def _subject(event: InstanceRef | InstanceChanged) -> Subject:
    return Subject("approvals.instance", event.instance_id)


JOBS: tuple[Job[Any, Any], ...] = (MIGRATION, REHEARSAL, HANDOVER)

FUNCTIONS: tuple[FunctionSpec[Any], ...] = (
    *(job.function() for job in JOBS),
    FunctionSpec(
        id="approvals.hop",
        title="Take a request on",
        trigger=INPUT_GIVEN,
        handler=hop,
        retries=10,
        per_tenant=PerTenant(20),
        concurrency=Concurrency(key="event.data.instance_id", limit=1),
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.instance",
        title="Watch over a request",
        trigger=(INSTANCE_STARTED, WATCH_CONTINUED),
        handler=watch,
        retries=10,
        per_tenant=None,
        cancel=(Cancel(event=INSTANCE_CLOSED.name, if_exp="event.data.instance_id == async.data.instance_id"),),
        subject=_subject,
    ),
)
