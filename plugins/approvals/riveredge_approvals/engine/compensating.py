"""What was done for nothing: effects of a request that was taken back, ended early, or goes that way again.

The core only orders that it be told; what it takes to undo an effect is whoever's who did it.
"""

from collections.abc import Iterable
from typing import Any

from riveredge_approvals.engine.case import Case, Scope
from riveredge_approvals.engine.orders import Undone
from riveredge_approvals.models import Visit, VisitStatus


def undo_all(case: Case, because: str) -> None:
    """All effects of the instance that were done."""
    _undo(case, case.visits, because)


def undo_since(case: Case, node: str, scope: Scope, because: str, *, before: Visit | None = None) -> None:
    """The effects that were done after a node was last passed, within these forks.

    Args:
        before: the visit that has passed just now, and is not the one that is meant.
    """
    passed = [
        visit.seq
        for visit in case.visits
        if visit.node == node and visit.status == VisitStatus.PASSED and visit is not before
    ]
    first = max(passed, default=0)
    later = (visit for visit in case.visits if visit.seq > first and visit.scope[: len(scope)] == scope)
    _undo(case, later, because)


def undo_late(case: Case, visit: Visit, result: Any, because: str) -> None:
    """An effect that was under way when its visit was taken away, and was done all the same."""
    if visit.data.get("result") is None:
        case.keep(visit, result=result)
        _undo(case, [visit], because)


def result_of(visit: Visit) -> Any:
    """What the visit's effect came to, also if it waits to be called back; None if it was not done."""
    data = visit.data
    waits = data.get("noted") != data.get("round")
    return data["result"] if data.get("result") is not None else data.get("answered") if waits else None


def _undo(case: Case, visits: Iterable[Visit], because: str) -> None:
    for visit in visits:
        if visit.kind == "effect" and result_of(visit) is not None and not visit.data.get("compensated"):
            case.keep(visit, compensated=True)
            case.orders.append(Undone(visit, because))
            case.note("effect.compensating", visit, because=because)
