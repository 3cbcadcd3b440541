"""Moving an instance to another version of its process, with its tokens where they stand.

A token keeps its stay where its node means the same in both versions; where a node on which nobody has acted asks
otherwise now, it is asked anew. What cannot be carried over keeps the whole instance where it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from riveredge_approvals.engine import opening
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.ending import clear
from riveredge_approvals.ir.document import (
    CompiledFlow,
    DelayNode,
    EffectNode,
    Exit,
    ForkNode,
    HumanNode,
    JoinNode,
    Node,
    SubflowNode,
    Tally,
)
from riveredge_approvals.models import InstanceStatus, TaskState, Visit, VisitStatus

# What visits remember by the names of nodes.
_NODES = frozenset({"back_to", "return_to", "straight_back_from"})


@dataclass(frozen=True, slots=True)
class Place:
    """A node where a token stands, or to which the instance goes straight back.

    Attributes:
        to: its node in the other version; None if it has none.
        why: why it cannot be carried over; empty if it can.
        anew: people are asked again there.
    """

    node: str
    to: str | None
    why: str = ""
    anew: bool = False


def plan(case: Case, new: CompiledFlow, names: Mapping[str, str]) -> list[Place]:
    """Where the instance's tokens would stand in another version.

    Args:
        names: nodes of the version it runs on, and what they are called in the new one; others keep their names.
    """
    places = [_place(case, new, names, visit) for visit in case.tokens]
    places += [_place(case, new, names, visit) for visit in case.visits if _starts_another(case, visit)]
    places += [_returned(case, new, names, visit) for visit in case.tokens if visit.outcome == "returned"]
    back = case.instance.resubmit_to
    if back is not None:
        places.append(_back(new, names, back))
    return places


async def migrate(case: Case, version: CompiledFlow, names: Mapping[str, str]) -> None:
    """Carry the instance over. Only if nothing of its `plan` keeps it; whoever calls sets its version's id."""
    places = plan(case, version, names)
    anew = [visit for visit, place in zip(case.tokens, places, strict=False) if place.anew]
    before = case.flow
    for visit in case.visits:
        old = before.nodes.get(visit.node)
        if isinstance(old, EffectNode):
            # Whoever is told to undo it need not find its node.
            case.keep(visit, effect=old.effect)
        visit.node = names.get(visit.node, visit.node)
        case.keep(visit, **{key: names.get(visit.data[key], visit.data[key]) for key in _NODES & visit.data.keys()})
    for task in case.tasks:
        task.node = names.get(task.node, task.node)
    if case.instance.resubmit_to is not None:
        case.instance.resubmit_to = names.get(case.instance.resubmit_to, case.instance.resubmit_to)
    case.instance.choices = {names.get(node, node): users for node, users in case.instance.choices.items()}
    case.flow = version
    case.note("instance.migrated", source=before.version, target=version.version, map=dict(names) or None)
    for visit in anew:
        clear(case, [visit], "migrated")
        case.agenda.append((Exit(edge="", to=visit.node), visit.scope))
    await opening.move(case)


def _place(case: Case, new: CompiledFlow, names: Mapping[str, str], visit: Visit) -> Place:
    to = names.get(visit.node, visit.node)
    old, node = case.node(visit.node), new.nodes.get(to)
    if node is None:
        return Place(visit.node, None, "The other version has no such node: say in `map` which one it is.")
    why = _difference(old, node) or _other_region(case, names, visit, node)
    if not why and isinstance(old, JoinNode):
        why = _other_fork(case.flow, new, names, old, node)
    if why or not isinstance(old, HumanNode) or not isinstance(node, HumanNode):
        return Place(visit.node, to, why)
    if visit.data.get("decided") or visit.status != VisitStatus.ACTIVE or _manner(old) == _manner(node):
        return Place(visit.node, to)
    if _is_begun(case, visit):
        why = "People have acted on it already, and there they decide together otherwise."
    elif case.instance.status != InstanceStatus.RUNNING:
        why = "People have to be asked anew, for there they decide together otherwise: resume it first."
    return Place(visit.node, to, why, anew=not why)


