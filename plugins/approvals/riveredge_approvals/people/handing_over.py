"""The durable function that hands tasks over, each under the lock of its instance."""

from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine import acts
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.reseating import reseat
from riveredge_approvals.engine.store import load, save
from riveredge_approvals.events import HANDOVER_BEGUN, HandoverRef
from riveredge_approvals.models import OPEN_TASKS, Handover, HandoverItem
from riveredge_approvals.people.handovers import Handovers, heirs, visit_of
from riveredge_approvals.problems import NotAllowedHere
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, Problem, Subject, session, unit_of_work, utcnow

# Tasks a step.
_BATCH = 25


async def hand_over(ctx: FunctionContext, event: HandoverRef) -> None:
    """Each task that waits, and then the end."""

    @unit_of_work(read_only=True)
    async def find() -> list[str]:
        query = select(HandoverItem.id).where(
            col(HandoverItem.handover_id) == event.handover_id, col(HandoverItem.state) == "waiting"
        )
        return [str(item) for item in (await session().exec(query.order_by(col(HandoverItem.id)))).all()]

    found: list[str] = await ctx.step.run("find", find)
    for start in range(0, len(found), _BATCH):

        async def some(batch: list[str] = found[start : start + _BATCH]) -> None:
            for item_id in batch:
                await _one(event.handover_id, UUID(item_id))

        await ctx.step.run(f"hand-over-{start // _BATCH}", some)
    await ctx.step.run("finish", lambda: _finish(event.handover_id))


@unit_of_work()
async def _one(handover_id: UUID, item_id: UUID) -> None:
    item = (await session().exec(select(HandoverItem).where(col(HandoverItem.id) == item_id))).one_or_none()
    if item is None or item.state != "waiting":
        return
    handover = await Handovers().get(handover_id)
    try:
        item.to_ids = [str(user) for user in await _act(handover, item)]
        item.state = "done"
    except Problem as problem:
        item.state, item.message = "refused", (problem.detail or problem.title)[:500]


async def _act(handover: Handover, item: HandoverItem) -> list[UUID]:
    case = await load(item.instance_id)
    case.actor = handover.created_by
    task = case.task(item.task_id)
    if task is None or task.state not in OPEN_TASKS or task.assignee_id != handover.user_id:
        raise NotAllowedHere("In the meantime the task is closed, or somebody else's.")
    visit = visit_of(case, task)
    anew, found = await heirs(case, task, handover.to_id)
    if anew is None:
        acts.hand_over(case, task, found[0])
    else:
        reseat(case, visit, handover.user_id, anew, "handed_over")
        if visit.data.get("decided"):
            put(case.instance, "task.decided", {"visit": str(visit.id), "by": str(handover.created_by)})
    case.instance.rev += 1
    await save(case)
    return found


@unit_of_work()
async def _finish(handover_id: UUID) -> None:
    row = await Handovers().get(handover_id, lock=True)
    if row.finished_at is None:
        await Handovers().change(row, {"finished_at": utcnow()})


HANDOVER_FUNCTIONS = (
    FunctionSpec(
        id="approvals.handover",
        title="Hand tasks over",
        trigger=HANDOVER_BEGUN,
        handler=hand_over,
        retries=10,
        per_tenant=PerTenant(2),
        subject=lambda event: Subject("approvals.handover", event.handover_id),
    ),
)
