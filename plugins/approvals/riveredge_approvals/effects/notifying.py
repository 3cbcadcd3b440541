"""Tells people of a movement after its commit, as things stand by then."""

from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.effects.mail_decisions import decide_url
from riveredge_approvals.effects.telling import take_back, tell
from riveredge_approvals.engine.store import flow_of
from riveredge_approvals.events import NoticesDue
from riveredge_approvals.models import Instance, Task, TaskState
from riveredge_sdk import FunctionContext, session, unit_of_work


async def notify(ctx: FunctionContext, event: NoticesDue) -> int:
    """Tell what an event says; a repetition is told by the keys of the messages. How much is still true."""

    @unit_of_work()
    async def tell_all() -> int:
        return await _tell_all(event)

    @unit_of_work()
    async def take_all_back() -> None:
        for task_id in event.closed:
            await take_back(_about(task_id))

    told: int = await ctx.step.run("tell", tell_all) if event.notices else 0
    if event.closed:
        await ctx.step.run("take-back", take_all_back)
    return told


async def _tell_all(event: NoticesDue) -> int:
    query = select(Instance).where(col(Instance.id) == event.instance_id)
    instance = (await session().exec(query)).one_or_none()
    if instance is None:
        return 0
    flow, told = await flow_of(instance), 0
    tasks = await _tasks(event)
    for notice in event.notices:
        task = tasks.get(notice.task_id) if notice.task_id is not None else None
        # Whoever has decided meanwhile is not asked any more.
        if notice.task_id is not None and (task is None or task.state != TaskState.PENDING):
            continue
        data = dict(notice.data)
        if task is not None and notice.kind in {"assigned", "reminded", "overdue"}:
            data["decide_url"] = await decide_url(task, flow)
        await tell(
            notice.kind,
            instance,
            flow,
            notice.to,
            key=notice.key,
            about=_about(task.id) if task is not None else None,
            node=notice.node,
            urgent=notice.urgent,
            data=data,
        )
        told += 1
    return told


async def _tasks(event: NoticesDue) -> dict[UUID, Task]:
    wanted = [notice.task_id for notice in event.notices if notice.task_id is not None]
    found = (await session().exec(select(Task).where(col(Task.id).in_(wanted)))).all() if wanted else []
    return {task.id: task for task in found}


def _about(task_id: UUID) -> str:
    """By which the messages about a task are taken back."""
    return f"approvals.task:{task_id}"
