"""What happens when a token comes to a node."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from riveredge_approvals.engine import leaving, returning
from riveredge_approvals.engine.case import MAX_VISITS, Case, Scope
from riveredge_approvals.engine.delays import instant_of
from riveredge_approvals.engine.ending import end
from riveredge_approvals.engine.orders import Copied, DelayDue, EffectDue, Raised, SubflowDue
from riveredge_approvals.engine.settling import settle
from riveredge_approvals.engine.voting import vote
from riveredge_approvals.ir.conditions import ConditionError, evaluate
from riveredge_approvals.ir.document import (
    Branch,
    CcNode,
    ChoiceNode,
    Condition,
    DelayNode,
    EffectNode,
    EndNode,
    ForkNode,
    HumanNode,
    JoinNode,
    Node,
    StartNode,
    SubflowNode,
)
from riveredge_approvals.models import InstanceStatus, Task, TaskState, Visit, VisitStatus
from riveredge_approvals.people.roster import Candidate
from riveredge_approvals.speech import texts_of
from riveredge_sdk import uuid7

_TOO_LONG = f"经过的节点超过 {MAX_VISITS} 个。"


async def move(case: Case) -> None:
    """Move tokens until nothing moves."""
    while case.agenda and case.instance.status == InstanceStatus.RUNNING:
        exit_, scope = case.agenda.popleft()
        node = case.node(exit_.to)
        if isinstance(node, JoinNode):
            _arrive_at_join(case, exit_.to, scope, exit_.edge)
            continue
        visit = case.open_visit(exit_.to, scope, exit_.edge)
        if len(case.visits) > MAX_VISITS:
            fail(case, visit, {"en": f"It has come through more than {MAX_VISITS} nodes.", "zh-CN": _TOO_LONG})
            continue
        await enter(case, visit)
    if case.instance.status != InstanceStatus.RUNNING:
        case.agenda.clear()


def fail(case: Case, visit: Visit, said: str | Mapping[str, str], *, field: str = "") -> None:
    """The visit becomes an incident: it stays where it is until an administrator mends it.

    Args:
        said: why, by language; or as others have said it.
        field: the full name of the field that was missing, or of another type.
    """
    visit.status = VisitStatus.INCIDENT
    texts = texts_of(said)
    case.keep(visit, incident=texts, incident_field=field or None)
    case.orders.append(Raised(visit, texts["en"]))
    case.note("visit.incident", visit, message=texts["en"], texts=texts)


async def enter(case: Case, visit: Visit) -> None:
    """Do what the visit's node is for."""
    node = case.node(visit.node)
    try:
        if isinstance(node, HumanNode):
            await _ask(case, visit, node)
        elif isinstance(node, CcNode):
            await _copy(case, visit, node)
        elif isinstance(node, ChoiceNode):
            leaving.leave_by(case, visit, [_choose(case, visit, node.branches)])
        elif isinstance(node, ForkNode):
            _fork(case, visit, node)
        else:
            _enter_others(case, visit, node)
    except ConditionError as error:
        fail(case, visit, error.texts, field=error.field)


def _enter_others(case: Case, visit: Visit, node: Node) -> None:
    match node:
        case StartNode():
            leaving.leave(case, visit)
        case DelayNode():
            if node.until is not None:
                instant_of(node.until, case.values())
            case.orders.append(DelayDue(visit))
            case.note("visit.opened", visit)
        case EffectNode():
            case.orders.append(EffectDue(visit))
            case.note("visit.opened", visit)
        case SubflowNode():
            case.orders.append(SubflowDue(visit))
            case.note("visit.opened", visit)
            if not node.wait:
                leaving.leave(case, visit)
        case EndNode():
            case.close_visit(visit, VisitStatus.PASSED, node.result)
            end(case, InstanceStatus(node.result))
        case _:
            raise TypeError(f"a {node.kind} is not entered")


async def _ask(case: Case, visit: Visit, node: HumanNode) -> None:
    if (back_to := returning.returner_of(case, visit)) is not None:
        case.keep(visit, back_to=back_to)
    if node.skip_when is not None and _holds(case, visit, node.skip_when):
        case.keep(visit, why="skip_when")
        leaving.leave(case, visit, status=VisitStatus.SKIPPED)
        return
    if node.auto != "none":
        case.keep(visit, why="auto")
        leaving.conclude(case, visit, "passed" if node.auto == "approve" else "rejected")
        return
    roster = await case.world.roster(case, visit, node)
    case.keep(visit, roster=list(roster.trace), reason=roster.reason, warnings=list(roster.warnings))
    if roster.verdict == "block":
        fail(case, visit, roster.reason)
    elif roster.verdict != "people":
        leaving.conclude(case, visit, "passed" if roster.verdict == "approve" else "rejected")
    else:
        case.note("visit.opened", visit)
        seat(case, visit, roster.candidates)
        settle(case, visit)
        if visit.status != VisitStatus.ACTIVE:
            leaving.follow(case, visit)


