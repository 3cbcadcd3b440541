"""What begins outside of the core with a movement: events of its commit. Durable functions do the rest."""

from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.events import (
    CHILD_ABANDONED,
    CHILD_CLOSED,
    CHILD_DUE,
    EFFECT_DUE,
    ChildClosed,
    EffectDue,
    InstanceRef,
    VisitRef,
)
from riveredge_approvals.models import Instance, Visit, VisitStatus
from riveredge_sdk import publish


def effect(case: Case, visit: Visit) -> None:
    """A token has come to an effect: another round of it is due."""
    round_ = _next_round(case, visit)
    publish(EFFECT_DUE, EffectDue(instance_id=case.instance.id, visit_id=visit.id, round=round_))


def child(case: Case, visit: Visit) -> None:
    """A token has come to a subflow: a child is due."""
    round_ = _next_round(case, visit)
    publish(CHILD_DUE, VisitRef(instance_id=case.instance.id, visit_id=visit.id, round=round_))


def visit_closed(visit: Visit) -> None:
    """If the token was taken away, nobody waits for a child of the visit any more."""
    if visit.status == VisitStatus.CANCELLED and (waited_for := visit.data.get("child")) is not None:
        publish(CHILD_ABANDONED, InstanceRef(instance_id=UUID(waited_for)))


def instance_closed(instance: Instance) -> None:
    """If it is a child, its parent is to learn of its end."""
    if instance.parent_id is not None and instance.parent_visit_id is not None:
        closed = ChildClosed(instance_id=instance.parent_id, visit_id=instance.parent_visit_id, child_id=instance.id)
        publish(CHILD_CLOSED, closed)


def _next_round(case: Case, visit: Visit) -> int:
    round_ = int(visit.data.get("round", 0)) + 1
    case.keep(visit, round=round_, attempts=0, error=None, child=None, answered=None)
    return round_
