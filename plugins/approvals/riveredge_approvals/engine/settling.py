"""What a decision means for its visit: the next in turn, those who come before and after, and the tally."""

from typing import Any

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.tally import Result, count, judge
from riveredge_approvals.ir.document import Tally
from riveredge_approvals.models import OPEN_TASKS, Task, TaskState, Visit, VisitStatus

# Who was added and is there no more, of her own or by others, is nobody to wait for.
_GONE = frozenset({"removed", "left", "handed_over"})


def settle(case: Case, visit: Visit) -> None:
    """See whether the visit is decided. If so it is closed with its open tasks; its token waits for `follow`."""
    for group in _groups(case, visit):
        _settle_group(case, visit, group)
    seats = [task for task in case.tasks_of(visit) if task.part == "seat"]
    node = case.human(visit)
    result = judge(node.tally, count(seats))
    approved = {task.id for task in case.tasks_of(visit) if task.state == TaskState.APPROVED}
    later = [task for task in case.tasks_of(visit) if task.part == "after" and task.parent_id in approved]
    if any(task.reason == "after" for task in seats if task.state == TaskState.REJECTED):
        result = "rejected"
    if result is None or (result == "passed" and any(task.state in OPEN_TASKS for task in later)):
        if node.tally.mode == "sequential":
            _call_next(case, seats)
        return
    # What the others were asked is remembered, for whoever takes the decision back.
    others = [task for task in case.tasks_of(visit) if task.state in OPEN_TASKS]
    case.keep(visit, decided=True, undecided={str(task.id): [task.state, task.reason] for task in others})
    for task in others:
        case.close_task(task, TaskState.CLOSED, "decided")
    if result == "passed":
        case.close_visit(visit, VisitStatus.PASSED, "approved")
    else:
        case.close_visit(visit, VisitStatus.FAILED, "rejected")


def _groups(case: Case, visit: Visit) -> list[tuple[Task, str, list[Task]]]:
    """Those who were added before and after somebody: the one, which, and them. The innermost come first."""
    tasks = case.tasks_of(visit)
    by_id = {task.id: task for task in tasks}
    found: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        gone = task.state == TaskState.CLOSED and task.reason in _GONE
        if task.part in {"before", "after"} and task.parent_id in by_id and not gone:
            found.setdefault((str(task.parent_id), task.part), []).append(task)
    groups = [(by_id[members[0].parent_id], part, members) for (_, part), members in found.items()]  # type: ignore[index]
    return sorted(groups, key=lambda group: -group[0].depth)


def _settle_group(case: Case, visit: Visit, group: tuple[Task, str, list[Task]]) -> None:
    parent, part, members = group
    rule = Tally(mode=mode_of(visit, parent, part))
    if part == "after":
        if parent.state != TaskState.APPROVED:
            return
        _call_all(case, members, rule)
    result: Result | None = judge(rule, count(members))
    if result is None:
        if rule.mode == "sequential":
            _call_next(case, members)
        return
    others = [task for task in members if task.state in OPEN_TASKS]
    if others:
        states = {str(task.id): [task.state, task.reason] for task in others}
        case.keep(visit, settled={**visit.data.get("settled", {}), group_key(parent, part): states})
    for task in others:
        case.close_task(task, TaskState.CLOSED, "decided")
    if part == "before" and parent.state == TaskState.WAITING and parent.reason == "before":
        if result == "passed":
            case.offer(parent)
        else:
            case.close_task(parent, TaskState.REJECTED, "before")
    elif part == "after" and parent.state == TaskState.APPROVED and result == "rejected":
        # The approval counted on condition of theirs.
        parent.state, parent.reason = TaskState.REJECTED, "after"
        case.note("task.overruled", task=parent)


def _call_all(case: Case, members: list[Task], rule: Tally) -> None:
    """Whoever comes after somebody is asked once she has approved."""
    for task in members:
        if rule.mode != "sequential" and task.state == TaskState.WAITING and task.reason == "turn":
            case.offer(task)


def group_key(parent: Task, part: str) -> str:
    """Under which a visit remembers how those added around a task decide together."""
    return f"{parent.id}:{part}"


def mode_of(visit: Visit, parent: Task, part: str) -> Any:
    """How those added around a task decide together."""
    return visit.data.get("added", {}).get(group_key(parent, part), "all")


def _call_next(case: Case, members: list[Task]) -> None:
    """In a sequence the next one is asked when none is."""
    if any(task.state in {TaskState.PENDING, TaskState.DELEGATED} or _waits_for_others(task) for task in members):
        return
    waiting = [task for task in members if task.state == TaskState.WAITING and task.reason == "turn"]
    if waiting:
        case.offer(waiting[0])


def _waits_for_others(task: Task) -> bool:
    return task.state == TaskState.WAITING and task.reason == "before"
