"""What happens when people let time pass."""

from riveredge_approvals.engine import leaving
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.ending import end
from riveredge_approvals.engine.orders import Overdue, Reminded
from riveredge_approvals.engine.settling import settle
from riveredge_approvals.engine.voting import vote
from riveredge_approvals.ir.document import Deadline
from riveredge_approvals.models import OPEN_TASKS, InstanceStatus, Task, TaskState, Visit, VisitStatus
from riveredge_sdk import uuid7


async def reached(case: Case, visit: Visit, name: str, count: int) -> None:
    """A visit's reminder or deadline has come."""
    rule = next((each for each in case.human(visit).deadlines if each.name == name), None)
    if rule is None or visit.status != VisitStatus.ACTIVE:
        return
    if rule.name == "remind":
        case.orders.append(Reminded(visit, count))
        case.note("visit.reminded", visit, count=count)
        return
    case.keep(visit, overdue=True)
    case.orders.append(Overdue(visit))
    case.note("visit.overdue", visit, action=rule.action)
    match rule.action:
        case "approve" | "reject":
            outcome = TaskState.APPROVED if rule.action == "approve" else TaskState.REJECTED
            _decide_all(case, visit, outcome)
        case "transfer" | "escalate":
            await _hand_over(case, visit, rule)
        case "close":
            for task in case.open_tasks:
                if task.visit_id == visit.id:
                    case.close_task(task, TaskState.TIMED_OUT, "timeout")
            end(case, InstanceStatus.TERMINATED, "timeout")
        case "none":
            pass


def _decide_all(case: Case, visit: Visit, outcome: TaskState) -> None:
    """The deadline decides for everybody who has not, one after the other, until the visit is decided."""
    while visit.status == VisitStatus.ACTIVE:
        seats = [task for task in case.tasks_of(visit) if task.part == "seat" and task.state in OPEN_TASKS]
        others = [task for task in case.tasks_of(visit) if task.part != "seat" and task.state in OPEN_TASKS]
        for task in others:
            case.close_task(task, TaskState.TIMED_OUT, "timeout")
        if seats:
            vote(case, seats[0], outcome, via="timeout")
        settle(case, visit)
        if not seats and visit.status == VisitStatus.ACTIVE:
            return
    leaving.follow(case, visit)


async def _hand_over(case: Case, visit: Visit, rule: Deadline) -> None:
    """Whoever is above takes over, or joins those who are asked: `transfer` takes the tasks away, `escalate` adds."""
    users = await case.world.people(case, visit, [rule.to] if rule.to is not None else [])
    seats = [task for task in case.tasks_of(visit) if task.part == "seat"]
    on_it = {task.assignee_id for task in seats if task.state in OPEN_TASKS}
    new = [user for user in users if user not in on_it]
    if not new:
        case.note("visit.nobody_to_escalate_to", visit)
        return
    late = [task for task in case.tasks_of(visit) if task.state in OPEN_TASKS]
    places = [task for task in late if task.part == "seat"]
    for task in late:
        case.close_task(task, TaskState.TIMED_OUT, "timeout")
    weight = max((task.weight for task in places), default=1)
    first = min((task.seq for task in places), default=0)
    for number, user in enumerate(new):
        waits = case.human(visit).tally.mode == "sequential" and number > 0
        case.open_task(
            Task(
                id=uuid7(),
                instance_id=case.instance.id,
                visit_id=visit.id,
                node=visit.node,
                assignee_id=user,
                origin="escalation" if rule.action == "escalate" else "transfer",
                parent_id=places[0].id if places else None,
                seq=first + number,
                weight=weight,
                state=TaskState.WAITING if waits else TaskState.PENDING,
                reason="turn" if waits else None,
                trace=[{"step": "deadline", "action": rule.action}],
            )
        )
    settle(case, visit)
    if visit.status != VisitStatus.ACTIVE:
        leaving.follow(case, visit)
