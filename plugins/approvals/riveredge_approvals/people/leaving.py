"""Members leave, or are switched off: what they are asked goes on without them."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.inputs import give
from riveredge_approvals.jobs import slices
from riveredge_approvals.models import OPEN_TASKS, Task
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, get_service, session, unit_of_work
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.features.tenants import MEMBER_LEFT, MemberLeft


async def member_left(ctx: FunctionContext, event: MemberLeft) -> None:
    """Every request in which the member is asked something takes in that she has left."""

    async def one(place: str | None) -> str | None:
        async with unit_of_work(read_only=True):
            found = await _waiting_for(event.user_id, UUID(place) if place is not None else None)
        for instance_id in found:
            await _tell(instance_id, event.user_id)
        return str(found[-1]) if len(found) == slices.PER_SLICE else None

    await slices.in_slices(ctx, one)


async def _waiting_for(user_id: UUID, after: UUID | None) -> Sequence[UUID]:
    """The next instances with something to do for somebody, unless she is back by now."""
    person = (await get_service(PEOPLE).find([user_id])).get(user_id)
    if person is not None and person.active:
        return []
    query = select(Task.instance_id).where(col(Task.assignee_id) == user_id, col(Task.state).in_(OPEN_TASKS))
    if after is not None:
        query = query.where(col(Task.instance_id) > after)
    query = query.distinct().order_by(col(Task.instance_id)).limit(slices.PER_SLICE)
    return (await session().exec(query)).all()


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
