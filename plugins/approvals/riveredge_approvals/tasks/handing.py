"""Hand a task on, or ask others: transfer, delegate, add signers before, after and beside, take them off, claim."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_approvals.engine import acts
from riveredge_approvals.engine.acts import Where
from riveredge_approvals.engine.case import Case
from riveredge_approvals.models import OPEN_TASKS, InstanceStatus, Task, TaskState, Visit
from riveredge_approvals.people.pipeline import MAX_PEOPLE
from riveredge_approvals.problems import AlreadyOnRoster, NotAllowedHere, SelfApprovalForbidden
from riveredge_approvals.speech import told
from riveredge_approvals.tasks.deciding import must_be_mine, must_be_open, open_case, write
from riveredge_sdk import get_service
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import FieldError, Invalid

MAX_HOPS = 10
MAX_DEPTH = 3


async def claim(task_id: UUID) -> Task:
    """Take a task out of a pool; the others are not asked any more.

    Raises:
        NotAllowedHere: it is in no pool. And as `deciding.decide`.
    """
    case, task, visit = await _mine(task_id, "claim")
    if task.origin != "pool":
        raise NotAllowedHere(told("This task is yours alone already.", "该任务已由您处理，无需认领。"))
    acts.take(case, task)
    case.note("task.claimed", task=task)
    await write(case, visit)
    return task


async def transfer(task_id: UUID, to: UUID, comment: str) -> Task:
    """Somebody else is asked instead; she takes the task's place.

    Raises:
        AlreadyOnRoster: she is asked already.
        SelfApprovalForbidden: she submitted the request.
        NotAllowedHere: the node does not allow it, it was handed on ten times, or others were added around it.
        Invalid: she is no active member.
    """
    case, task, visit = await _mine(task_id, "transfer")
    if task.hops >= MAX_HOPS:
        raise NotAllowedHere(
            told(
                f"It was handed on {MAX_HOPS} times; somebody has to decide.", f"任务已转交 {MAX_HOPS} 次，不能再转交。"
            )
        )
    if any(other.parent_id == task.id and other.part in {"before", "after"} for other in case.tasks_of(visit)):
        raise NotAllowedHere(told("Others were added around this task; it stays with you.", "该任务已加签，不能转交。"))
    await can_be_asked(case, visit, [to], "to")
    new = acts.transfer(case, task, to, comment)
    await write(case, visit)
    return new


async def reassign(task_id: UUID, to: UUID, reason: str) -> Task:
    """An administrator has somebody else asked instead, whatever the node allows; others around the task stay.

    Raises:
        NotFound, TaskClosed, NotAllowedHere: as `deciding.decide`.
        AlreadyOnRoster, SelfApprovalForbidden, Invalid: as `transfer`.
    """
    case, task, visit = await open_case(task_id)
    if task.state not in OPEN_TASKS or case.instance.status != InstanceStatus.SUSPENDED:
        # One that waits for others can be given away as well.
        await must_be_open(case, task, waiting=True)
    await can_be_asked(case, visit, [to], "to")
    new = acts.hand_over(case, task, to, reason)
    await write(case, visit)
    return new


async def delegate(task_id: UUID, to: UUID, comment: str) -> Task:
    """Somebody else gives an opinion; then the task comes back to its owner, who decides.

    Raises:
        As `transfer`.
    """
    case, task, visit = await _mine(task_id, "delegate")
    if task.part == "delegate":
        raise NotAllowedHere(told("What was delegated is not delegated further.", "委派的任务不能再次委派。"))
    await can_be_asked(case, visit, [to], "to")
    new = acts.delegate(case, task, to, comment)
    await write(case, visit)
    return new


async def add_signers(task_id: UUID, users: Sequence[UUID], where: Where, mode: str, comment: str) -> list[Task]:
    """Ask others, too: `before` oneself, `after` (the node passes only with theirs), or in `parallel` (they count).

    Args:
        mode: how those before or after decide together: any, all or sequential.

    Raises:
        NotAllowedHere: signers were added three deep already. And as `transfer`.
    """
    case, task, visit = await _mine(task_id, "add_sign")
    if task.depth >= MAX_DEPTH:
        raise NotAllowedHere(told(f"Signers are added at most {MAX_DEPTH} deep.", f"加签最多 {MAX_DEPTH} 层。"))
    if len(case.tasks_of(visit)) + len(users) > MAX_PEOPLE:
        raise NotAllowedHere(
            told(f"At most {MAX_PEOPLE} people are asked on one node.", f"一个节点最多 {MAX_PEOPLE} 位处理人。")
        )
    await can_be_asked(case, visit, users, "users")
    added = acts.add_signers(case, task, visit, users, where=where, mode=mode, comment=comment)
    await write(case, visit)
    return added


async def remove_signer(task_id: UUID, added_id: UUID, comment: str) -> Task:
    """Take off somebody whom one has added, before she has decided. The tally is taken anew at once.

    Raises:
        NotAllowedHere: she was not added by this task, or has decided.
    """
    case, task, visit = await _mine(task_id, "remove_sign", waiting=True)
    added = case.task(added_id)
    if added is None or added.parent_id != task.id or added.origin != "added":
        raise NotAllowedHere(told("Only those whom you have added can be taken off.", "只能减去您加签的人。"))
    if added.state not in OPEN_TASKS:
        raise NotAllowedHere(told(f"Her task is {added.state} already.", f"该任务的状态已为 {added.state}。"))
    acts.remove_signer(case, task, visit, added, comment)
    await write(case, visit)
    return added


async def _mine(task_id: UUID, act: str, *, waiting: bool = False) -> tuple[Case, Task, Visit]:
    case, task, visit = await open_case(task_id)
    must_be_mine(task)
    if not (waiting and task.state == TaskState.WAITING):
        await must_be_open(case, task)
    if act != "claim" and act not in case.human(visit).allow:
        raise NotAllowedHere(told(f"On this node nobody can do that ({act}).", f"该节点不允许此操作（{act}）。"))
    return case, task, visit


async def can_be_asked(case: Case, visit: Visit, users: Sequence[UUID], field: str) -> None:
    """See that users can be asked on a visit.

    Raises:
        Invalid: somebody is no active member, or is named twice. AlreadyOnRoster, SelfApprovalForbidden
    """
    found = await get_service(PEOPLE).find(users)
    errors = [
        FieldError(
            field,
            told(f"{user} is no active member of this organisation.", f"{user} 不是本组织的有效成员。"),
            "unknown",
        )
        for user in users
        if user not in found or not found[user].active
    ]
    if errors or len(set(users)) != len(users):
        raise Invalid(
            told("Somebody cannot be asked.", "有人员不能作为处理人。"),
            errors=errors or [FieldError(field, told("Name each once.", "每人只能选择一次。"), "twice")],
        )
    on_it = {task.assignee_id for task in case.tasks_of(visit) if task.state in OPEN_TASKS}
    if twice := [str(user) for user in users if user in on_it]:
        raise AlreadyOnRoster(
            told("She is asked on this node already.", "此人已是该节点的处理人。"), extensions={"users": twice}
        )
    submitter = case.instance.submitter_id
    if submitter in users and case.human(visit).policies.self_approval != "self":
        raise SelfApprovalForbidden(told("It is her own request.", "不能由提交人处理自己的申请。"))
