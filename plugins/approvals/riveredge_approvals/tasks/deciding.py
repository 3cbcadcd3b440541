"""Decide: the request arbitrates under the instance's lock, and says at once who was first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine import acts, returning
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.store import load_of_task, save
from riveredge_approvals.instances.forms import edit_form
from riveredge_approvals.models import OPEN_TASKS, Decision, InstanceStatus, Task, TaskState, Visit
from riveredge_approvals.problems import (
    NotAllowedHere,
    NotAssignee,
    ReasonRequired,
    ReturnTargetInvalid,
    TaskClosed,
)
from riveredge_approvals.speech import told
from riveredge_approvals.tasks import choosing
from riveredge_approvals.tasks.signing import DrawnIn, ElectronicIn, sign
from riveredge_sdk import current_principal, session
from riveredge_sdk.problems import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What comes with a decision: the fields that the decider changes, and whom she chooses to be next, by node."""

    comment: str = ""
    form: dict[str, Any] | None = None
    choices: Mapping[str, Sequence[UUID]] | None = None
    signature: DrawnIn | ElectronicIn | None = None
    via: str = "api"


async def open_case(task_id: UUID) -> tuple[Case, Task, Visit]:
    """A task with its instance, locked, for whoever acts on it now.

    Raises:
        NotFound: there is none.
        TaskClosed: it is over, saying how.
        NotAllowedHere: the instance is suspended.
    """
    case = await load_of_task(task_id)
    case.actor = current_principal().id
    task = case.task(task_id)
    visit = case.visit(task.visit_id) if task is not None else None
    if task is None or visit is None:
        raise NotFound(f"There is no task with the id {task_id} here.")
    return case, task, visit


async def in_order(task_ids: Sequence[UUID]) -> list[UUID]:
    """Tasks, each once, by their instances: whoever decides on many locks these in one order, as all others do."""
    query = select(Task.id, Task.instance_id).where(col(Task.id).in_(task_ids))
    instances = dict((await session().exec(query)).all())
    return sorted(dict.fromkeys(task_ids), key=lambda task_id: str(instances.get(task_id, "")))


def must_be_mine(task: Task) -> None:
    """See that the current user is the one who is asked.

    Raises:
        NotAssignee: it is somebody else's.
    """
    if task.assignee_id != current_principal().id:
        raise NotAssignee(told("Only the person who is asked can do this.", "只有处理人本人可以操作。"))


async def must_be_open(case: Case, task: Task, *, waiting: bool = False) -> None:
    """See that the task can be decided now.

    Args:
        waiting: it may wait for others.

    Raises:
        TaskClosed, NotAllowedHere
    """
    if task.state not in OPEN_TASKS:
        query = select(Decision).where(col(Decision.task_id) == task.id)
        decision = (await session().exec(query)).one_or_none()
        by = decision.decided_by if decision is not None else None
        raise TaskClosed(by=by, at=task.closed_at, outcome=task.state, reason=task.reason)
    if case.instance.status != InstanceStatus.RUNNING:
        raise NotAllowedHere(told(f"The request is {case.instance.status}.", f"申请的状态为 {case.instance.status}。"))
    if waiting:
        return
    if task.state == TaskState.WAITING:
        raise NotAllowedHere(told("Others come first: the task waits for them.", "任务在等待其他人先处理。"))
    if task.state == TaskState.DELEGATED:
        raise NotAllowedHere(told("It was delegated, and is to come back first.", "任务已委派，需等其返回。"))


async def decide(task_id: UUID, outcome: TaskState, said: Said) -> Task:
    """Approve, reject or abstain.

    Raises:
        NotFound, TaskClosed, NotAssignee, NotAllowedHere, ReasonRequired, Invalid
        SignatureRequired, ReauthenticationRequired: see `signing`.
    """
    case, task, visit = await open_case(task_id)
    must_be_mine(task)
    await must_be_open(case, task)
    node = case.human(visit)
    if outcome == TaskState.ABSTAINED and not node.abstain:
        raise NotAllowedHere(told("Nobody can abstain on this node.", "该节点不能弃权。"))
    if outcome == TaskState.REJECTED and node.kind == "handler":
        raise NotAllowedHere(told("This is work to be done; it cannot be rejected.", "办理节点不能拒绝。"))
    _check_said(node.comment, outcome, said)
    if said.form:
        await edit_form(case, visit, said.form)
    await choosing.take(case, task, outcome, said.choices)
    signature = await sign(case, task, outcome, said.comment, said.signature)
    acts.decide(case, task, visit, outcome, via=said.via, comment=said.comment, signature=signature)
    await write(case, visit)
    return task


async def send_back(task_id: UUID, target: str | None, said: Said) -> Task:
    """Return it to the start or to a node that it has passed. The token goes there; all open siblings are closed.

    Raises:
        ReturnTargetInvalid: it cannot go there. And as `decide`.
    """
    case, task, visit = await open_case(task_id)
    must_be_mine(task)
    await must_be_open(case, task)
    node = case.human(visit)
    if "return" not in node.allow or task.part != "seat":
        raise NotAllowedHere(told("This task cannot be returned.", "该任务不能退回。"))
    allowed = returning.targets(case, visit)
    to = target if target is not None else case.flow.entry
    if to not in allowed:
        raise ReturnTargetInvalid(to, allowed)
    _check_said(node.comment, TaskState.RETURNED, said)
    acts.send_back(case, task, visit, to, via=said.via, comment=said.comment)
    await write(case, visit)
    return task


def _check_said(comment: str, outcome: TaskState, said: Said) -> None:
    against = outcome in {TaskState.REJECTED, TaskState.RETURNED}
    if not said.comment and (comment == "always" or (comment == "on_reject" and against)):
        raise ReasonRequired
    if said.comment and comment == "never":
        raise NotAllowedHere(told("On this node nothing is to be said.", "该节点不填写意见。"))


async def write(case: Case, visit: Visit) -> None:
    """Write what was done; if it decided the visit, its token is rung for."""
    if visit.data.get("decided"):
        put(case.instance, "task.decided", {"visit": str(visit.id), "by": str(case.actor)})
    case.instance.rev += 1
    await save(case)
