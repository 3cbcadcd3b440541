"""Somebody does not decide any more on what she was asked: the rule of the node is asked again.

The roster changes, and with it the number of seats: the tally is taken anew at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from riveredge_approvals.engine import leaving, opening
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.settling import settle
from riveredge_approvals.models import OPEN_TASKS, Task, TaskState, Visit, VisitStatus
from riveredge_approvals.people.candidates import Candidate, Roster

Why = Literal["left", "handed_over"]
_NOBODY_LEFT = {"en": "Nobody is left who could decide.", "zh-CN": "已没有可以处理的人。"}
_VOTES = frozenset({TaskState.APPROVED, TaskState.REJECTED, TaskState.ABSTAINED})


@dataclass(frozen=True, slots=True)
class Anew:
    """What the rule of a node says now: the whole roster, and those of it who come instead of somebody."""

    roster: Roster
    newcomers: Sequence[Candidate]


async def leave(case: Case, user: UUID) -> None:
    """Somebody is no active member any more: nothing waits for her, and the instance goes on without her."""
    for visit in list(case.open_visits):
        if visit.status == VisitStatus.ACTIVE and _open_of(case, visit, user):
            reseat(case, visit, user, await ask_anew(case, visit, user), "left")
            if visit.data.get("decided"):
                leaving.follow(case, visit)


async def ask_anew(case: Case, visit: Visit, user: UUID) -> Anew:
    """Who would be asked on a visit instead of somebody."""
    roster = await case.world.roster(case, visit, case.human(visit))
    tasks = [task for task in case.tasks_of(visit) if task.part == "seat" and task.assignee_id != user]
    there = {task.assignee_id for task in tasks if task.state in OPEN_TASKS or task.state in _VOTES}
    if case.human(visit).claim and any(task.state in OPEN_TASKS and task.origin == "rule" for task in tasks):
        # Somebody else has taken it out of the pool.
        return Anew(roster, [])
    # Who has handed a task on is not asked for it again, unless it comes back because of this.
    comes_back = {task.id for seat in _open_of(case, visit, user) for task in _before(case, visit, seat)}
    there |= {t.assignee_id for t in tasks if t.state == TaskState.TRANSFERRED and t.id not in comes_back}
    return Anew(roster, [each for each in roster.candidates if each.user_id not in there | {user}])


def reseat(case: Case, visit: Visit, user: UUID, anew: Anew, why: Why) -> None:
    """What somebody is asked on a visit is closed, and those who come instead are asked in her place.

    A visit that is decided by it waits for `leaving.follow`. Where the rule finds nobody it is the node's to say what
    then happens, unless others decide on the visit.
    """
    mine = _open_of(case, visit, user)
    seats = [task for task in mine if task.part == "seat"]
    for task in mine:
        _close(case, visit, task, why)
    if seats:
        roster = anew.roster
        case.keep(visit, roster=list(roster.trace), reason=roster.reason, warnings=list(roster.warnings))
        line = {"code": why, "user": str(user)}
        newcomers = [replace(each, trace=[line, *each.trace]) for each in anew.newcomers]
        opening.seat(case, visit, newcomers, at=min(task.seq for task in seats))
        if not any(_counts(task) for task in case.tasks_of(visit)):
            _empty(case, visit, roster)
            return
    settle(case, visit)


def _counts(task: Task) -> bool:
    return task.part == "seat" and (task.state in OPEN_TASKS or task.state in _VOTES)


def _empty(case: Case, visit: Visit, roster: Roster) -> None:
    """Nobody is asked any more, and nobody has decided."""
    if roster.verdict in {"approve", "reject"}:
        case.keep(visit, decided=True)
        passed = roster.verdict == "approve"
        status = VisitStatus.PASSED if passed else VisitStatus.FAILED
        case.close_visit(visit, status, "approved" if passed else "rejected")
    else:
        opening.fail(case, visit, roster.reason or _NOBODY_LEFT)


def _open_of(case: Case, visit: Visit, user: UUID) -> list[Task]:
    return [task for task in case.tasks_of(visit) if task.assignee_id == user and task.state in OPEN_TASKS]


def _before(case: Case, visit: Visit, task: Task) -> list[Task]:
    """The tasks from which one was handed on, over all hops; they had its place."""
    place = (task.part, task.parent_id, task.seq)
    return [
        each
        for each in case.tasks_of(visit)
        if each.state == TaskState.TRANSFERRED
        and (each.part, each.parent_id, each.seq) == place
        and each.hops < task.hops
    ]


def _close(case: Case, visit: Visit, task: Task, why: Why) -> None:
    """Close a task with those around it; whoever waits for it alone goes on."""
    if task.state not in OPEN_TASKS:
        return
    case.close_task(task, TaskState.CLOSED, why)
    for around in case.tasks_of(visit):
        if around.parent_id == task.id and around.part != "seat":
            _close(case, visit, around, why)
    parent = case.task(task.parent_id) if task.parent_id is not None else None
    if parent is None:
        return
    if task.part == "delegate" and parent.state == TaskState.DELEGATED:
        case.offer(parent)
    if task.part == "before" and parent.state == TaskState.WAITING and parent.reason == "before":
        beside = [each for each in case.tasks_of(visit) if each.parent_id == parent.id and each.part == "before"]
        if all(each.state == TaskState.CLOSED for each in beside):
            case.offer(parent)
