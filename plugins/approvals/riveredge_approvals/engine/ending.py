"""How instances end, and how tokens are taken away."""

from collections.abc import Sequence

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.compensating import undo_all, undo_rejected
from riveredge_approvals.engine.orders import Closed
from riveredge_approvals.models import InstanceStatus, TaskState, Visit, VisitStatus


def end(case: Case, status: InstanceStatus, note: str = "") -> None:
    """The instance ends, exactly once: what is open is closed, and nothing moves any more."""
    instance = case.instance
    before = instance.status
    reason = {
        InstanceStatus.WITHDRAWN: "withdrawn",
        InstanceStatus.TERMINATED: "terminated",
    }.get(status, "ended")
    clear(case, case.tokens, reason)
    case.agenda.clear()
    if status in {InstanceStatus.WITHDRAWN, InstanceStatus.TERMINATED}:
        undo_all(case, status)
    elif status == InstanceStatus.REJECTED:
        undo_rejected(case)
    instance.status, instance.finished_at, instance.outcome_note = status, case.now, note
    case.orders.append(Closed(before))
    case.note(f"instance.{status}", note=note or None)


def clear(case: Case, visits: Sequence[Visit], reason: str) -> None:
    """Take tokens away: their visits are cancelled, and their tasks closed for this reason."""
    gone = {visit.id for visit in visits}
    for task in case.open_tasks:
        if task.visit_id in gone:
            case.close_task(task, TaskState.CLOSED, reason)
    for visit in visits:
        case.keep(visit, decided=False, cleared=reason)
        case.close_visit(visit, VisitStatus.CANCELLED, None)
