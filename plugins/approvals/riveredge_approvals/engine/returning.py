"""Going back: returns, rejections to a node, resubmissions and jumps. None of it is drawn."""

from collections.abc import Sequence
from typing import Any

from riveredge_approvals.engine.case import Case, Scope
from riveredge_approvals.engine.compensating import undo_all, undo_behind
from riveredge_approvals.engine.ending import clear
from riveredge_approvals.engine.orders import ToSubmitter
from riveredge_approvals.ir.conditions import ConditionError, evaluate
from riveredge_approvals.ir.document import (
    ChoiceNode,
    Condition,
    Exit,
    ForkNode,
    HumanNode,
    JoinNode,
    Node,
    StartNode,
    exits_of,
)
from riveredge_approvals.models import OPEN_TASKS, OPEN_VISITS, InstanceStatus, Visit, VisitStatus

# Nodes whose stay can be taken up again as it was.
_REOPENED = frozenset({"approver", "handler", "join"})


def targets(case: Case, visit: Visit) -> list[str]:
    """The nodes to which a visit can be returned: those drawn for it that were passed on the way here."""
    passed = {v.node for v in case.visits if v.status == VisitStatus.PASSED}
    return [node for node in case.human(visit).return_targets if node in passed]


def go_back(case: Case, visit: Visit, target: str) -> None:
    """Take the tokens back that came from `target`, and put one there, or give the form to its submitter.

    In a branch only that branch goes back; out of a parallel region the whole region is cancelled.
    """
    node = case.node(target)
    scope = visit.scope[: len(node.region)]
    if isinstance(node, StartNode):
        to_submitter(case, visit)
        return
    _take_along(case, visit, target, scope, [other for other in case.tokens if _is_within(other, visit, scope)])
    again = Exit(edge="", to=target)
    case.agenda.append((again, scope))
    direct = case.flow.settings.resubmit == "direct"
    case.note("instance.returned", visit, to=target, direct=direct or None)
    if direct and not visit.scope[len(node.region) :]:
        # Opened by `move`; the way straight back is remembered with the visits that are over.
        case.keep(visit, straight_back_from=target)
    elif undone := undo_behind(case, target, scope, "returned"):
        case.keep(visit, went_back={**visit.data["went_back"], "undone": undone})


def _take_along(case: Case, visit: Visit, target: str, scope: Scope, others: Sequence[Visit]) -> None:
    """Take other tokens back with that of a visit; how they stood is remembered, for whoever takes the return back."""
    went_back = {
        "to_submitter": target == case.flow.entry,
        "after": len(case.visits),
        "depth": len(scope),
        "others": [str(other.id) for other in others],
        # What was begun outside, or was about to go on, is not begun anew.
        "lost": [other.node for other in others if other.kind not in _REOPENED or other.status != VisitStatus.ACTIVE],
    }
    for other in others:
        open_ = [task for task in case.tasks_of(other) if task.state in OPEN_TASKS]
        case.keep(other, undecided={str(task.id): [task.state, task.reason] for task in open_})
    clear(case, others, "returned")
    case.keep(visit, went_back=went_back)


def to_submitter(case: Case, visit: Visit) -> None:
    """The form goes back to its submitter."""
    instance = case.instance
    _take_along(case, visit, case.flow.entry, [], case.tokens)
    case.agenda.clear()
    instance.status = InstanceStatus.DRAFT
    direct = case.flow.settings.resubmit == "direct" and not visit.scope
    instance.resubmit_to = visit.node if direct else None
    if direct:
        case.keep(visit, straight_back_from=case.flow.entry)
    elif undone := undo_all(case, "returned"):
        case.keep(visit, went_back={**visit.data["went_back"], "undone": undone})
    case.orders.append(ToSubmitter(case.actor))
    case.note("instance.returned", visit, to=case.flow.entry, direct=direct or None)


