"""What people do with tasks: decide, return, hand on, ask others. Whether they may is asked before, by services."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.opinions import remember_asked
from riveredge_approvals.engine.settling import group_key, settle
from riveredge_approvals.engine.voting import vote
from riveredge_approvals.models import OPEN_TASKS, Task, TaskState, Visit, VisitStatus
from riveredge_sdk import uuid7

Where = Literal["before", "after", "parallel"]


def take(case: Case, task: Task) -> None:
    """Out of a pool, the first one takes the task; the others are not asked any more."""
    if task.origin != "pool":
        return
    for other in case.tasks:
        is_other = other.visit_id == task.visit_id and other.id != task.id and other.origin == "pool"
        if is_other and other.state in OPEN_TASKS:
            case.close_task(other, TaskState.CLOSED, "claimed")
    task.origin = "rule"


def decide(case: Case, task: Task, visit: Visit, outcome: TaskState, **said: Any) -> None:
    """Approve, reject or abstain. Whoever was asked for an opinion only gives the task back with it.

    Args:
        said: what `vote` keeps of it.
    """
    if task.part != "seat":
        remember_asked(case, visit, task)
    if task.part == "delegate":
        vote(case, task, outcome, **said)
        owner = case.task(task.parent_id) if task.parent_id is not None else None
        if owner is not None and owner.state == TaskState.DELEGATED:
            case.offer(owner)
        return
    take(case, task)
    vote(case, task, outcome, **said)
    settle(case, visit)


def send_back(case: Case, task: Task, visit: Visit, target: str, **said: Any) -> None:
    """Return it to a node: all open siblings are closed, and the token goes there."""
    vote(case, task, TaskState.RETURNED, **said)
    others = [sibling for sibling in case.tasks_of(visit) if sibling.state in OPEN_TASKS]
    states = {str(sibling.id): [sibling.state, sibling.reason] for sibling in others}
    for sibling in others:
        case.close_task(sibling, TaskState.CLOSED, "returned")
    case.keep(visit, return_to=target, decided=True, undecided=states)
    case.close_visit(visit, VisitStatus.CANCELLED, "returned")


def transfer(case: Case, task: Task, to: UUID, comment: str = "") -> Task:
    """Somebody else is asked instead; she takes the task's place."""
    take(case, task)
    new = _beside(task, to, origin="transfer", part=task.part, hops=task.hops + 1, seq=task.seq, weight=task.weight)
    new.parent_id = task.parent_id
    case.close_task(task, TaskState.TRANSFERRED, to=str(to), comment=comment or None)
    return case.open_task(new)


def hand_over(case: Case, task: Task, to: UUID, comment: str = "") -> Task:
    """Somebody else comes in the task's place as it is: whoever was added around it, or waits for it, still does."""
    place = {"origin": "handover", "part": task.part, "seq": task.seq, "weight": task.weight, "depth": task.depth}
    new = _beside(task, to, **place, state=task.state, reason=task.reason, hops=task.hops + 1)
    new.parent_id = task.parent_id
    visit = case.visit(task.visit_id)
    for around in case.tasks:
        if around.parent_id == task.id and around.part != "seat":
            around.parent_id = new.id
    if visit is not None and (rules := visit.data.get("added")):
        keys = {group_key(task, part): group_key(new, part) for part in ("before", "after")}
        case.keep(visit, added={keys.get(key, key): mode for key, mode in rules.items()})
    case.close_task(task, TaskState.TRANSFERRED, "handed_over")
    case.note("task.handed_over", task=task, to=str(to), comment=comment or None)
    return case.open_task(new)


def delegate(case: Case, task: Task, to: UUID, comment: str = "") -> Task:
    """Somebody else gives an opinion; then the task comes back to its owner, who decides."""
    take(case, task)
    case.note("task.delegated", task=task, to=str(to), comment=comment or None)
    task.state = TaskState.DELEGATED
    return case.open_task(_beside(task, to, origin="delegate", part="delegate"))


def add_signers(
    case: Case, task: Task, visit: Visit, users: Sequence[UUID], *, where: Where, mode: str, comment: str = ""
) -> list[Task]:
    """Ask others, too: `before` the task, `after` it, or in `parallel`; in a sequence these come next.

    Args:
        mode: how those before or after decide together: any, all or sequential.
    """
    take(case, task)
    beside = where == "parallel"
    in_turn = (case.human(visit).tally.mode if beside else mode) == "sequential"
    if not beside:
        case.keep(visit, added={**visit.data.get("added", {}), group_key(task, where): mode})
    case.note(
        "task.signers_added", task=task, users=[str(user) for user in users], where=where, comment=comment or None
    )
    if beside:
        for other in case.tasks_of(visit):
            if other.seq > task.seq:
                other.seq += len(users)
    added = []
    for number, user in enumerate(users):
        place = task.seq + 1 + number if beside else number
        new = _beside(task, user, origin="added", part="seat" if beside else where, seq=place)
        new.depth = task.depth + 1
        waits = (in_turn and (number > 0 or beside)) or where == "after"
        new.state = TaskState.WAITING if waits else TaskState.PENDING
        new.reason = "turn" if waits else None
        added.append(case.open_task(new))
    if where == "before":
        task.state, task.reason = TaskState.WAITING, "before"
    settle(case, visit)
    return added


def remove_signer(case: Case, task: Task, visit: Visit, added: Task, comment: str = "") -> None:
    """Take off somebody who was added. The tally is taken anew at once."""
    case.close_task(added, TaskState.CLOSED, "removed")
    case.note("task.signer_removed", task=added, comment=comment or None)
    others = [each for each in case.tasks_of(visit) if each.parent_id == task.id and each.part == added.part]
    if added.part == "before" and all(each.state == TaskState.CLOSED for each in others):
        case.offer(task)
    settle(case, visit)


def _beside(task: Task, user: UUID, **values: Any) -> Task:
    fields: dict[str, Any] = {
        "parent_id": task.id,
        "depth": task.depth,
        "hops": task.hops,
        "state": TaskState.PENDING,
        "trace": [{"step": "handed", "by": str(task.assignee_id), "how": values.get("origin")}],
        **values,
    }
    return Task(
        id=uuid7(),
        instance_id=task.instance_id,
        visit_id=task.visit_id,
        node=task.node,
        assignee_id=user,
        **fields,
    )
