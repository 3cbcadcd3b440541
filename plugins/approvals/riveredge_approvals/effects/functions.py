"""The durable functions of what happens outside of the core."""

from typing import Any

from riveredge_approvals.effects import running, subflows, subject_ends
from riveredge_approvals.effects.notifying import notify
from riveredge_approvals.engine.inputs import give
from riveredge_approvals.events import (
    CHILD_ABANDONED,
    CHILD_CLOSED,
    CHILD_DUE,
    EFFECT_DUE,
    NOTICES_DUE,
    VISIT_DUE,
    VisitDue,
)
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, Subject, unit_of_work
from riveredge_sdk.features.approvals import INSTANCE_CLOSED


async def visit_due(ctx: FunctionContext, event: VisitDue) -> bool:
    """A timer of a visit has come: the instance takes it in."""

    @unit_of_work()
    async def give_it() -> bool:
        if event.name == "callback":
            return await running.not_called_back(event)
        data = {"visit": str(event.visit_id), "name": event.name, "count": event.count}
        return await give(event.instance_id, "timer.due", data)

    return await ctx.step.run("give", give_it)


def _subject(event: Any) -> Subject:
    return Subject("approvals.instance", event.instance_id)


EFFECT_FUNCTIONS: tuple[FunctionSpec[Any], ...] = (
    FunctionSpec(
        id="approvals.visit_due",
        title="Remind, end a time or a delay",
        trigger=VISIT_DUE,
        handler=visit_due,
        retries=10,
        per_tenant=PerTenant(20),
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.notify",
        title="Tell people of a request",
        trigger=NOTICES_DUE,
        handler=notify,
        retries=10,
        per_tenant=PerTenant(20),
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.effect",
        title="Do what a node is for",
        trigger=EFFECT_DUE,
        handler=running.run_effect,
        retries=10,
        per_tenant=PerTenant(20),
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.start_child",
        title="Start a request within a request",
        trigger=CHILD_DUE,
        handler=subflows.start_child,
        retries=10,
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.child_closed",
        title="Take the end of a request within a request in",
        trigger=CHILD_CLOSED,
        handler=subflows.child_closed,
        retries=10,
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.abandon_child",
        title="End a request that nobody waits for",
        trigger=CHILD_ABANDONED,
        handler=subflows.abandon_child,
        retries=10,
        subject=_subject,
    ),
    FunctionSpec(
        id="approvals.subject",
        title="Tell a record what was decided",
        trigger=INSTANCE_CLOSED,
        condition="event.data.subject_type != null",
        handler=subject_ends.closed,
        retries=20,
        subject=_subject,
    ),
)
