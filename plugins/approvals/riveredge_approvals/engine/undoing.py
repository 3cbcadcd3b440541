"""Taking a decision back before anybody acted on what came of it: also a return, and the opinion of who was added.

The visit is opened again as it stood before it was decided; what its token came to meanwhile is cancelled. A token is
alone in its branch, so that all later visits in the branch came of it: with the join at the branch's end, and what
came of that if it had passed. Of a return came what stands where it went back to; what it took along from other
branches is opened again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.ending import clear
from riveredge_approvals.engine.opinions import acted_on_by, ask_again, beside_in_turn, give_back
from riveredge_approvals.engine.orders import TaskClosed, VisitOpened
from riveredge_approvals.ir.document import EffectNode, HumanNode, SubflowNode
from riveredge_approvals.models import OPEN_VISITS, InstanceStatus, Task, TaskState, Visit, VisitStatus
from riveredge_sdk import uuid7

RECALLED = "recalled"
_VOTES = frozenset({TaskState.APPROVED, TaskState.REJECTED, TaskState.ABSTAINED})
_CALLED = _VOTES | {TaskState.TRANSFERRED, TaskState.DELEGATED, TaskState.PENDING, TaskState.TIMED_OUT}
_OF_RETURNS = frozenset({"return_to", "straight_back_from", "went_back"})


@dataclass(frozen=True, slots=True)
class Since:
    """What has happened since a decision, so that it stays.

    Attributes:
        what: `decided`, `acted` (handed on, claimed, others added), `effect`, `request`, `moved`, `resubmitted`,
            `undone` (an effect, when it went back), `cancelled` (something else that went back with it) or `ended`.
        by: who did it, if it was somebody.
    """

    what: str
    node: str | None = None
    by: UUID | None = None
    at: datetime | None = None


def since(case: Case, visit: Visit, task: Task) -> list[Since]:
    """What keeps a decision from being taken back; nothing if it can be.

    Args:
        visit: where it was decided. task: what was decided, by somebody.
    """
    went_back = visit.data.get("went_back")
    is_back = went_back is not None and went_back["to_submitter"]
    if case.instance.status != (InstanceStatus.DRAFT if is_back else InstanceStatus.RUNNING):
        if is_back and case.instance.status == InstanceStatus.RUNNING:
            return [Since("resubmitted", case.flow.entry, case.instance.submitter_id)]
        return [Since("ended", at=case.instance.finished_at)]
    if not _is_reopened(case, visit, task):
        return [Since("moved", visit.node, at=visit.closed_at)]
    found = [_acted(after) for after in _called_by(case, visit, task) if _is_touched(case, after)]
    if task.part != "seat" and (asking := acted_on_by(case, visit, task)) is not None:
        found.append(_acted(asking))
    if went_back is not None:
        found += [Since("undone", name) for name in went_back.get("undone", ())]
        found += [Since("cancelled", name) for name in went_back["lost"]]
    if visit.status != VisitStatus.ACTIVE and not visit.data.get("decided"):
        for later in _came_of(case, visit):
            found += _done_on(case, later)
    return found


def undo(case: Case, visit: Visit, task: Task, reason: str = "") -> Task:
    """Take the decision back: the task that asks for it anew, in the same place. Only if nothing keeps it (`since`)."""
    later = list(_came_of(case, visit)) if visit.status != VisitStatus.ACTIVE else []
    called = _called_by(case, visit, task)
    if task.part != "seat":
        give_back(case, visit, task)
    again = _anew(case, task, reason)
    for after in called:
        _wait_again(case, after)
        if after.parent_id == task.id:
            after.parent_id = again.id
    _rename_groups(case, visit, task, again)
    if visit.status != VisitStatus.ACTIVE:
        _unjoin(case, visit)
        clear(case, later, RECALLED)
        for each in later:
            case.keep(each, recalled=True)
        _reopen(case, visit, again)
        _go_forward(case, visit)
    case.open_task(again)
    return again


def _came_of(case: Case, visit: Visit) -> Iterator[Visit]:
    """The visits that a token came to after it had left this one, and that count."""
    if (went_back := visit.data.get("went_back")) is not None:
        depth = went_back["depth"]
        later = (v for v in case.visits[went_back["after"] :] if v.scope[:depth] == visit.scope[:depth])
        yield from (v for v in later if not v.data.get("recalled"))
        return
    for other in case.visits:
        if _is_after(other, visit) and not other.data.get("recalled"):
            yield other
    join = _join_of(case, visit)
    if join is not None and join.status == VisitStatus.CANCELLED:
        yield join
    if join is not None and join.status not in OPEN_VISITS:
        yield from _came_of(case, join)


def _is_after(other: Visit, visit: Visit) -> bool:
    depth = len(visit.scope)
    if other.seq <= visit.seq or other.scope[:depth] != visit.scope:
        return False
    # The branches that a join waits for came before it, however late their visits were opened.
    fork = visit.data.get("fork")
    return fork is None or len(other.scope) == depth or other.scope[depth][0] != fork


def _join_of(case: Case, visit: Visit) -> Visit | None:
    """The join at which the visit's branch has arrived."""
    if not visit.scope:
        return None
    fork, branch = visit.scope[-1]
    return next(
        (v for v in case.visits if v.data.get("fork") == fork and branch in v.data.get("arrived", ())),
        None,
    )


def _is_reopened(case: Case, visit: Visit, task: Task) -> bool:
    """Whether the visit is one that can be opened again: what it led to is known, and it is still drawn."""
    if not isinstance(case.flow.nodes.get(visit.node), HumanNode):
        return False
    if visit.status == VisitStatus.CANCELLED:
        # By this return, and no other way.
        is_open = visit.data.get("decided") or "went_back" in visit.data
        return task.state == TaskState.RETURNED and bool(is_open)
    goes_back = visit.status == VisitStatus.FAILED and case.human(visit).on_reject.action == "return"
    return not goes_back or bool(visit.data.get("decided")) or "went_back" in visit.data


