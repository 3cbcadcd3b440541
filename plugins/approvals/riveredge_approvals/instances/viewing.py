"""A request as its reader sees it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from riveredge_approvals.engine import history
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.replaying import replay
from riveredge_approvals.engine.store import load
from riveredge_approvals.instances import diagram
from riveredge_approvals.instances.access import must_see
from riveredge_approvals.instances.forms import shown_form
from riveredge_approvals.instances.schemas import (
    DiagramOut,
    InstanceDetail,
    InstanceOut,
    StatisticsLine,
    StatisticsOut,
    VerificationOut,
)
from riveredge_approvals.ir.document import CcNode, HumanNode
from riveredge_approvals.models import CarbonCopy, HistoryEntry, Instance, InstanceStatus, ProcessVersion, TaskState
from riveredge_approvals.people.choosing import choices_of_submitter, show
from riveredge_approvals.permissions import INSTANCE_READ
from riveredge_sdk import current_principal, session
from riveredge_sdk.problems import invalid_field


async def detail(instance_id: UUID) -> InstanceDetail:
    """A request, if the current user may see it.

    Raises:
        NotFound: she may not, or there is none.
    """
    await must_see(instance_id)
    case = await load(instance_id, lock=False)
    me = current_principal().id
    mine = [task.id for task in case.tasks if task.assignee_id == me and task.state == TaskState.PENDING]
    shown = InstanceOut.model_validate(case.instance).model_dump()
    may = _may(case, me)
    choices = await show(choices_of_submitter(case.flow), case.instance.choices) if "resubmit" in may else []
    return InstanceDetail(**shown, form=await form_for_me(case), my_tasks=mine, may=may, choices=choices)


async def form_for_me(case: Case) -> dict[str, Any]:
    """The form without what is hidden from the current user on every node where she is asked or told."""
    return shown_form(case.instance.form, await my_rights(case))


async def my_rights(case: Case) -> list[Mapping[str, str]]:
    """What the current user may do with the form's fields, for each of her nodes; empty if she sees all of it."""
    principal = current_principal()
    if principal.id == case.instance.submitter_id or principal.may(INSTANCE_READ):
        return []
    nodes = {task.node for task in case.tasks if task.assignee_id == principal.id}
    told = select(CarbonCopy.node).where(
        col(CarbonCopy.instance_id) == case.instance.id, col(CarbonCopy.user_id) == principal.id
    )
    copied = (await session().exec(told)).all()
    rights: list[Mapping[str, str]] = []
    for name in {*nodes, *(node for node in copied if node is not None)}:
        node = case.flow.nodes.get(name)
        if isinstance(node, HumanNode | CcNode):
            rights.append(node.fields)
    if not rights:
        # Told by hand: what the submitter's first approver would see is not known, so all that nobody is denied.
        denying = [n.fields for n in case.flow.nodes.values() if isinstance(n, HumanNode | CcNode)]
        hidden = {field for each in denying for field, right in each.items() if right == "hidden"}
        rights = [dict.fromkeys(hidden, "hidden")]
    return rights


def _may(case: Case, user: UUID) -> list[str]:
    instance, settings = case.instance, case.flow.settings
    if instance.submitter_id != user:
        return []
    under_way = instance.status in {InstanceStatus.RUNNING, InstanceStatus.SUSPENDED, InstanceStatus.DRAFT}
    found = []
    if under_way and settings.withdraw != "never":
        found.append("withdraw")
    if instance.status == InstanceStatus.DRAFT:
        found.append("resubmit")
    if instance.status == InstanceStatus.RUNNING:
        found.append("urge")
    if instance.status == InstanceStatus.APPROVED and settings.revoke_minutes:
        found.append("revoke")
    return found


async def picture(instance_id: UUID, seq: int | None = None) -> DiagramOut:
    """The drawing with what has happened on it, now or up to a line of the history.

    Raises:
        NotFound: as `detail`.
        Invalid: the history has no such line.
    """
    await must_see(instance_id)
    case = await load(instance_id, lock=False)
    rev, last = case.instance.rev, case.instance.events
    if seq is not None:
        if seq > last:
            raise invalid_field("seq", f"The history has {last} lines.", "unknown")
        case = replay(case, await _history(instance_id, seq))
    query = select(ProcessVersion.diagram).where(col(ProcessVersion.id) == case.instance.version_id)
    return DiagramOut(
        instance_id=instance_id,
        number=case.instance.number,
        status=case.instance.status,
        rev=rev,
        seq=seq or last,
        version=case.flow.version,
        diagram=(await session().exec(query)).one(),
        nodes=diagram.marks(case),
        edges=diagram.edges(case),
    )


async def verification(instance_id: UUID) -> VerificationOut:
    """Whether the history is what it was.

    Raises:
        NotFound: as `detail`.
    """
    await must_see(instance_id)
    case = await load(instance_id, lock=False)
    broken = history.verify(case.instance, await _history(instance_id))
    return VerificationOut(
        intact=broken is None, entries=case.instance.events, head=case.instance.head, broken_at=broken
    )


async def _history(instance_id: UUID, last: int | None = None) -> Sequence[HistoryEntry]:
    query = select(HistoryEntry).where(col(HistoryEntry.instance_id) == instance_id)
    if last is not None:
        query = query.where(col(HistoryEntry.seq) <= last)
    return (await session().exec(query.order_by(col(HistoryEntry.seq)))).all()


async def statistics() -> StatisticsOut:
    """How many requests of each process stand how."""
    query = (
        select(col(Instance.process_id), col(Instance.status), func.count())
        .group_by(col(Instance.process_id), col(Instance.status))
        .order_by(col(Instance.process_id), col(Instance.status))
    )
    rows = (await session().exec(query)).all()
    return StatisticsOut(
        items=[StatisticsLine(process_id=process, status=status, count=number) for process, status, number in rows]
    )
