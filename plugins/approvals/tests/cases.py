"""A case in memory, acted on as the services do, without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from riveredge_approvals.engine import acts, returning
from riveredge_approvals.engine.advance import advance
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.ending import end
from riveredge_approvals.ir.document import CompiledFlow, HumanNode, Selector
from riveredge_approvals.models import (
    Input,
    Instance,
    InstanceStatus,
    Task,
    TaskState,
    Visit,
)
from riveredge_approvals.people.roster import Candidate, Roster

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


class Named:
    """A world in which people are who the drawing names."""

    async def roster(self, case: Case, visit: Visit, node: HumanNode) -> Roster:
        found = [Candidate(user_id=UUID(each.config["value"]), weight=each.weight, trace=[]) for each in node.roster]
        if not found:
            return Roster(
                candidates=[], verdict="block", reason={"en": "Nobody.", "zh-CN": "无人。"}, trace=[], warnings=[]
            )
        return Roster(candidates=found, verdict="people", reason={}, trace=[], warnings=[])

    async def people(self, case: Case, visit: Visit, selectors: Sequence[Selector]) -> Sequence[UUID]:
        return [UUID(each.config["value"]) for each in selectors]


@dataclass
class Play:
    """An instance that is played: what people do, and the hops that follow."""

    case: Case
    waiting: list[Input] = field(default_factory=list)

    def give(self, kind: str, **data: Any) -> None:
        instance = self.case.instance
        instance.inputs += 1
        self.waiting.append(Input(instance_id=instance.id, seq=instance.inputs, kind=kind, data=data))

    async def hop(self) -> None:
        if self.case.instance.status != InstanceStatus.RUNNING:
            return
        inputs, self.waiting = self.waiting, []
        await advance(self.case, inputs)

    async def start(self) -> "Play":
        self.give("instance.submitted")
        await self.hop()
        return self

    async def decide(self, user: object, outcome: str = "approved", *, hop: bool = True) -> None:
        await self.decide_task(self.task(user), outcome, hop=hop)

    async def decide_task(self, task: Task, outcome: str, *, hop: bool = True) -> None:
        visit = self.case.visit(task.visit_id)
        assert visit is not None
        self.case.actor = task.assignee_id
        acts.decide(self.case, task, visit, TaskState(outcome), via="api")
        await self.after(visit, hop=hop)

    async def send_back(self, user: object, to: str, *, hop: bool = True) -> None:
        await self.send_back_task(self.task(user), to, hop=hop)

    async def send_back_task(self, task: Task, to: str, *, hop: bool = True) -> None:
        visit = self.case.visit(task.visit_id)
        assert visit is not None
        assert to in returning.targets(self.case, visit)
        acts.send_back(self.case, task, visit, to, via="api")
        await self.after(visit, hop=hop)

    async def resubmit(self, **form: Any) -> None:
        assert self.case.instance.status == InstanceStatus.DRAFT
        self.case.write(form)
        self.case.instance.status = InstanceStatus.RUNNING
        self.give("instance.submitted", again=True)
        await self.hop()

    def withdraw(self) -> None:
        end(self.case, InstanceStatus.WITHDRAWN)

    async def terminate(self) -> None:
        end(self.case, InstanceStatus.TERMINATED)

    async def jump(self, to: str) -> None:
        self.give("instance.jumped", to=to)
        await self.hop()

    async def after(self, visit: Visit, *, hop: bool) -> None:
        """Ring for the visit if it is decided, as the services do, and let the hop follow."""
        if visit.data.get("decided"):
            self.give("task.decided", visit=str(visit.id))
        if hop:
            await self.hop()

    def task(self, user: object) -> Task:
        """What somebody is asked now."""
        return next(t for t in self.case.tasks if str(t.assignee_id) == str(user) and t.state == TaskState.PENDING)

    @property
    def status(self) -> str:
        return str(self.case.instance.status)

    @property
    def pending(self) -> list[Task]:
        """What can be decided now."""
        return [task for task in self.case.tasks if task.state == TaskState.PENDING]

    @property
    def asked(self) -> set[str]:
        """On which nodes somebody is asked now."""
        return {task.node for task in self.pending}

    def states(self, node: str) -> list[str]:
        """The states of the tasks of a node's latest visit."""
        visit = self.case.last_visit(node)
        assert visit is not None
        return [f"{task.state}:{task.reason}" if task.reason else str(task.state) for task in self.case.tasks_of(visit)]


def play(flow: CompiledFlow, *, submitter: UUID | None = None, form: dict[str, Any] | None = None) -> Play:
    """A new instance, before it starts."""
    instance = Instance(
        id=uuid4(),
        process_id=uuid4(),
        version_id=uuid4(),
        number="T-1",
        title="A test",
        form=form or {},
        submitter_id=submitter or uuid4(),
        status=InstanceStatus.RUNNING,
        choices={},
    )
    return Play(Case(instance=instance, flow=flow, world=Named(), now=NOW))
