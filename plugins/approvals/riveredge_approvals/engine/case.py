"""An instance in memory, with all that the core moves: visits, tasks, decisions. Nothing here touches a database."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from riveredge_approvals.engine.orders import Order, TaskClosed, TaskOpened, VisitClosed, VisitOpened
from riveredge_approvals.ir.document import CompiledFlow, Exit, HumanNode, Node, Selector
from riveredge_approvals.models import (
    OPEN_TASKS,
    OPEN_VISITS,
    Decision,
    HistoryEntry,
    Instance,
    Task,
    TaskState,
    Visit,
    VisitStatus,
)
from riveredge_approvals.people.roster import Roster
from riveredge_sdk import Subject, uuid7
from riveredge_sdk.features.approvals import Request

# A token that goes round and round is an incident, not a full disk.
MAX_VISITS = 1000

Scope = list[list[Any]]


class World(Protocol):
    """What the core asks others: who people are."""

    async def roster(self, case: "Case", visit: Visit, node: HumanNode) -> Roster:
        """Who is asked on a visit."""
        ...

    async def people(self, case: "Case", visit: Visit, selectors: Sequence[Selector]) -> Sequence[UUID]:
        """Who is meant by selectors: for copies and escalations."""
        ...


@dataclass(slots=True)
class Case:
    """An instance, loaded and locked.

    Attributes:
        flow: what it runs on.
        added: rows that are new.
        notes: lines for its history, not chained yet.
        orders: what is to be done outside.
        agenda: tokens under way: the exit each takes, and the forks around it.
        actor: on whose behalf it is moved.
    """

    instance: Instance
    flow: CompiledFlow
    world: World
    now: datetime
    visits: list[Visit] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    actor: UUID | None = None
    added: list[Any] = field(default_factory=list)
    notes: list[HistoryEntry] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    agenda: deque[tuple[Exit, Scope]] = field(default_factory=deque)
    form_rev_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.form_rev_before = self.instance.form_rev

    # -- reading ------------------------------------------------------------------------------------------------

    def node(self, node_id: str) -> Node:
        """A node of the flow."""
        return self.flow.nodes[node_id]

    def human(self, visit: Visit) -> HumanNode:
        """The node of a visit on which people are asked."""
        node = self.flow.nodes[visit.node]
        if not isinstance(node, HumanNode):
            raise TypeError(f"on {visit.node!r} nobody is asked")
        return node

    def visit(self, visit_id: UUID | str) -> Visit | None:
        """One of the visits."""
        wanted = UUID(str(visit_id))
        return next((visit for visit in self.visits if visit.id == wanted), None)

    def task(self, task_id: UUID | str) -> Task | None:
        """One of the tasks."""
        wanted = UUID(str(task_id))
        return next((task for task in self.tasks if task.id == wanted), None)

    def tasks_of(self, visit: Visit) -> list[Task]:
        """The tasks of a visit, in the order of their places."""
        return sorted((task for task in self.tasks if task.visit_id == visit.id), key=lambda task: (task.seq, task.id))

    @property
    def open_visits(self) -> list[Visit]:
        """Where something is still to happen."""
        return [visit for visit in self.visits if visit.status in OPEN_VISITS]

    @property
    def tokens(self) -> list[Visit]:
        """Where the tokens stand: on what is open, and on what is decided and not gone on from yet."""
        return [visit for visit in self.visits if visit.status in OPEN_VISITS or visit.data.get("decided")]

    @property
    def open_tasks(self) -> list[Task]:
        """What people are still asked."""
        return [task for task in self.tasks if task.state in OPEN_TASKS]

    def last_visit(self, node_id: str) -> Visit | None:
        """The latest visit of a node."""
        return max((visit for visit in self.visits if visit.node == node_id), key=lambda v: v.number, default=None)

    def request(self, visit: Visit | None = None) -> Request:
        """The instance as others see it."""
        return request_of(self.instance, self.flow, visit)

    def values(self) -> dict[str, Any]:
        """What conditions can look at, by full name."""
        instance = self.instance
        values: dict[str, Any] = {f"form.{name}": value for name, value in instance.form.items()}
        values["initiator.id"] = str(instance.submitter_id)
        values["initiator.department"] = str(instance.department_id) if instance.department_id else None
        values["instance.number"], values["instance.title"] = instance.number, instance.title
        for visit in self.visits:
            if visit.outcome is not None and visit.status != VisitStatus.CANCELLED:
                values[f"nodes.{visit.node}.outcome"] = visit.outcome
        return values

    # -- writing ------------------------------------------------------------------------------------------------

    def open_visit(self, node_id: str, scope: Scope, entered_by: str | None) -> Visit:
        """A token comes to a node."""
        node = self.node(node_id)
        before = self.last_visit(node_id)
        visit = Visit(
            id=uuid7(),
            instance_id=self.instance.id,
            seq=len(self.visits) + 1,
            node=node_id,
            kind=node.kind,
            number=before.number + 1 if before is not None else 1,
            status=VisitStatus.ACTIVE,
            scope=scope,
            entered_by=entered_by,
            edges=[],
            data={},
            opened_at=self.now,
        )
        self.visits.append(visit)
        self.added.append(visit)
        self.orders.append(VisitOpened(visit))
        return visit

    def close_visit(self, visit: Visit, status: VisitStatus, outcome: str | None, edges: Iterable[str] = ()) -> None:
        """A token leaves, or is taken away."""
        visit.status, visit.outcome, visit.closed_at, visit.edges = status, outcome, self.now, list(edges)
        self.orders.append(VisitClosed(visit))
        self.note(f"visit.{status}", visit, outcome=outcome, edges=visit.edges)

    def open_task(self, task: Task) -> Task:
        """A new task; told about if it can be decided now."""
        self.tasks.append(task)
        self.added.append(task)
        if task.state == TaskState.PENDING:
            self.offer(task)
        elif task.state == TaskState.WAITING:
            self.queue(task, task.reason)
        else:
            self._note_place("task.queued", task)
            self.note(f"task.{task.state}", task=task)
        return task

    def offer(self, task: Task) -> None:
        """A task can be decided now."""
        task.state, task.reason, task.opened_at = TaskState.PENDING, None, self.now
        self.orders.append(TaskOpened(task))
        self._note_place("task.opened", task)

    def queue(self, task: Task, reason: str | None) -> None:
        """A task waits for others."""
        task.state, task.reason = TaskState.WAITING, reason
        self._note_place("task.queued", task, reason=reason)

    def _note_place(self, kind: str, task: Task, **data: Any) -> None:
        stands_for = str(task.principal_id) if task.principal_id is not None else None
        self.note(kind, task=task, assignee=str(task.assignee_id), stands_for=stands_for, origin=task.origin, **data)

    def close_task(self, task: Task, state: TaskState, reason: str | None = None, **data: Any) -> None:
        """A task is over. `data` goes into the line of the history."""
        task.state, task.reason, task.closed_at = state, reason, self.now
        self.orders.append(TaskClosed(task))
        self.note(f"task.{state}", task=task, reason=reason, **data)

    def keep(self, visit: Visit, **data: Any) -> None:
        """Remember something of a visit; JSON columns see a new value only."""
        visit.data = {**visit.data, **data}

    def write(self, values: Mapping[str, Any]) -> None:
        """Change fields of the form: a new revision."""
        if any(self.instance.form.get(name) != value for name, value in values.items()):
            self.instance.form = {**self.instance.form, **values}
            self.instance.form_rev += 1

    def note(self, kind: str, visit: Visit | None = None, task: Task | None = None, **data: Any) -> None:
        """A line of the history."""
        entry = HistoryEntry(
            instance_id=self.instance.id,
            seq=0,
            kind=kind,
            actor_id=self.actor,
            node=visit.node if visit is not None else task.node if task is not None else None,
            visit_id=visit.id if visit is not None else task.visit_id if task is not None else None,
            task_id=task.id if task is not None else None,
            data={name: value for name, value in data.items() if value is not None},
            at=self.now,
            prev_hash="",
            hash="",
        )
        self.notes.append(entry)


def request_of(instance: Instance, flow: CompiledFlow, visit: Visit | None = None) -> Request:
    """An instance as others see it, perhaps on one of its visits."""
    return Request(
        id=instance.id,
        process=flow.process,
        version=flow.version,
        number=instance.number,
        title=instance.title,
        submitter=instance.submitter_id,
        department=instance.department_id,
        form=instance.form,
        subject=Subject(instance.subject_type, instance.subject_id or "") if instance.subject_type else None,
        node=visit.node if visit is not None else None,
        visit=visit.id if visit is not None else None,
    )
