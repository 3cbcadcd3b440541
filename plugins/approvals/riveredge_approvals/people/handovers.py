"""An administrator hands somebody's open tasks over: what there is, and what would become of it."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.reseating import Anew, ask_anew
from riveredge_approvals.engine.store import load
from riveredge_approvals.models import OPEN_TASKS, Instance, InstanceStatus, Process, Task, Visit
from riveredge_approvals.people.handover_models import Handover, HandoverItem
from riveredge_approvals.people.handover_schemas import HandoverIn, HandoverLine, ItemsQuery
from riveredge_approvals.problems import NotAllowedHere
from riveredge_approvals.processes.repository import Processes
from riveredge_approvals.tasks.handing import can_be_asked
from riveredge_sdk import FilterField, Page, Problem, Repository, get_service, session
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import invalid_field

# Of more tasks, hand one process over after the other.
MAX_TASKS = 2000
MAX_PREVIEW = 200


class Handovers(Repository[Handover]):
    """Handovers of the past, and those that go on."""

    model = Handover
    fields = (
        FilterField("user_id", "uuid", Handover.user_id),
        FilterField("to_id", "uuid", Handover.to_id),
        FilterField("process_id", "uuid", Handover.process_id),
        FilterField("created_at", "datetime", Handover.created_at),
        FilterField("finished_at", "datetime", Handover.finished_at),
        FilterField("status", "text", Handover.status),
    )
    default_sort = "-created_at"


async def check(body: HandoverIn) -> None:
    """See that the handover can be.

    Raises:
        Invalid: naming the field.
    """
    if body.to_id == body.user_id:
        raise invalid_field(
            "to_id", "These are their own tasks already. Name somebody else, or leave it to the rule.", "self"
        )
    if body.to_id is not None:
        person = (await get_service(PEOPLE).find([body.to_id])).get(body.to_id)
        if person is None or not person.active:
            raise invalid_field("to_id", f"{body.to_id} is no active member of this organisation.", "unknown")
    process_id = body.process_id
    if process_id is not None and await Processes().find(col(Process.id) == process_id) is None:
        raise invalid_field("process_id", f"There is no process with the id {process_id} here.", "unknown")


async def tasks_of(body: HandoverIn) -> Sequence[Task]:
    """The open tasks it is about, by their instances: whoever locks many does so in this order.

    Raises:
        Invalid: there are too many for one handover.
    """
    query = select(Task).where(col(Task.assignee_id) == body.user_id, col(Task.state).in_(OPEN_TASKS))
    if body.process_id is not None:
        query = query.join(Instance, col(Instance.id) == col(Task.instance_id))
        query = query.where(col(Instance.process_id) == body.process_id)
    found = (await session().exec(query.order_by(col(Task.instance_id), col(Task.id)).limit(MAX_TASKS + 1))).all()
    if len(found) > MAX_TASKS:
        raise invalid_field(
            "process_id", f"These are more than {MAX_TASKS} tasks. Hand over one process at a time.", "many"
        )
    return found


async def preview(body: HandoverIn) -> list[HandoverLine]:
    """What would become of each task now; of the first `MAX_PREVIEW`."""
    lines = []
    for task in (await tasks_of(body))[:MAX_PREVIEW]:
        case = await load(task.instance_id, lock=False)
        line = HandoverLine(
            task_id=task.id,
            instance_id=task.instance_id,
            number=case.instance.number,
            title=case.instance.title,
            node=task.node,
            state="done",
            to_ids=[],
            message="",
        )
        try:
            _, line.to_ids = await heirs(case, task, body.to_id)
        except Problem as problem:
            line.state, line.message = "refused", problem.detail or problem.title
        lines.append(line)
    return lines


async def heirs(case: Case, task: Task, to: UUID | None) -> tuple[Anew | None, list[UUID]]:
    """Who is asked instead on a task: `to`, or whom the rule of its node finds beside its person.

    Raises:
        NotAllowedHere: the request does not run, or by the rule nobody else would be asked.
        Problem: as `tasks.handing.can_be_asked`.
    """
    if case.instance.status not in {InstanceStatus.RUNNING, InstanceStatus.SUSPENDED}:
        raise NotAllowedHere(f"The request is {case.instance.status}.")
    visit = visit_of(case, task)
    if to is not None:
        await can_be_asked(case, visit, [to], "to_id")
        return None, [to]
    if task.part != "seat":
        raise NotAllowedHere("Somebody has added this task by hand; no rule says who else it could be. Name somebody.")
    anew = await ask_anew(case, visit, task.assignee_id)
    found = [each.user_id for each in anew.newcomers]
    if not found:
        raise NotAllowedHere("By the rule of the node nobody else would be asked. Name somebody.")
    return anew, found


def visit_of(case: Case, task: Task) -> Visit:
    """Where the task is."""
    visit = case.visit(task.visit_id)
    if visit is None:
        raise LookupError(f"the visit of the task {task.id} is gone")
    return visit


async def items_of(handover_id: UUID, query: ItemsQuery) -> Page[HandoverLine]:
    """A page of its tasks, in the order in which they are handed over."""
    wanted = select(HandoverItem, Task.node, Instance.number, Instance.title)
    wanted = wanted.join(Task, col(Task.id) == col(HandoverItem.task_id))
    wanted = wanted.join(Instance, col(Instance.id) == col(HandoverItem.instance_id))
    wanted = wanted.where(col(HandoverItem.handover_id) == handover_id).order_by(col(HandoverItem.id))
    if query.state is not None:
        wanted = wanted.where(col(HandoverItem.state) == query.state)
    if query.cursor is not None:
        wanted = wanted.where(col(HandoverItem.id) > query.cursor)
    rows = (await session().exec(wanted.limit(query.limit + 1))).all()
    items = [
        HandoverLine.model_validate({**item.model_dump(), "node": node, "number": number, "title": title})
        for item, node, number, title in rows[: query.limit]
    ]
    return Page[HandoverLine](items=items, next=str(rows[query.limit - 1][0].id) if len(rows) > query.limit else None)
