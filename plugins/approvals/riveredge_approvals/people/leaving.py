"""Members leave, or are switched off: what they are asked goes on without them."""

from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.inputs import give
from riveredge_approvals.models import OPEN_TASKS, Task
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, get_service, session, unit_of_work
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.features.tenants import MEMBER_LEFT, MemberLeft

# Instances a step. Each is locked by itself.
_BATCH = 50


async def member_left(ctx: FunctionContext, event: MemberLeft) -> int:
    """Every request in which the member is asked something takes in that she has left; how many there were."""

    @unit_of_work(read_only=True)
    async def find() -> list[str]:
        return await _waiting_for(event.user_id)

    found: list[str] = await ctx.step.run("find", find)
    for start in range(0, len(found), _BATCH):

        async def tell(batch: list[str] = found[start : start + _BATCH]) -> None:
            for instance_id in batch:
                await _tell(UUID(instance_id), event.user_id)

        await ctx.step.run(f"tell-{start // _BATCH}", tell)
    return len(found)


async def _waiting_for(user_id: UUID) -> list[str]:
    """The instances with something to do for somebody, unless she is back by now."""
    person = (await get_service(PEOPLE).find([user_id])).get(user_id)
    if person is not None and person.active:
        return []
    query = select(Task.instance_id).where(col(Task.assignee_id) == user_id, col(Task.state).in_(OPEN_TASKS))
    return [str(found) for found in (await session().exec(query.distinct().order_by(col(Task.instance_id)))).all()]


@unit_of_work()
async def _tell(instance_id: UUID, user_id: UUID) -> None:
    await give(instance_id, "member.left", {"user": str(user_id)})


LEAVING_FUNCTIONS = (
    FunctionSpec(
        id="approvals.member_left",
        title="Go on without who has left",
        trigger=MEMBER_LEFT,
        handler=member_left,
        retries=10,
        per_tenant=PerTenant(5),
    ),
)
