"""`advance`: take in what has happened, and move tokens until nothing moves.

It is the one way in which instances get on. It is pure but for the rows it is given, idempotent (an input that has
been taken in is marked so), and finds what is out of date: an input about a visit that is over does nothing.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from riveredge_approvals.engine import deadlines, leaving, opening, reseating, returning
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.compensating import undo_all, undo_behind
from riveredge_approvals.engine.orders import Started
from riveredge_approvals.ir.document import EffectNode, Exit, SubflowNode
from riveredge_approvals.models import Input, InstanceStatus, Visit, VisitStatus

Apply: TypeAlias = Callable[[Case, Mapping[str, Any]], Coroutine[Any, Any, None]]


async def advance(case: Case, inputs: Sequence[Input]) -> bool:
    """Apply the inputs in their order; whether anything has happened.

    Args:
        inputs: those that have not been applied, in the order of their numbers.
    """
    if case.instance.status != InstanceStatus.RUNNING:
        return False
    for each in inputs:
        each.applied_at = case.now
        if case.instance.status == InstanceStatus.RUNNING:
            await _APPLY[each.kind](case, each.data)
            await opening.move(case)
    if not case.notes and not case.orders:
        return False
    case.instance.rev += 1
    return True


async def _submitted(case: Case, data: Mapping[str, Any]) -> None:
    """The way begins, or begins again; directly at whoever returned it where the conditions still lead there."""
    again = bool(data.get("again"))
    case.orders.append(Started(again))
    case.note("instance.submitted", again=again or None, form_rev=case.instance.form_rev)
    target, case.instance.resubmit_to = case.instance.resubmit_to, None
    entry = case.flow.entry
    straight = target is not None and not data.get("anew") and returning.still_leads(case, entry, target)
    if target is not None and not straight:
        undo_all(case, "returned")
    case.agenda.append((Exit(edge="", to=target if straight and target is not None else entry), []))


async def _decided(case: Case, data: Mapping[str, Any]) -> None:
    """A visit on which the decision fell when somebody decided. Its token goes on, once."""
    visit = case.visit(data["visit"])
    if visit is not None and visit.data.get("decided"):
        leaving.follow(case, visit)


async def _timer(case: Case, data: Mapping[str, Any]) -> None:
    visit = _open(case, data)
    if visit is None:
        return
    if data["name"] == "delay":
        leaving.leave(case, visit)
    else:
        await deadlines.reached(case, visit, data["name"], int(data.get("count", 1)))


async def _effect(case: Case, data: Mapping[str, Any]) -> None:
    visit = _open(case, data)
    if visit is None:
        return
    node = case.node(visit.node)
    if not isinstance(node, EffectNode):
        return
    if data.get("ok"):
        case.write(data.get("save", {}))
        case.keep(visit, result=data["result"] if data.get("result") is not None else {})
        leaving.leave(case, visit)
        return
    message = str(data.get("error", "It failed."))
    match node.on_error.action:
        case "ignore":
            case.keep(visit, error=message)
            leaving.leave(case, visit)
        case "edge" if "error" in node.next:
            case.keep(visit, error=message)
            leaving.leave(case, visit, by="error", status=VisitStatus.FAILED)
        case _:
            opening.fail(case, visit, message)


async def _child(case: Case, data: Mapping[str, Any]) -> None:
    visit = _open(case, data)
    if visit is None or not isinstance(node := case.node(visit.node), SubflowNode):
        return
    case.keep(visit, child_outcome=data["outcome"])
    if data["outcome"] == "approved":
        form = data["form"]
        case.write({field: form.get(source.removeprefix("form.")) for field, source in node.map_out.items()})
        leaving.leave(case, visit)
    elif data["outcome"] == "rejected":
        leaving.conclude(case, visit, "rejected")
    else:
        ended = {"en": f"The subflow was {data['outcome']}.", "zh-CN": f"子流程的结果为 {data['outcome']}。"}
        opening.fail(case, visit, data.get("error") or ended)


async def _mended(case: Case, data: Mapping[str, Any]) -> None:
    """An administrator has what failed tried again, or passes over it."""
    visit = _open(case, data)
    if visit is None or visit.status != VisitStatus.INCIDENT:
        return
    visit.status = VisitStatus.ACTIVE
    case.keep(visit, incident=None)
    case.note("visit.retried", visit, skipped=data.get("skip") or None)
    if data.get("skip"):
        leaving.leave(case, visit)
    else:
        await opening.enter(case, visit)


async def _jumped(case: Case, data: Mapping[str, Any]) -> None:
    """An administrator moves the instance: tokens beside or inside are taken away, what lies behind is undone."""
    target = data["to"]
    if target not in case.flow.nodes:
        # It was moved to another version meanwhile.
        return
    scope = returning.jump_scope(case, target)
    if scope is None:
        return
    leaving.take_back(case, scope)
    undo_behind(case, target, scope, "jumped")
    case.note("instance.jumped", to=target)
    case.agenda.append((Exit(edge="", to=target), scope))


async def _left(case: Case, data: Mapping[str, Any]) -> None:
    """Somebody who may be asked something here is no active member any more."""
    await reseating.leave(case, UUID(data["user"]))


async def _nudged(case: Case, data: Mapping[str, Any]) -> None:
    """Nothing has happened but that somebody looks."""


def _open(case: Case, data: Mapping[str, Any]) -> Visit | None:
    visit = case.visit(data["visit"])
    return visit if visit is not None and visit.status in {VisitStatus.ACTIVE, VisitStatus.INCIDENT} else None


_APPLY: dict[str, Apply] = {
    "instance.submitted": _submitted,
    "task.decided": _decided,
    "timer.due": _timer,
    "effect.done": _effect,
    "child.finished": _child,
    "incident.mended": _mended,
    "instance.jumped": _jumped,
    "member.left": _left,
    "nudge": _nudged,
}
KINDS = frozenset(_APPLY)
