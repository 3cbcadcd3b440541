"""Going back: returns, rejections to a node, resubmissions and jumps. None of it is drawn."""

from typing import Any

from riveredge_approvals.engine.case import Case, Scope
from riveredge_approvals.engine.compensating import undo_all, undo_since
from riveredge_approvals.engine.ending import clear
from riveredge_approvals.engine.orders import ToSubmitter
from riveredge_approvals.ir.conditions import ConditionError, evaluate
from riveredge_approvals.ir.document import ChoiceNode, Exit, ForkNode, JoinNode, StartNode
from riveredge_approvals.models import InstanceStatus, Visit, VisitStatus


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
    rewound = [other for other in case.tokens if _is_within(other, visit, scope)]
    clear(case, rewound, "returned")
    if isinstance(node, StartNode):
        to_submitter(case, visit)
        return
    again = Exit(edge="", to=target)
    case.agenda.append((again, scope))
    direct = case.flow.settings.resubmit == "direct"
    case.note("instance.returned", visit, to=target, direct=direct or None)
    if direct and not visit.scope[len(node.region) :]:
        # Opened by `move`; the way straight back is remembered with the visits that are over.
        case.keep(visit, straight_back_from=target)
    else:
        undo_since(case, target, scope, "returned")


def to_submitter(case: Case, visit: Visit) -> None:
    """The form goes back to its submitter."""
    instance = case.instance
    clear(case, case.tokens, "returned")
    case.agenda.clear()
    instance.status = InstanceStatus.DRAFT
    direct = case.flow.settings.resubmit == "direct" and not visit.scope
    instance.resubmit_to = visit.node if direct else None
    if not direct:
        undo_all(case, "returned")
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
    """Whether the way from a node leads to another one with the form as it is, over passed nodes and whole regions."""
    at, values = source, case.values()
    for _ in case.flow.nodes:
        if at == target:
            return True
        node = case.node(at)
        if isinstance(node, ChoiceNode):
            taken = _taken(case, node, values)
            if taken is None:
                return False
            at = taken
        elif isinstance(node, ForkNode):
            at = node.join
        elif "passed" in node.next:
            at = node.next["passed"].to
        else:
            return False
    return False


def _taken(case: Case, node: ChoiceNode, values: dict[str, Any]) -> str | None:
    try:
        for branch in node.branches:
            if evaluate(branch.when, values, case.flow.types).holds:
                return branch.to
    except ConditionError:
        return None
    return None


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
