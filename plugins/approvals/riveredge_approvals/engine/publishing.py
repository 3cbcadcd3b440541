"""What others are told of a movement: events for plugins, pushes for browsers, and orders for the outbox."""

from riveredge_approvals.effects.outbox import carry_out
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.compensating import result_of
from riveredge_approvals.engine.orders import Closed, Raised, TaskClosed, TaskOpened, Undone, VisitClosed, VisitOpened
from riveredge_approvals.instances.diagram import status_of
from riveredge_approvals.ir.document import CompiledFlow, EffectNode
from riveredge_approvals.models import Instance, Task, TaskState, Visit
from riveredge_approvals.stream import INSTANCE, TASKS
from riveredge_sdk import publish, push
from riveredge_sdk.features.approvals import (
    EFFECT_COMPENSATE,
    INSTANCE_CLOSED,
    TASK_CLOSED,
    TASK_OPENED,
    EffectUndone,
    InstanceChanged,
    TaskChanged,
)


async def publish_orders(case: Case) -> None:
    """Publish what has happened, in the running unit of work."""
    instance = case.instance
    visits: dict[str, Visit] = {}
    for order in case.orders:
        match order:
            case TaskOpened(task):
                publish(TASK_OPENED, _task(case, task))
                _push_task("added", task)
            case TaskClosed(task):
                publish(TASK_CLOSED, _task(case, task))
                _push_task("closed", task)
            case Closed():
                publish(INSTANCE_CLOSED, instance_changed(instance, case.flow))
            case Undone(visit, because):
                publish(EFFECT_COMPENSATE, _undone(case, visit, because))
            case VisitOpened(visit) | VisitClosed(visit) | Raised(visit):
                visits[str(visit.id)] = visit
            case _:
                pass
    for visit in visits.values():
        push(
            INSTANCE,
            instance.id,
            what="node",
            data={
                "rev": instance.rev,
                "node": visit.node,
                "visit": visit.number,
                "status": status_of(visit, case.tasks_of(visit)),
                "outcome": visit.outcome,
            },
        )
    if case.orders:
        push(INSTANCE, instance.id, what="changed", data={"rev": instance.rev, "status": instance.status})
    await carry_out(case)


def _push_task(what: str, task: Task) -> None:
    push(TASKS, task.assignee_id, what=what, data={"task": task.id, "instance": task.instance_id})


def _task(case: Case, task: Task) -> TaskChanged:
    return TaskChanged(
        task_id=task.id,
        instance_id=task.instance_id,
        node=task.node,
        assignee_id=task.assignee_id,
        state=TaskState(task.state),
        at=case.now,
    )


def _undone(case: Case, visit: Visit, because: str) -> EffectUndone:
    node, instance = case.flow.nodes.get(visit.node), case.instance
    return EffectUndone(
        instance_id=instance.id,
        process=case.flow.process,
        number=instance.number,
        visit_id=visit.id,
        node=visit.node,
        # Of a version that it ran on before, the visit remembers it.
        effect=node.effect if isinstance(node, EffectNode) else visit.data.get("effect", ""),
        result=result_of(visit),
        because=because,
        subject_type=instance.subject_type,
        subject_id=instance.subject_id,
    )


def instance_changed(instance: Instance, flow: CompiledFlow) -> InstanceChanged:
    """An instance as others are told of it."""
    return InstanceChanged(
        instance_id=instance.id,
        process=flow.process,
        number=instance.number,
        status=instance.status,
        outcome=instance.status if instance.finished_at is not None else None,
        subject_type=instance.subject_type,
        subject_id=instance.subject_id,
    )
