"""What somebody was asked for by another: the opinion of a delegate, or of those added before and after a task.

It is taken back as other decisions are, and with it what came of it within its visit: whoever had asked waits again.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.orders import TaskClosed
from riveredge_approvals.engine.settling import group_key, mode_of
from riveredge_approvals.models import Task, TaskState, Visit

_ASKING = frozenset({"added", "delegate"})


def remember_asked(case: Case, visit: Visit, task: Task) -> None:
    """Remember how many the one who asked has asked so far: who asks others later acts on the opinion."""
    case.keep(visit, asked={**visit.data.get("asked", {}), str(task.id): _asked_by(case, task.parent_id)})


def acted_on_by(case: Case, visit: Visit, task: Task) -> Task | None:
    """The task of the one who asked for an opinion, if she has gone on since, or is not asked any more herself."""
    parent = case.task(task.parent_id) if task.parent_id is not None else None
    if parent is None:
        return task
    known = visit.data.get("asked", {}).get(str(task.id))
    untouched = _asked_by(case, parent.id) == known and (parent.state, parent.reason) in _WAITS[task.part]
    return None if untouched else parent


def beside_in_turn(case: Case, visit: Visit, task: Task) -> list[Task]:
    """Those added in sequence with somebody who come after her."""
    parent = case.task(task.parent_id) if task.parent_id is not None else None
    if task.part not in {"before", "after"} or parent is None or mode_of(visit, parent, task.part) != "sequential":
        return []
    group = [other for other in case.tasks_of(visit) if (other.parent_id, other.part) == (parent.id, task.part)]
    return [other for other in group if other.seq > task.seq]


def give_back(case: Case, visit: Visit, task: Task) -> None:
    """Undo what came of it: the one who asked waits for it again, and those beside are asked again as they were."""
    parent = case.task(task.parent_id) if task.parent_id is not None else None
    if parent is None:
        return
    if task.part == "delegate":
        case.orders.append(TaskClosed(parent))
        parent.state = TaskState.DELEGATED
        case.note("task.delegated", task=parent, to=str(task.assignee_id))
        return
    if task.part == "before" and parent.state == TaskState.PENDING:
        case.orders.append(TaskClosed(parent))
        parent.opened_at = None
        case.queue(parent, "before")
    elif task.part == "before" and parent.state == TaskState.REJECTED:
        parent.closed_at = None
        case.queue(parent, "before")
    elif task.part == "after" and parent.state == TaskState.REJECTED:
        parent.state, parent.reason = TaskState.APPROVED, None
        case.note("task.upheld", task=parent)
    settled, key = visit.data.get("settled", {}), group_key(parent, task.part)
    case.keep(visit, settled={name: states for name, states in settled.items() if name != key})
    ask_again(case, settled.get(key, {}))


def ask_again(case: Case, states: Mapping[str, Sequence[str]], *, after: UUID | None = None) -> None:
    """Ask those who were not asked any more, as they stood.

    Args:
        states: the state and the reason of each, by id.
        after: a task that is to be decided anew; those who come after it wait for it.
    """
    for task_id, (state, reason) in states.items():
        task = case.task(task_id)
        if task is None or task.state != TaskState.CLOSED:
            continue
        task.closed_at = None
        if task.part == "after" and task.parent_id == after:
            case.queue(task, "turn")
        elif state == TaskState.PENDING:
            case.offer(task)
        elif state == TaskState.WAITING:
            case.queue(task, reason)
        else:
            task.state, task.reason = TaskState(state), reason
            case.note(f"task.{state}", task=task)


def _asked_by(case: Case, task_id: UUID | None) -> int:
    return sum(other.parent_id == task_id and other.origin in _ASKING for other in case.tasks)


# How the task of the one who asked stands while nobody has acted on what was said: it waits, or was decided by that.
_WAITS: Mapping[str, set[tuple[str, str | None]]] = {
    "delegate": {(TaskState.PENDING, None)},
    "before": {(TaskState.PENDING, None), (TaskState.WAITING, "before"), (TaskState.REJECTED, "before")},
    "after": {(TaskState.APPROVED, None), (TaskState.REJECTED, "after")},
}
