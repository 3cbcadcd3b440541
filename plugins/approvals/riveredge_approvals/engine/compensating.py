"""What was done for nothing: effects of a request that was taken back, ended early, or goes that way again.

The core only orders that it be told; what it takes to undo an effect is whoever's who did it.
"""

from collections.abc import Iterable
from typing import Any

from riveredge_approvals.engine.case import Case, Scope
from riveredge_approvals.engine.orders import Undone
from riveredge_approvals.ir.document import CompiledFlow, EffectNode, exits_of
from riveredge_approvals.models import ENDED, InstanceStatus, Visit


def undo_all(case: Case, because: str) -> list[str]:
    """All effects of the instance that were done; the nodes of those."""
    return _undo(case, case.visits, because)


def undo_rejected(case: Case) -> None:
    """Those of an instance that is rejected whose nodes say so: what was done before a decision often holds."""
    _undo(case, [visit for visit in case.visits if _is_rejected_with(case, visit)], InstanceStatus.REJECTED)


def undo_behind(case: Case, node: str, scope: Scope, because: str) -> list[str]:
    """The effects that lie behind a node to which the instance goes back, within these forks; the nodes of those."""
    behind = _behind(case.flow, node)
    before = case.last_visit(node)
    rewound = [
        visit
        for visit in case.visits
        if visit.scope[: len(scope)] == scope
        and (visit.node in behind or (visit.node not in case.flow.nodes and before and visit.seq > before.seq))
    ]
    return _undo(case, rewound, because)


def undo_late(case: Case, visit: Visit, result: Any) -> bool:
    """An effect that was under way when its visit was taken away, and was done all the same; whether it is undone."""
    because = _why_taken_away(case, visit)
    wanted = because == InstanceStatus.REJECTED and not _is_rejected_with(case, visit)
    if wanted or visit.data.get("result") is not None:
        return False
    case.keep(visit, result=result)
    return bool(_undo(case, [visit], because))


def result_of(visit: Visit) -> Any:
    """What the visit's effect came to, also if it waits to be called back; None if it was not done."""
    data = visit.data
    waits = data.get("noted") != data.get("round")
    return data["result"] if data.get("result") is not None else data.get("answered") if waits else None


def _undo(case: Case, visits: Iterable[Visit], because: str) -> list[str]:
    """Have them undone, each once, whatever happens to the instance later."""
    undone = []
    for visit in visits:
        if visit.kind == "effect" and result_of(visit) is not None and not visit.data.get("compensated"):
            case.keep(visit, compensated=True)
            case.orders.append(Undone(visit, because))
            case.note("effect.compensating", visit, because=because)
            undone.append(visit.node)
    return undone


def _behind(flow: CompiledFlow, node: str) -> set[str]:
    """The node, and all that can be reached from it."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(exit_.to for exit_ in exits_of(flow.nodes[name]))
    return found


def _is_rejected_with(case: Case, visit: Visit) -> bool:
    node = case.flow.nodes.get(visit.node)
    return isinstance(node, EffectNode) and node.compensate_on_reject


def _why_taken_away(case: Case, visit: Visit) -> str:
    reason = visit.data.get("cleared")
    ended = case.instance.status if case.instance.status in ENDED else "returned"
    return str(ended if reason in {None, "ended"} else reason)