def _difference(old: Node, new: Node) -> str:
    if old.kind != new.kind:
        return f"It is a node of the kind {old.kind} here, and of the kind {new.kind} there."
    if isinstance(old, EffectNode) and isinstance(new, EffectNode) and old.effect != new.effect:
        return f"It does {old.effect} here, and {new.effect} there."
    if isinstance(old, EffectNode) and isinstance(new, EffectNode) and old.wait_callback != new.wait_callback:
        return "It waits to be called back in one of the versions alone."
    if isinstance(old, SubflowNode) and isinstance(new, SubflowNode) and old.process != new.process:
        return "Another process is started there."
    if isinstance(old, DelayNode) and isinstance(new, DelayNode) and (old.until is None) != (new.until is None):
        return "It waits for something else there."
    return ""


def _other_region(case: Case, names: Mapping[str, str], visit: Visit, node: Node) -> str:
    """Whether it lies between the same forks, in the same branches."""
    around = []
    for fork_id, branch in visit.scope:
        fork = case.visit(fork_id)
        around.append((names.get(fork.node, fork.node) if fork is not None else "", branch))
    return "" if around == [tuple(each) for each in node.region] else "It lies in another branch there."


def _other_fork(old: CompiledFlow, new: CompiledFlow, names: Mapping[str, str], join: JoinNode, other: Node) -> str:
    """Whether an open join waits for the same branches, and takes rejections the same way."""
    fork, there = old.nodes[join.fork], new.nodes.get(names.get(join.fork, join.fork))
    if not isinstance(other, JoinNode) or not isinstance(fork, ForkNode) or not isinstance(there, ForkNode):
        return "Its fork is not there."
    same = new.nodes.get(other.fork) is there and len(fork.branches) == len(there.branches) and fork.kind == there.kind
    if not same or join.branch_reject != other.branch_reject:
        return "Branches have arrived at it already, and there it waits for others."
    return ""


def _manner(node: HumanNode) -> tuple[Tally, bool]:
    """How people decide together, and whether one of them takes it for all."""
    return node.tally, node.claim


def _is_begun(case: Case, visit: Visit) -> bool:
    """Whether somebody has acted on the visit."""
    tasks = case.tasks_of(visit)
    untouched = all(
        task.state == TaskState.PENDING or (task.state == TaskState.WAITING and task.reason == "turn") for task in tasks
    )
    return not untouched or any(task.origin not in {"rule", "pool"} for task in tasks)


def _starts_another(case: Case, visit: Visit) -> bool:
    """Whether a request is about to be started for a visit that does not wait for it."""
    node = case.flow.nodes.get(visit.node)
    is_over = visit.status == VisitStatus.PASSED
    is_new = "round" in visit.data and visit.data.get("child") is None and not visit.data.get("error")
    return isinstance(node, SubflowNode) and not node.wait and is_over and is_new


def _returned(case: Case, new: CompiledFlow, names: Mapping[str, str], visit: Visit) -> Place:
    """Where a visit is returned to that is decided and not gone on from yet."""
    target = visit.data["return_to"]
    to = names.get(target, target)
    there = new.nodes.get(to)
    if there is None:
        return Place(target, None, "It is being returned there, and there is no such node.")
    around = [(names.get(fork, fork), branch) for fork, branch in case.node(target).region]
    same = around == [tuple(each) for each in there.region]
    return Place(target, to, "" if same else "It lies in another branch there.")


def _back(new: CompiledFlow, names: Mapping[str, str], node: str) -> Place:
    to = names.get(node, node)
    there = new.nodes.get(to)
    if not isinstance(there, HumanNode):
        return Place(node, None, "It goes straight back there when it is submitted again, and there is no such node.")
    return Place(node, to, "It lies in another branch there." if there.region else "")
