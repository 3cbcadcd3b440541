"""What the core's orders come to outside: timers, effects, messages. All of it is part of the movement's commit."""

from riveredge_approvals.effects import beginning, clocks
from riveredge_approvals.effects.notices import Notices
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.orders import (
    Closed,
    Copied,
    DelayDue,
    EffectDue,
    Order,
    Overdue,
    Raised,
    Reminded,
    Started,
    SubflowDue,
    TaskClosed,
    TaskOpened,
    ToSubmitter,
    VisitClosed,
)
from riveredge_approvals.models import OPEN_VISITS, Visit, VisitStatus


async def carry_out(case: Case) -> None:
    """See to the orders of a movement, in its unit of work.

    An order may be out of date before the movement ends (a visit that was opened and closed within it): each is
    carried out as things stand at the end.
    """
    notices = Notices(case)
    for order in case.orders:
        await _of_tasks(case, order, notices)
        await _of_visits(case, order, notices)
        await _of_instance(case, order, notices)
    notices.publish()


async def _of_tasks(case: Case, order: Order, notices: Notices) -> None:
    match order:
        case TaskOpened(task):
            visit = case.visit(task.visit_id)
            if visit is not None and _is_open(visit):
                await clocks.start(case, visit)
                task.due_at = visit.due_at
                notices.asked(task)
        case TaskClosed(task):
            await notices.task_closed(task)
        case _:
            pass


async def _of_visits(case: Case, order: Order, notices: Notices) -> None:
    match order:
        case VisitClosed(visit):
            await clocks.stop(case, visit)
            beginning.visit_closed(visit)
        case DelayDue(visit) if _is_open(visit):
            await clocks.delay(case, visit)
        case EffectDue(visit) if _is_open(visit):
            beginning.effect(case, visit)
        case SubflowDue(visit) if visit.status != VisitStatus.CANCELLED:
            beginning.child(case, visit)
        case Copied(visit, users):
            await notices.copied(users, visit=visit)
        case Reminded(visit, count) if _is_open(visit):
            notices.reminded(visit, count)
            await clocks.remind_again(case, visit, count)
        case Overdue(visit) if _is_open(visit):
            notices.overdue(visit)
        case Raised(visit, message) if _is_open(visit):
            await notices.raised(visit, message)
        case _:
            pass


async def _of_instance(case: Case, order: Order, notices: Notices) -> None:
    match order:
        case Started(again):
            notices.started(again=again)
        case ToSubmitter(by):
            await notices.returned(by)
        case Closed():
            await notices.finished()
            beginning.instance_closed(case.instance)
        case _:
            pass


def _is_open(visit: Visit) -> bool:
    return visit.status in OPEN_VISITS