def returner_of(case: Case, visit: Visit) -> str | None:
    """To which node a visit goes straight back once it has passed: the one that returned to it."""
    last = max(
        (v for v in case.visits if v.data.get("straight_back_from") == visit.node and v.seq < visit.seq),
        key=lambda v: v.seq,
        default=None,
    )
    before = case.visits[: visit.seq - 1]
    since = [v for v in before if last is not None and v.seq > last.seq and v.node == visit.node]
    return last.node if last is not None and not since else None


def still_leads(case: Case, source: str, target: str) -> bool:
    """Whether the conditions on the way from a node to the one that returned to it choose, with the form as it is now,
    what they chose then: branches, those of inclusive forks and of regions on the way among them, and nodes to skip.
    """
    returner = max(
        (v for v in case.visits if v.node == target and v.data.get("straight_back_from") == source),
        key=lambda v: v.seq,
        default=None,
    )
    if returner is None or not isinstance(case.flow.nodes.get(target), HumanNode):
        return False
    way, seen, values = [case.node(source).next["passed"].to], set[str](), case.values()
    while way:
        name = way.pop()
        if name in seen or name == target:
            seen.add(name)
            continue
        seen.add(name)
        visit = _before(case, name, returner)
        taken = _taken_now(case, visit, values) if visit is not None else None
        if taken is None:
            return False
        way.extend(taken)
    return target in seen


def _before(case: Case, name: str, returner: Visit) -> Visit | None:
    """The latest visit of a node that counts, on the way to the one that returned."""
    known = [v for v in case.visits if v.node == name and v.seq < returner.seq and v.status != VisitStatus.CANCELLED]
    return max(known, key=lambda v: v.seq, default=None)


def _taken_now(case: Case, visit: Visit, values: dict[str, Any]) -> list[str] | None:
    """Where the way went on from a visit; None if it would not go there now, or is not drawn so any more."""
    node = case.flow.nodes.get(visit.node)
    if node is None or visit.status in OPEN_VISITS or not _chooses_the_same(case, node, visit, values):
        return None
    exits = {exit_.edge: exit_.to for exit_ in exits_of(node)}
    return [exits[edge] for edge in visit.edges] if exits.keys() >= set(visit.edges) else None


def _chooses_the_same(case: Case, node: Node, visit: Visit, values: dict[str, Any]) -> bool:
    def holds(condition: Condition) -> bool:
        return evaluate(condition, values, case.flow.types).holds

    try:
        match node:
            case ChoiceNode():
                return visit.edges == [next(each.edge for each in node.branches if holds(each.when))]
            case ForkNode(kind="inclusive"):
                others = node.branches[:-1]
                taken = [each.edge for each in others if holds(each.when)] or [node.branches[-1].edge]
                return visit.edges == taken
            case HumanNode() if node.skip_when is not None:
                return holds(node.skip_when) == (visit.data.get("why") == "skip_when")
            case _:
                return True
    except (ConditionError, StopIteration):
        return False


def _is_within(other: Visit, visit: Visit, scope: Scope) -> bool:
    """Whether another token is in the part that goes back: in the same branch below `scope`."""
    if other.scope[: len(scope)] != scope:
        return False
    if len(visit.scope) == len(scope):
        return len(other.scope) == len(scope) or other.id == visit.id
    # Out of a region: all that belongs to its fork, the waiting join among it.
    fork = str(visit.scope[len(scope)][0])
    inside = len(other.scope) > len(scope) and str(other.scope[len(scope)][0]) == fork
    return inside or bool(other.data.get("fork") == fork)


def jump_scope(case: Case, target: str) -> Scope | None:
    """The forks around a node to which an administrator moves the instance; None if it cannot be reached from here."""
    region = case.node(target).region
    if isinstance(case.node(target), JoinNode):
        return None
    for visit in case.tokens:
        if len(visit.scope) >= len(region) and _branches(case, visit.scope[: len(region)]) == list(region):
            return visit.scope[: len(region)]
    return [] if not region else None


def _branches(case: Case, scope: Scope) -> list[tuple[str, int]]:
    found = []
    for fork_id, branch in scope:
        fork = case.visit(fork_id)
        found.append((fork.node if fork is not None else "", branch))
    return found
