"""From the database and back: an instance is loaded and locked, moved, and written with all that follows from it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlmodel import col, select

from riveredge_approvals.engine import history
from riveredge_approvals.engine.advance import advance
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.publishing import publish_orders
from riveredge_approvals.engine.world import Organisation
from riveredge_approvals.instances.titles import make_summary, make_title
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import FormRevision, Input, Instance, ProcessVersion, Task, Visit
from riveredge_sdk import current_tenant, session, utcnow
from riveredge_sdk.problems import NotFound

# Made once: the same statement is looked through, filtered and compiled once.
_OF_TASK = select(Task.instance_id).where(col(Task.id) == bindparam("task")).scalar_subquery()
_INSTANCE = select(Instance).where(col(Instance.id) == bindparam("instance"))
_INSTANCE_LOCKED = _INSTANCE.with_for_update()
_INSTANCE_OF_TASK_LOCKED = select(Instance).where(col(Instance.id) == _OF_TASK).with_for_update()
_VISITS = select(Visit).where(col(Visit.instance_id) == bindparam("instance")).order_by(col(Visit.seq))
_TASKS = select(Task).where(col(Task.instance_id) == bindparam("instance"))
_WAITING = (
    select(Input)
    .where(col(Input.instance_id) == bindparam("instance"), col(Input.applied_at).is_(None))
    .order_by(col(Input.seq))
)
_FORM_SCHEMA = select(ProcessVersion.form_schema).where(col(ProcessVersion.id) == bindparam("version"))
_flows: dict[UUID, CompiledFlow] = {}
_MAX_FLOWS = 500


async def load(instance_id: UUID, *, lock: bool = True) -> Case:
    """An instance with its visits and tasks.

    Args:
        lock: nobody else moves it until the unit of work ends.

    Raises:
        NotFound: there is none.
    """
    query = _INSTANCE_LOCKED if lock else _INSTANCE
    instance = (await session().exec(query, params={"instance": instance_id})).one_or_none()
    if instance is None:
        raise NotFound(f"There is no request with the id {instance_id} here.")
    return await _case(instance)


async def load_of_task(task_id: UUID) -> Case:
    """The instance that a task belongs to, locked.

    Raises:
        NotFound: there is no such task.
    """
    instance = (await session().exec(_INSTANCE_OF_TASK_LOCKED, params={"task": task_id})).one_or_none()
    if instance is None:
        raise NotFound(f"There is no task with the id {task_id} here.")
    return await _case(instance)


async def _case(instance: Instance) -> Case:
    of_instance = {"instance": instance.id}
    visits = await session().exec(_VISITS, params=of_instance)
    tasks = await session().exec(_TASKS, params=of_instance)
    return Case(
        instance=instance,
        flow=await flow_of(instance),
        world=Organisation(),
        now=utcnow(),
        visits=list(visits.all()),
        tasks=list(tasks.all()),
    )


async def flow_of(instance: Instance) -> CompiledFlow:
    """What an instance runs on."""
    found = _flows.get(instance.version_id)
    if found is None:
        query = select(ProcessVersion).where(col(ProcessVersion.id) == instance.version_id)
        found = flow_of_version((await session().exec(query)).one())
    return found


def flow_of_version(version: ProcessVersion) -> CompiledFlow:
    """What a version says. Versions never change, so what was read of them is kept."""
    found = _flows.get(version.id)
    if found is None:
        found = CompiledFlow.model_validate(version.compiled)
        if len(_flows) >= _MAX_FLOWS:
            _flows.pop(next(iter(_flows)))
        _flows[version.id] = found
    return found


async def save(case: Case) -> None:
    """Write what has changed, and see that what follows from it happens after the commit."""
    instance = case.instance
    if case.orders or case.notes:
        history.chain(instance, case.notes)
    if case.form_rev_before != instance.form_rev:
        await _name_anew(case)
        case.added.append(
            FormRevision(instance_id=instance.id, number=instance.form_rev, form=instance.form, changed_by=case.actor)
        )
    # Rows that others refer to come first.
    rest = [row for row in case.added if not isinstance(row, Visit | Task)]
    visits = [row for row in case.added if isinstance(row, Visit)]
    tasks = [row for row in case.added if isinstance(row, Task)]
    for rows in (visits, tasks, [*rest, *case.notes]):
        for row in rows:
            row.tenant_id = current_tenant()
            session().add(row)
        if rows:
            await session().flush()
    await session().flush()
    await publish_orders(case)


async def _name_anew(case: Case) -> None:
    """Lists and messages show of a form what it holds now."""
    instance = case.instance
    schema = (await session().exec(_FORM_SCHEMA, params={"version": instance.version_id})).one()
    instance.title = await make_title(case.flow, instance.form, instance.submitter_id, instance.number)
    instance.summary = make_summary(case.flow, schema, instance.form)


async def advance_instance(instance_id: UUID, *, watched_by: str | None = None) -> dict[str, Any]:
    """Take in what an instance has not taken in yet; its status and revision then.

    Args:
        watched_by: the run that is shown as the instance's.
    """
    case = await load(instance_id)
    if watched_by is not None and case.instance.run_id != watched_by:
        case.instance.run_id = watched_by
    inputs = await waiting(instance_id)
    if await advance(case, inputs):
        await save(case)
    return {"status": case.instance.status, "rev": case.instance.rev, "inputs": len(inputs)}


async def waiting(instance_id: UUID) -> Sequence[Input]:
    """What an instance has not taken in yet, in its order."""
    return (await session().exec(_WAITING, params={"instance": instance_id})).all()
