"""The job that hands tasks over, each under the lock of its instance."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine import acts
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.reseating import reseat
from riveredge_approvals.engine.store import load, save
from riveredge_approvals.events import HANDOVER_BEGUN
from riveredge_approvals.jobs.job import Job
from riveredge_approvals.models import OPEN_TASKS
from riveredge_approvals.people.handover_models import Handover, HandoverItem
from riveredge_approvals.people.handover_schemas import HandoverIn
from riveredge_approvals.people.handovers import Handovers, heirs, tasks_of, visit_of
from riveredge_approvals.permissions import PEOPLE_ADMIN
from riveredge_approvals.problems import NotAllowedHere
from riveredge_sdk import Repository, session


class HandoverItems(Repository[HandoverItem]):
    """The tasks of handovers."""

    model = HandoverItem


class HandoverJob(Job[Handover, None]):
    """Somebody's tasks, each to whoever is asked instead."""

    name = "handover"
    title = "Hand tasks over"
    permission = PEOPLE_ADMIN
    function_id = "approvals.handover"
    event = HANDOVER_BEGUN
    rows = Handovers()
    items = HandoverItems()

    async def ask(self, body: HandoverIn) -> Handover:
        """Note what is to be handed over, and begin."""
        row, tasks = Handover(**body.model_dump()), await tasks_of(body)
        row.total = len(tasks)
        items = [HandoverItem(handover_id=row.id, task_id=task.id, instance_id=task.instance_id) for task in tasks]
        return await self.begin(row, items)

    async def ahead(self, row: Handover, after: UUID | None, limit: int) -> Sequence[UUID]:
        query = select(HandoverItem.id).where(
            col(HandoverItem.handover_id) == row.id, col(HandoverItem.state) == "waiting"
        )
        if after is not None:
            query = query.where(col(HandoverItem.id) > after)
        return (await session().exec(query.order_by(col(HandoverItem.id)).limit(limit))).all()

    async def prepare(self, row: Handover) -> None:
        """Each task is another case."""

    async def act(self, row: Handover, key: UUID, means: None) -> bool | None:
        item = await self.items.get(key, lock=True)
        if item.state != "waiting":
            return None
        item.to_ids = [str(user) for user in await _hand_over(row, item)]
        item.state = "done"
        return True

    async def keep(self, row: Handover, key: UUID, why: str) -> None:
        await self.items.change(await self.items.get(key), {"state": "refused", "message": why})


async def _hand_over(handover: Handover, item: HandoverItem) -> list[UUID]:
    case = await load(item.instance_id)
    case.actor = handover.started_by
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
            put(case.instance, "task.decided", {"visit": str(visit.id), "by": str(handover.started_by)})
    case.instance.rev += 1
    await save(case)
    return found


HANDOVER = HandoverJob()
