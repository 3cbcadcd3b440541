"""Why somebody is asked, and why a request went the way it went."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import col, select

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.store import load
from riveredge_approvals.instances.access import must_see
from riveredge_approvals.instances.branching import BranchLook, looks, why_skipped
from riveredge_approvals.instances.forms import right_of
from riveredge_approvals.instances.viewing import my_rights
from riveredge_approvals.ir.document import ChoiceNode, ForkNode, HumanNode
from riveredge_approvals.ir.wording import Wording
from riveredge_approvals.models import ProcessVersion, Task, Visit
from riveredge_approvals.people.explaining import Texts, explain, explain_roster, mentioned, names_of
from riveredge_approvals.people.schemas import PersonRef, Said
from riveredge_approvals.speech import texts_of
from riveredge_sdk import session
from riveredge_sdk.problems import NotFound


class WhyOut(BaseModel):
    """Why somebody is asked."""

    task_id: UUID
    instance_id: UUID
    node: str
    label: str
    user: PersonRef
    for_user: PersonRef | None = Field(description="For whom she stands in.")
    origin: str
    why: Said
    trace: list[dict[str, Any]] = Field(description="What these sentences were made of.")
    notes: Said = Field(description="What happened when people were sought for the node.")
    roster: list[dict[str, Any]] = Field(description="The steps of that: how many were left, and what befell whom.")
    warnings: Said


class WayOut(BaseModel):
    """A node on which the way was chosen, each time that it was."""

    node: str
    label: str
    kind: str
    visit: int
    at: datetime | None = Field(description="When it was chosen; null if it was not.")
    branches: list[BranchLook]
    skipped: Texts | None = Field(description="Why the node was skipped, by language.")
    needs: str | None = Field(description="The field without which it could not be said.")


class BranchesOut(BaseModel):
    """Why the request went the way it went."""

    instance_id: UUID
    rev: int
    items: list[WayOut]


async def why_asked(task_id: UUID) -> WhyOut:
    """Why the person of a task is asked, for whoever may see the request.

    Raises:
        NotFound: the current user may not, or there is none.
    """
    query = select(Task.instance_id).where(col(Task.id) == task_id)
    instance_id = (await session().exec(query)).one_or_none()
    if instance_id is None:
        raise NotFound(f"There is no task with the id {task_id} here.")
    await must_see(instance_id)
    case = await load(instance_id, lock=False)
    task = case.task(task_id)
    visit = case.visit(task.visit_id) if task is not None else None
    if task is None or visit is None:
        raise NotFound(f"There is no task with the id {task_id} here.")
    roster = visit.data.get("roster", [])
    users = mentioned(task.trace, roster) | {task.assignee_id}
    names = await names_of(users | ({task.principal_id} if task.principal_id is not None else set()))
    labels = {name: node.label or name for name, node in case.flow.nodes.items()}
    return WhyOut(
        task_id=task.id,
        instance_id=instance_id,
        node=task.node,
        label=labels.get(task.node, task.node),
        user=_ref(task.assignee_id, names),
        for_user=_ref(task.principal_id, names) if task.principal_id is not None else None,
        origin=task.origin,
        why=explain(task.trace, task.assignee_id, names, labels),
        trace=task.trace,
        notes=explain_roster(roster, names, labels),
        roster=roster,
        warnings=[texts_of(each) for each in visit.data.get("warnings", ())],
    )


async def ways_taken(instance_id: UUID) -> BranchesOut:
    """Why branches of a request were taken, or not, with the values of that moment.

    What is hidden from the current user in the form is neither shown nor told of.

    Raises:
        NotFound: she may not see the request, or there is none.
    """
    await must_see(instance_id)
    case = await load(instance_id, lock=False)
    query = select(ProcessVersion.form_schema).where(col(ProcessVersion.id) == case.instance.version_id)
    schema = (await session().exec(query)).one()
    wording = Wording.of(case.flow, schema, await _hidden_fields(case, schema))
    found = [_way(case, visit, wording) for visit in case.visits]
    return BranchesOut(instance_id=instance_id, rev=case.instance.rev, items=[each for each in found if each])


def _way(case: Case, visit: Visit, wording: Wording) -> WayOut | None:
    node = case.node(visit.node)
    branches = looks(visit, node, wording) if isinstance(node, ChoiceNode | ForkNode) else []
    skipped = why_skipped(visit, node, wording) if isinstance(node, HumanNode) else None
    if not branches and skipped is None:
        return None
    return WayOut(
        node=visit.node,
        label=node.label or visit.node,
        kind=node.kind,
        visit=visit.number,
        at=visit.closed_at,
        branches=branches,
        skipped=skipped,
        needs=visit.data.get("incident_field"),
    )


async def _hidden_fields(case: Case, schema: Mapping[str, Any]) -> frozenset[str]:
    rights = await my_rights(case)
    read = {name for visit in case.visits for name in visit.data.get("read", {}) if name.startswith("form.")}
    names = {*schema.get("properties", {}), *case.instance.form, *(name.split(".")[1] for name in read)}
    hidden = {name for name in names if rights and all(right_of(each, name) == "hidden" for each in rights)}
    return frozenset(f"form.{name}" for name in hidden)


def _ref(user: UUID, names: Mapping[UUID, str]) -> PersonRef:
    return PersonRef(id=user, name=names.get(user, "—"))