def seat(case: Case, visit: Visit, candidates: Sequence[Candidate], *, at: int | None = None) -> None:
    """Ask people by the rule of the visit's node, one place after the other; all in the place `at` if it is given."""
    node = case.human(visit)
    in_turn = node.tally.mode == "sequential" and not node.claim
    for number, candidate in enumerate(candidates):
        place = number if at is None else at
        task = _new_task(
            case,
            visit,
            place,
            assignee_id=candidate.user_id,
            principal_id=candidate.principal_id,
            weight=candidate.weight,
            origin="pool" if node.claim else "rule",
            trace=list(candidate.trace),
        )
        if candidate.auto == "approve":
            task.state, task.opened_at = TaskState.WAITING, case.now
            case.open_task(task)
            vote(case, task, TaskState.APPROVED, via="auto")
        elif in_turn:
            task.state, task.reason = TaskState.WAITING, "turn"
            case.open_task(task)
        else:
            case.open_task(task)


def _new_task(case: Case, visit: Visit, place: int, **values: Any) -> Task:
    return Task(id=uuid7(), instance_id=case.instance.id, visit_id=visit.id, node=visit.node, seq=place, **values)


async def _copy(case: Case, visit: Visit, node: CcNode) -> None:
    if node.when == "each_visit" or visit.number == 1:
        users = await case.world.people(case, visit, node.recipients)
        case.keep(visit, users=[str(user) for user in users])
        if users:
            case.orders.append(Copied(visit, users))
    leaving.leave(case, visit)


def _choose(case: Case, visit: Visit, branches: tuple[Branch, ...]) -> Branch:
    for branch in branches:
        if _holds(case, visit, branch.when, branch.edge):
            return branch
    message = "None of the conditions holds, and there is no branch for everything else."
    raise ConditionError(message, "所有条件均不成立，且没有默认分支。")


def _fork(case: Case, visit: Visit, node: ForkNode) -> None:
    if node.kind == "parallel":
        taken = list(range(len(node.branches)))
    else:
        others = node.branches[:-1]
        taken = [number for number, branch in enumerate(others) if _holds(case, visit, branch.when, branch.edge)]
        taken = taken or [len(node.branches) - 1]
    case.keep(visit, branches=taken)
    case.close_visit(visit, VisitStatus.PASSED, "passed", [node.branches[number].edge for number in taken])
    for number in taken:
        case.agenda.append((node.branches[number], [*visit.scope, [str(visit.id), number]]))


def _arrive_at_join(case: Case, node_id: str, scope: Scope, edge: str) -> None:
    """A branch arrives. The join's visit is opened by the first of them."""
    (fork_id, branch), around = scope[-1], scope[:-1]
    fork = case.visit(UUID(fork_id))
    if fork is None:
        raise LookupError(f"the visit {fork_id} of a fork is gone")
    visit = next((v for v in case.open_visits if v.node == node_id and v.data.get("fork") == fork_id), None)
    if visit is None:
        visit = case.open_visit(node_id, around, edge)
        case.keep(visit, fork=fork_id, arrived=[], rejected=[])
    rejected = edge == ""
    arrived = sorted({*visit.data["arrived"], branch})
    refused = sorted({*visit.data["rejected"], *([branch] if rejected else [])})
    case.keep(visit, arrived=arrived, rejected=refused)
    case.note("join.arrived", visit, branch=branch, rejected=rejected or None)
    if arrived == sorted(fork.data["branches"]):
        if refused == arrived:
            leaving.conclude(case, visit, "rejected")
        else:
            leaving.leave(case, visit)


def _holds(case: Case, visit: Visit, condition: Condition, edge: str = "") -> bool:
    """Whether a condition holds now; the values that it was about are remembered for who asks why."""
    verdict = evaluate(condition, case.values(), case.flow.types)
    case.keep(visit, read={**visit.data.get("read", {}), **verdict.read})
    if edge:
        case.keep(visit, looked_at={**visit.data.get("looked_at", {}), edge: verdict.holds})
    return verdict.holds


__all__ = ["enter", "fail", "move", "seat"]
