"""What happens when a token leaves a node."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from riveredge_approvals.engine import returning
from riveredge_approvals.engine.case import Case, Scope
from riveredge_approvals.engine.compensating import undo_behind
from riveredge_approvals.engine.ending import clear, end
from riveredge_approvals.ir.document import Exit, HumanNode, JoinNode, OnReject, SubflowNode
from riveredge_approvals.models import InstanceStatus, Visit, VisitStatus


def leave(
    case: Case,
    visit: Visit,
    *,
    by: str = "passed",
    status: VisitStatus = VisitStatus.PASSED,
    outcome: str | None = None,
) -> None:
    """The token takes the exit `by`."""
    leave_by(case, visit, [case.node(visit.node).next[by]], status=status, outcome=outcome or by)


def leave_by(
    case: Case,
    visit: Visit,
    exits: Sequence[Exit],
    *,
    status: VisitStatus = VisitStatus.PASSED,
    outcome: str = "passed",
) -> None:
    """The token takes these exits."""
    case.close_visit(visit, status, outcome, [exit_.edge for exit_ in exits])
    for exit_ in exits:
        case.agenda.append((exit_, visit.scope))


def conclude(case: Case, visit: Visit, result: Literal["passed", "rejected"]) -> None:
    """Decide a visit without anybody's decision, and send its token on."""
    if result == "passed":
        case.close_visit(visit, VisitStatus.PASSED, "approved")
    else:
        case.close_visit(visit, VisitStatus.FAILED, "rejected")
    follow(case, visit)


def follow(case: Case, visit: Visit) -> None:
    """Send the token on from a visit that is decided (see `settle`)."""
    case.keep(visit, decided=False)
    if visit.outcome == "returned":
        returning.go_back(case, visit, visit.data["return_to"])
    elif visit.status == VisitStatus.FAILED:
        _after_rejection(case, visit)
    elif (back_to := visit.data.get("back_to")) is not None and returning.still_leads(case, visit.node, back_to):
        case.note("visit.straight_back", visit, to=back_to)
        case.agenda.append((Exit(edge="", to=back_to), visit.scope))
    else:
        if back_to is not None:
            # It does not go straight back after all, but all of the way again.
            undo_behind(case, visit.node, visit.scope, "returned")
        _go_on(case, visit, "passed")


def _go_on(case: Case, visit: Visit, by: str) -> None:
    exit_ = case.node(visit.node).next[by]
    visit.edges = [exit_.edge]
    case.note("visit.left", visit, edges=visit.edges)
    case.agenda.append((exit_, visit.scope))


def _after_rejection(case: Case, visit: Visit) -> None:
    node = case.node(visit.node)
    rule = node.on_reject if isinstance(node, HumanNode | SubflowNode) else OnReject()
    if rule.action == "edge" and "rejected" in node.next:
        _go_on(case, visit, "rejected")
    elif rule.action == "return" and rule.to is not None:
        returning.go_back(case, visit, rule.to)
    elif (join := _join_that_takes_it(case, visit)) is not None:
        # No edge of the drawing: the branch ends here, and the join counts it as arrived.
        case.agenda.append((Exit(edge="", to=join), visit.scope))
    else:
        end(case, InstanceStatus.REJECTED)


def _join_that_takes_it(case: Case, visit: Visit) -> str | None:
    if not visit.scope:
        return None
    fork = case.visit(UUID(visit.scope[-1][0]))
    if fork is None:
        return None
    join_id: Any = getattr(case.node(fork.node), "join", None)
    join = case.flow.nodes.get(join_id) if join_id else None
    return join_id if isinstance(join, JoinNode) and join.branch_reject == "arrive" else None


def take_back(case: Case, scope: Scope) -> None:
    """Cancel the tokens in a branch and all that it has opened."""
    inside = [visit for visit in case.tokens if visit.scope[: len(scope)] == scope]
    clear(case, inside, "jumped")
