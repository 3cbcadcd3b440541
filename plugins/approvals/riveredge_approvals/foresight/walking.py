"""Walk a request through a flow before there is one: the same core, over an instance that is nowhere but in memory.

Real rules find the people, as of now. Everybody approves unless something else is assumed, what happens outside is
taken to have happened, and time passes as it usually does: what takes longest comes last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from riveredge_approvals.effects.working_time import due_at
from riveredge_approvals.engine import acts
from riveredge_approvals.engine.advance import advance
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.delays import instant_of
from riveredge_approvals.engine.world import Organisation
from riveredge_approvals.ir.document import DelayNode, EffectNode, HumanNode, Selector, SubflowNode
from riveredge_approvals.models import Input, InstanceStatus, TaskState, Visit, VisitStatus
from riveredge_approvals.people.roster import Roster
from riveredge_approvals.speech import Texts, texts_of
from riveredge_sdk import current_context

Outcome = Literal["approved", "rejected", "failed"]

# Rules by which somebody chooses who decides.
CHOICES: Final = frozenset({"initiator_choice", "previous_choice"})
_MAX_MOVES = 2_000


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a real request would stop: what is missing (`field`), or what is wrong, by language."""

    message: Texts
    field: str


class Expected(Organisation):
    """The tenant's people. Where somebody chooses who decides and has not yet, nobody stands in for the chosen ones."""

    async def roster(self, case: Case, visit: Visit, node: HumanNode) -> Roster:
        if to_be_chosen(case, visit.node, node) is not None and len(node.roster) == 1:
            return Roster([], "approve", {"en": "Who decides is still to be chosen.", "zh-CN": "处理人尚待选择。"})
        return await super().roster(case, visit, node)


def to_be_chosen(case: Case, name: str, node: HumanNode) -> Selector | None:
    """The rule of a node by which somebody chooses who decides, if that was not done yet."""
    chosen = case.instance.choices.get(name)
    return next((each for each in node.roster if each.resolver in CHOICES and not chosen), None)


@dataclass(slots=True)
class Walk:
    """One walk.

    Attributes:
        case: an instance that is running and stands nowhere.
        seconds: how long nodes usually take; no time where it is not known.
        outcomes: what is decided on a node, or becomes of it, the first time; approved where nothing is said.
        stops: where a real request would have stopped, by visit.
    """

    case: Case
    seconds: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    stops: dict[UUID, Stop] = field(default_factory=dict)

    async def run(self) -> None:
        """Go until the end, or until nothing can be said any more."""
        await self._take("instance.submitted")
        for _ in range(_MAX_MOVES):
            self._remember()
            ready = [visit for visit in self.case.open_visits if self._can_go_on(visit)]
            if self.case.instance.status != InstanceStatus.RUNNING or not ready:
                return
            due = {visit.id: await self._due(visit) for visit in ready}
            visit = min(ready, key=lambda each: (due[each.id], each.seq))
            self.case.now = max(self.case.now, due[visit.id])
            await self._go_on(visit)

    def hours(self) -> float | None:
        """How long it would take; None where the time of none of its nodes is known."""
        visits = self.case.visits
        if not any(self.is_timed(visit) for visit in visits):
            return None
        return round((self.case.now - visits[0].opened_at).total_seconds() / 3600, 2)

    def is_timed(self, visit: Visit) -> bool:
        """Whether it is known how long a visit takes."""
        return visit.kind == "delay" or visit.node in self.seconds

    def _remember(self) -> None:
        for visit in self.case.open_visits:
            if visit.status == VisitStatus.INCIDENT:
                field_name = str(visit.data.get("incident_field") or "")
                self.stops.setdefault(visit.id, Stop(texts_of(visit.data["incident"]), field_name))

    def _can_go_on(self, visit: Visit) -> bool:
        """Joins wait for others; where nobody knows which way it goes, the walk ends."""
        if visit.status == VisitStatus.INCIDENT:
            return "passed" in self.case.node(visit.node).next
        return visit.kind != "join"

    async def _due(self, visit: Visit) -> datetime:
        node, case = self.case.node(visit.node), self.case
        if visit.status == VisitStatus.INCIDENT:
            return visit.opened_at
        if isinstance(node, DelayNode):
            if node.until is not None:
                return instant_of(node.until, case.values(), current_context().timezone)
            return await due_at(visit.opened_at, node.for_s or 0, node.clock, case.flow.settings.calendar)
        return visit.opened_at + timedelta(seconds=self.seconds.get(visit.node, 0))

    async def _go_on(self, visit: Visit) -> None:
        node, which = self.case.node(visit.node), {"visit": str(visit.id)}
        outcome: Outcome = self.outcomes.get(visit.node, "approved") if visit.number == 1 else "approved"
        if visit.status == VisitStatus.INCIDENT:
            await self._take("incident.mended", **which, skip=True)
        elif isinstance(node, HumanNode):
            self._decide(visit, node, outcome)
            await self._take("task.decided", **which)
        elif isinstance(node, EffectNode):
            await self._take("effect.done", **which, ok=outcome != "failed", error="As was assumed.")
        elif isinstance(node, SubflowNode):
            await self._take("child.finished", **which, outcome=outcome, form={})
        else:
            await self._take("timer.due", **which, name="delay")

    def _decide(self, visit: Visit, node: HumanNode, outcome: Outcome) -> None:
        state = TaskState.REJECTED if outcome == "rejected" and node.kind == "approver" else TaskState.APPROVED
        while visit.status == VisitStatus.ACTIVE:
            task = next((t for t in self.case.tasks_of(visit) if t.state == TaskState.PENDING), None)
            if task is None:
                return
            self.case.actor = task.assignee_id
            acts.decide(self.case, task, visit, state, via="preview")

    async def _take(self, kind: str, **data: object) -> None:
        instance = self.case.instance
        instance.inputs += 1
        await advance(self.case, [Input(instance_id=instance.id, seq=instance.inputs, kind=kind, data=data)])