def _done_on(case: Case, visit: Visit) -> list[Since]:
    if visit.status == VisitStatus.CANCELLED:
        return [Since("moved", visit.node, at=visit.closed_at)]
    node = case.flow.nodes.get(visit.node)
    if node is None:
        return [Since("moved", visit.node, at=visit.closed_at)]
    if isinstance(node, EffectNode):
        return [Since("effect", visit.node, at=visit.opened_at)]
    if isinstance(node, SubflowNode):
        return [Since("request", visit.node, at=visit.opened_at)]
    if isinstance(node, HumanNode):
        return [_acted(task) for task in case.tasks_of(visit) if _is_touched(case, task)]
    return []


def _is_touched(case: Case, task: Task) -> bool:
    """Whether somebody has done something about a task. What a rule decided by itself touches nothing."""
    if task.state in _VOTES:
        return task.reason != "auto"
    if task.state == TaskState.CLOSED:
        return task.reason not in {"decided", RECALLED}
    if task.state == TaskState.PENDING or (task.state == TaskState.WAITING and task.reason == "turn"):
        return any(other.parent_id == task.id and other.origin in {"added", "delegate"} for other in case.tasks)
    return True


def _acted(task: Task) -> Since:
    # What was closed was not closed by whoever was asked.
    by = task.assignee_id if task.state != TaskState.CLOSED else None
    return Since("decided" if task.state in _VOTES else "acted", task.node, by, task.closed_at)


def _called_by(case: Case, visit: Visit, task: Task) -> list[Task]:
    """Those on the same visit who come after the task: the next in a sequence, and those added after it."""
    beside = case.tasks_of(visit)
    found = [other for other in beside if other.parent_id == task.id and other.part == "after"]
    if task.part == "seat" and case.human(visit).tally.mode == "sequential":
        found += [each for each in beside if each.part == "seat" and each.seq > task.seq and each.state in _CALLED]
    return found + [each for each in beside_in_turn(case, visit, task) if each.state in _CALLED]


def _anew(case: Case, task: Task, reason: str) -> Task:
    again = Task(
        id=uuid7(),
        instance_id=task.instance_id,
        visit_id=task.visit_id,
        node=task.node,
        assignee_id=task.assignee_id,
        principal_id=task.principal_id,
        origin="recall",
        part=task.part,
        parent_id=task.parent_id,
        seq=task.seq,
        weight=task.weight,
        depth=task.depth,
        hops=task.hops,
        trace=[*task.trace, {"step": RECALLED}],
        state=TaskState.PENDING,
    )
    outcome = task.state
    case.close_task(task, TaskState.CLOSED, RECALLED)
    case.note("task.recalled", task=task, outcome=outcome, again=str(again.id), comment=reason or None)
    return again


def _wait_again(case: Case, task: Task) -> None:
    """Her turn has not come any more; nobody asks her now."""
    if task.state == TaskState.PENDING:
        task.opened_at = None
        case.orders.append(TaskClosed(task))
        case.queue(task, "turn")


def _rename_groups(case: Case, visit: Visit, task: Task, again: Task) -> None:
    """How those around the task decide together holds for the new one."""
    modes = visit.data.get("added", {})
    ours = {key: mode for key, mode in modes.items() if key.startswith(f"{task.id}:")}
    if ours:
        renamed = {key.replace(str(task.id), str(again.id), 1): mode for key, mode in ours.items()}
        case.keep(visit, added={**modes, **renamed})


def _unjoin(case: Case, visit: Visit) -> None:
    """The branch has not arrived at its join any more; nor has any that the join's own token went on to."""
    join = _join_of(case, visit)
    if join is None:
        return
    if join.status not in OPEN_VISITS:
        _unjoin(case, join)
        _open_again(case, join)
    branch = visit.scope[-1][1]
    arrived = [each for each in join.data["arrived"] if each != branch]
    case.keep(join, arrived=arrived, rejected=[each for each in join.data["rejected"] if each != branch])
    case.note("join.left", join, branch=branch)
    if not arrived:
        clear(case, [join], RECALLED)
        case.keep(join, recalled=True)


def _reopen(case: Case, visit: Visit, again: Task) -> None:
    """As it stood before it was decided: whoever was not asked any more then is asked again."""
    _open_again(case, visit)
    ask_again(case, visit.data.get("undecided", {}), after=again.id)


def _go_forward(case: Case, visit: Visit) -> None:
    """If it went back: it has not, and nor has what was taken along."""
    went_back = visit.data.get("went_back")
    if went_back is None:
        return
    for name in went_back["others"]:
        other = case.visit(name)
        if other is not None:
            _open_again(case, other)
            ask_again(case, other.data.get("undecided", {}))
    visit.data = {name: value for name, value in visit.data.items() if name not in _OF_RETURNS}
    if case.instance.status == InstanceStatus.DRAFT:
        case.instance.status, case.instance.resubmit_to = InstanceStatus.RUNNING, None
        case.note("instance.taken_on", visit)


def _open_again(case: Case, visit: Visit) -> None:
    visit.status, visit.outcome, visit.closed_at, visit.edges = VisitStatus.ACTIVE, None, None, []
    # Its deadlines begin to run anew with the next one who is asked.
    case.keep(visit, decided=False, timed=False, overdue=None)
    case.orders.append(VisitOpened(visit))
    case.note("visit.reopened", visit)
