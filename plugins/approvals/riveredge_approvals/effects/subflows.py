"""Subflows: a request within a request. The child is a request of its own, and its end is taken in by the parent."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.ending import end
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.store import load, save
from riveredge_approvals.events import ChildClosed, InstanceRef, VisitRef
from riveredge_approvals.instances.starting import published
from riveredge_approvals.instances.submitting import create
from riveredge_approvals.ir.document import SubflowNode
from riveredge_approvals.models import (
    ENDED,
    OPEN_VISITS,
    Instance,
    InstanceStatus,
    Process,
    ProcessVersion,
    Visit,
)
from riveredge_sdk import FunctionContext, Problem, get_service, savepoint, session, unit_of_work
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import NotFound, invalid_field

# How deep requests lie within one another.
MAX_DEPTH = 10


async def start_child(ctx: FunctionContext, event: VisitRef) -> str | None:
    """Start the child, once for each round."""

    @unit_of_work()
    async def start() -> str | None:
        return await _start(event)

    return await ctx.step.run("start", start)


async def _start(event: VisitRef) -> str | None:
    try:
        case = await load(event.instance_id)
    except NotFound:
        return None
    visit = case.visit(event.visit_id)
    node = case.flow.nodes.get(visit.node) if visit is not None else None
    if visit is None or not isinstance(node, SubflowNode) or visit.data.get("round") != event.round:
        return None
    if visit.data.get("child") is not None or (node.wait and not _is_waiting(case, visit)):
        return None
    try:
        async with savepoint():
            child = await _create(case, visit, node)
    except Problem as problem:
        message = "; ".join([problem.detail, *(f"{each.field}: {each.message}" for each in problem.errors)])
        case.keep(visit, error=message[:1000])
        if node.wait:
            put(case.instance, "child.finished", {"visit": str(visit.id), "outcome": "not started", "error": message})
        return None
    case.keep(visit, child=str(child.id))
    return str(child.id)


async def _create(case: Case, visit: Visit, node: SubflowNode) -> Instance:
    if case.instance.depth + 1 > MAX_DEPTH:
        raise invalid_field("process", f"Requests lie at most {MAX_DEPTH} deep within one another.", "too-deep")
    version = await published(node.process) if node.version is None else await _numbered(node.process, node.version)
    values = case.values()
    form = {field: values[source] for field, source in node.map_in.items() if source in values}
    submitter = await _starter(case, node, values)
    return await create(
        version,
        form,
        submitter=submitter,
        actor=None,
        department=case.instance.department_id if submitter == case.instance.submitter_id else None,
        parent=case.instance,
        parent_visit=visit.id,
    )


async def _starter(case: Case, node: SubflowNode, values: dict[str, Any]) -> UUID:
    """Whose request the child is.

    Raises:
        Invalid: the field names no active member.
    """
    if node.starter == "initiator":
        return case.instance.submitter_id
    try:
        user = UUID(str(values.get(node.starter)))
    except ValueError:
        raise invalid_field(node.starter, "This field names nobody.", "unknown") from None
    person = (await get_service(PEOPLE).find([user])).get(user)
    if person is None or not person.active:
        raise invalid_field(node.starter, "This field names nobody who is an active member.", "unknown")
    return user


async def _numbered(process: str, number: int) -> ProcessVersion:
    query = (
        select(ProcessVersion)
        .join(Process, col(Process.id) == col(ProcessVersion.process_id))
        .where(col(Process.key) == process, col(ProcessVersion.number) == number)
    )
    found = (await session().exec(query)).one_or_none()
    if found is None:
        raise NotFound(f"There is no version {number} of a process {process!r} here.")
    return found


async def child_closed(ctx: FunctionContext, event: ChildClosed) -> bool:
    """The parent takes its child's end in, if it waits for it."""

    @unit_of_work()
    async def take_in() -> bool:
        child = (await session().exec(select(Instance).where(col(Instance.id) == event.child_id))).one_or_none()
        try:
            case = await load(event.instance_id)
        except NotFound:
            return False
        visit = case.visit(event.visit_id)
        if child is None or visit is None or visit.data.get("child") != str(child.id) or not _is_waiting(case, visit):
            return False
        case.keep(visit, child=None, last_child=str(child.id))
        data = {"visit": str(visit.id), "outcome": child.status, "form": child.form, "child": str(child.id)}
        put(case.instance, "child.finished", data)
        return True

    return await ctx.step.run("take-in", take_in)


async def abandon_child(ctx: FunctionContext, event: InstanceRef) -> bool:
    """End a child that nobody waits for any more."""

    @unit_of_work()
    async def stop() -> bool:
        case = await load(event.instance_id)
        if case.instance.status in ENDED:
            return False
        end(case, InstanceStatus.TERMINATED, "The request that it was a part of does not wait for it any more.")
        case.instance.rev += 1
        await save(case)
        return True

    return await ctx.step.run("end", stop)


def _is_waiting(case: Case, visit: Visit) -> bool:
    return visit.status in OPEN_VISITS and case.instance.status not in ENDED
