"""Whom the core asks who people are: the pipeline over what the database knows of earlier decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.undoing import RECALLED
from riveredge_approvals.ir.document import HumanNode, Selector
from riveredge_approvals.models import OPEN_TASKS, Decision, FormRevision, TaskState, Visit, VisitStatus
from riveredge_approvals.people.roster import Asking, Earlier, Roster, find_people, find_roster
from riveredge_sdk import session


class Organisation:
    """The tenant's people, in the running unit of work."""

    async def roster(self, case: Case, visit: Visit, node: HumanNode) -> Roster:
        """Who is asked on a visit, by the rules of its node."""
        decided = await self._decisions(case)
        earlier: list[Earlier] = []
        if node.policies.repeat_approver != "none":
            earlier = await _earlier(case, visit, decided)
        asking = Asking(
            request=case.request(visit),
            flow=case.flow,
            node=node,
            choices=_choices(case),
            earlier=earlier,
            passed=_deciders(case, decided),
            asked={task.assignee_id for task in case.tasks_of(visit)},
        )
        return await find_roster(asking)

    async def people(self, case: Case, visit: Visit, selectors: Sequence[Selector]) -> Sequence[UUID]:
        """Who is meant by selectors, each once. Where people are asked, it is who takes over from those: with
        substitutes for whoever is absent, and above each of those who are asked where that is meant."""
        if not selectors:
            return []
        passed = _deciders(case, await self._decisions(case))
        request = replace(case.request(visit), choices=_choices(case), decided=passed)
        late = [task.assignee_id for task in case.tasks_of(visit) if task.state in OPEN_TASKS]
        about: Sequence[UUID | None] = list(dict.fromkeys(late)) or [None]
        if not any(selector.config.get("of") == "assignee" for selector in selectors):
            about = about[:1]
        found: dict[UUID, None] = {}
        for assignee in about:
            part = await find_people(request, case.flow, selectors, assignee=assignee, substitutes=bool(late))
            found |= dict.fromkeys(part.users)
        return list(found)

    async def _decisions(self, case: Case) -> Sequence[Decision]:
        query = select(Decision).where(col(Decision.instance_id) == case.instance.id).order_by(col(Decision.at))
        known = (await session().exec(query)).all()
        ids = {decision.id for decision in known}
        recalled = {task.id for task in case.tasks if task.reason == RECALLED}
        every = [*known, *(decision for decision in case.decisions if decision.id not in ids)]
        return [decision for decision in every if decision.task_id not in recalled]


def _choices(case: Case) -> dict[str, list[UUID]]:
    return {name: [UUID(user) for user in users] for name, users in case.instance.choices.items()}


async def _earlier(case: Case, visit: Visit, decided: Sequence[Decision]) -> list[Earlier]:
    """Who has approved on visits that count, and whether what they saw is still the same."""
    valid = {v.id: v for v in case.visits if v.status == VisitStatus.PASSED and v.id != visit.id}
    # Whoever was against it since is asked, even if all is as it was when she approved.
    words = {_who(case, decision): decision.outcome for decision in decided}
    against = {user for user, outcome in words.items() if outcome in {TaskState.RETURNED, TaskState.REJECTED}} | {None}
    approvals = [d for d in decided if d.outcome == TaskState.APPROVED and d.visit_id in valid]
    approvals = [d for d in approvals if _who(case, d) not in against]
    if not approvals:
        return []
    last = max((v for v in valid.values() if v.kind in {"approver", "handler"}), key=lambda v: v.seq, default=None)
    revisions = await _forms(case, {decision.form_rev for decision in approvals})
    return [
        Earlier(
            user_id=user,
            node=valid[decision.visit_id].node,
            adjacent=last is not None and decision.visit_id == last.id,
            unchanged=_is_unchanged(case, valid[decision.visit_id], revisions.get(decision.form_rev)),
        )
        for decision in approvals
        if (user := _who(case, decision)) is not None
    ]


def _who(case: Case, decision: Decision) -> UUID | None:
    """Whose decision it is: also where she had approved before, and was not asked again. Nobody's if time decided."""
    if decision.via == "auto":
        task = case.task(decision.task_id)
        return task.assignee_id if task is not None else None
    return decision.decided_by


async def _forms(case: Case, numbers: set[int]) -> Mapping[int, Mapping[str, object]]:
    if numbers == {case.instance.form_rev}:
        return {case.instance.form_rev: case.instance.form}
    query = select(FormRevision).where(
        col(FormRevision.instance_id) == case.instance.id, col(FormRevision.number).in_(numbers)
    )
    return {row.number: row.form for row in (await session().exec(query)).all()}


def _is_unchanged(case: Case, visit: Visit, before: Mapping[str, object] | None) -> bool:
    if before is None:
        return False
    if visit.node not in case.flow.nodes:
        # Of a version that it ran on before.
        return False
    rights = case.human(visit).fields
    others = rights.get("*", "read")
    names = {*before, *case.instance.form}
    seen = [name for name in names if rights.get(name, others) != "hidden"]
    return all(before.get(name) == case.instance.form.get(name) for name in seen)


def _deciders(case: Case, decided: Sequence[Decision]) -> dict[str, list[UUID]]:
    nodes = {visit.id: visit.node for visit in case.visits if visit.status != VisitStatus.CANCELLED}
    found: dict[str, list[UUID]] = {}
    for decision in decided:
        user = _who(case, decision)
        if user is not None and decision.visit_id in nodes:
            found.setdefault(nodes[decision.visit_id], []).append(user)
    return found
