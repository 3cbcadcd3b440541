"""The durable functions of what happens outside of the core."""

from typing import Any

from riveredge_approvals.effects.notifying import notify
from riveredge_approvals.engine.inputs import give
from riveredge_approvals.events import NOTICES_DUE, VISIT_DUE, VisitDue
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, Subject, unit_of_work


async def visit_due(ctx: FunctionContext, event: VisitDue) -> bool:
    """A timer of a visit has come: the instance takes it in."""

    @unit_of_work()
    async def give_it() -> bool:
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
)
