"""Tasks as their readers see them."""

from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine import returning
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.store import load
from riveredge_approvals.instances.access import must_see
from riveredge_approvals.instances.forms import right_of
from riveredge_approvals.instances.viewing import form_for_me
from riveredge_approvals.ir.document import HumanNode
from riveredge_approvals.models import Decision, Instance, InstanceStatus, Task, TaskState
from riveredge_approvals.tasks import choosing, recalling
from riveredge_approvals.tasks.repository import Tasks, in_box
from riveredge_approvals.tasks.schemas import DecisionOut, TaskDetail, TaskLine, TaskOut, TaskQuery
from riveredge_sdk import Page, current_principal, session
from riveredge_sdk.problems import NotFound


async def page(query: TaskQuery) -> Page[TaskLine]:
    """One page of the current user's tasks, with what they are about."""
    found = await Tasks().page(query, *in_box(query.box), into=TaskOut)
    wanted = select(Instance).where(col(Instance.id).in_({item.instance_id for item in found.items}))
    instances = {row.id: row for row in (await session().exec(wanted)).all()}
    return Page[TaskLine](
        items=[_line(item, instances[item.instance_id]) for item in found.items if item.instance_id in instances],
        next=found.next,
    )


def _line(task: TaskOut, instance: Instance) -> TaskLine:
    return TaskLine.model_validate(
        {
            **task.model_dump(),
            "number": instance.number,
            "title": instance.title,
            "summary": instance.summary,
            "submitter_id": instance.submitter_id,
        }
    )


async def detail(task_id: UUID) -> TaskDetail:
    """A task of a request that the current user may see.

    Raises:
        NotFound: she may not, or there is none.
    """
    row = await Tasks().find(col(Task.id) == task_id)
    if row is None:
        raise NotFound(f"There is no task with the id {task_id} here.")
    await must_see(row.instance_id)
    case = await load(row.instance_id, lock=False)
    task, known = case.task(task_id), case.flow.nodes.get(row.node)
    # It may be of a version that the request ran on before.
    node = known if isinstance(known, HumanNode) else HumanNode(roster=())
    if task is None:
        raise NotFound(f"There is no task with the id {task_id} here.")
    query = select(Decision).where(col(Decision.task_id) == task_id)
    decision = (await session().exec(query)).one_or_none()
    form = await form_for_me(case)
    visit = case.visit(task.visit_id)
    allow = allowed(case, task, node)
    return TaskDetail(
        **_line(TaskOut.model_validate(task), case.instance).model_dump(),
        label=node.label or row.node,
        form=form,
        fields={name: right_of(node.fields, name) for name in form},
        allow=allow,
        return_targets=returning.targets(case, visit) if visit is not None and "return" in allow else [],
        comment=node.comment,
        signature=node.signature,
        decision=DecisionOut.model_validate(decision, from_attributes=True) if decision is not None else None,
        choices=await choosing.shown(case, task) if "approve" in allow else [],
    )


def allowed(case: Case, task: Task, node: HumanNode) -> list[str]:
    """What the current user can do with a task now."""
    # A return to the submitter is taken back while the request is a draft.
    alive = case.instance.status in {InstanceStatus.RUNNING, InstanceStatus.DRAFT}
    if task.assignee_id != current_principal().id or not alive:
        return []
    if task.state != TaskState.PENDING:
        return ["recall"] if recalling.can_be_recalled(case, task) else []
    acts = ["approve"]
    if node.kind == "approver":
        acts.append("reject")
    if node.abstain:
        acts.append("abstain")
    if task.origin == "pool":
        acts.append("claim")
    handing = sorted(act for act in node.allow if act != "recall")
    return [*acts, *(act for act in handing if task.part == "seat" or act in {"transfer", "comment", "cc", "edit"})]
