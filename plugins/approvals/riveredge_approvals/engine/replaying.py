"""How an instance stood after any line of its history: read from the history alone."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.models import (
    ENDED,
    HistoryEntry,
    Instance,
    InstanceStatus,
    Task,
    TaskState,
    Visit,
    VisitStatus,
)

_VISITS = {f"visit.{status}": VisitStatus(status) for status in ("passed", "failed", "skipped", "cancelled")}
_STATES = ("approved", "rejected", "abstained", "returned", "transferred", "closed", "timed_out")
_TASKS = {f"task.{state}": TaskState(state) for state in _STATES}
_INSTANCE = {
    "instance.submitted": InstanceStatus.RUNNING,
    "instance.resubmitted": InstanceStatus.RUNNING,
    "instance.resumed": InstanceStatus.RUNNING,
    "instance.taken_on": InstanceStatus.RUNNING,
    "instance.suspended": InstanceStatus.SUSPENDED,
    **{f"instance.{status}": InstanceStatus(status) for status in ENDED},
}


def replay(case: Case, entries: Sequence[HistoryEntry]) -> Case:
    """The case as it stood after the last of these entries: its status, visits, tasks and the edges taken.

    Args:
        case: how it stands now, for its flow.
        entries: the first ones of its history, in their order.
    """
    past = _Past(case)
    for entry in entries:
        past.read(entry)
    return past.case


class _Past:
    def __init__(self, now: Case) -> None:
        instance = Instance(
            id=now.instance.id,
            process_id=now.instance.process_id,
            version_id=now.instance.version_id,
            number=now.instance.number,
            title=now.instance.title,
            submitter_id=now.instance.submitter_id,
            status=InstanceStatus.RUNNING,
            form={},
            choices={},
        )
        self.case = Case(instance=instance, flow=now.flow, world=now.world, now=now.now)
        self._visits: dict[UUID, Visit] = {}
        self._tasks: dict[UUID, Task] = {}

    def read(self, entry: HistoryEntry) -> None:
        visit = self._visit(entry)
        if (status := _INSTANCE.get(entry.kind)) is not None:
            self.case.instance.status = status
            self.case.instance.finished_at = entry.at if status in ENDED else None
        elif entry.kind == "instance.returned" and entry.data.get("to") == self.case.flow.entry:
            self.case.instance.status = InstanceStatus.DRAFT
        elif entry.kind == "instance.migrated":
            names = entry.data.get("map", {})
            for past in self.case.visits:
                past.node = names.get(past.node, past.node)
            for task in self.case.tasks:
                task.node = names.get(task.node, task.node)
        elif visit is not None and entry.task_id is not None:
            self._read_task(entry, entry.task_id, visit)
        elif visit is not None:
            self._read_visit(entry, visit)

    def _visit(self, entry: HistoryEntry) -> Visit | None:
        if entry.visit_id is None or entry.node is None:
            return None
        visit = self._visits.get(entry.visit_id)
        if visit is None:
            before = self.case.last_visit(entry.node)
            visit = self._visits[entry.visit_id] = Visit(
                id=entry.visit_id,
                instance_id=self.case.instance.id,
                seq=len(self._visits) + 1,
                node=entry.node,
                # A node that is not there is of a version that it ran on before.
                kind=known.kind if (known := self.case.flow.nodes.get(entry.node)) is not None else "",
                number=before.number + 1 if before is not None else 1,
                status=VisitStatus.ACTIVE,
                scope=[],
                edges=[],
                data={},
                opened_at=entry.at,
            )
            self.case.visits.append(visit)
        return visit

    def _read_visit(self, entry: HistoryEntry, visit: Visit) -> None:
        match entry.kind:
            case "visit.retried" | "visit.reopened":
                visit.status, visit.outcome, visit.closed_at = VisitStatus.ACTIVE, None, None
                visit.edges, visit.data = [], {}
            case "visit.incident":
                said = entry.data.get("texts", entry.data["message"])
                visit.status, visit.data = VisitStatus.INCIDENT, {"incident": said}
            case "visit.overdue":
                visit.data = {**visit.data, "overdue": True}
            case "visit.left":
                visit.edges = list(entry.data["edges"])
            case kind if kind in _VISITS:
                visit.status, visit.closed_at = _VISITS[kind], entry.at
                visit.outcome, visit.edges = entry.data.get("outcome"), list(entry.data["edges"])

    def _read_task(self, entry: HistoryEntry, task_id: UUID, visit: Visit) -> None:
        if entry.kind in {"task.opened", "task.queued"}:
            self._open_task(entry, task_id, visit)
            return
        task = self._tasks.get(task_id)
        if task is None:
            return
        if entry.kind in _TASKS:
            task.state, task.reason, task.closed_at = _TASKS[entry.kind], entry.data.get("reason"), entry.at
        elif entry.kind == "task.delegated":
            task.state, task.reason = TaskState.DELEGATED, None
        elif entry.kind == "task.signers_added" and entry.data["where"] == "before":
            task.state, task.reason = TaskState.WAITING, "before"
        elif entry.kind == "task.overruled":
            task.state, task.reason = TaskState.REJECTED, "after"
        elif entry.kind == "task.upheld":
            task.state, task.reason = TaskState.APPROVED, None

    def _open_task(self, entry: HistoryEntry, task_id: UUID, visit: Visit) -> None:
        task = self._tasks.get(task_id)
        if task is None:
            stands_for = entry.data.get("stands_for")
            task = self._tasks[task_id] = Task(
                id=task_id,
                instance_id=visit.instance_id,
                visit_id=visit.id,
                node=visit.node,
                assignee_id=UUID(entry.data["assignee"]),
                principal_id=UUID(stands_for) if stands_for else None,
                origin=entry.data["origin"],
                seq=len(self._tasks),
            )
            self.case.tasks.append(task)
        task.state = TaskState.PENDING if entry.kind == "task.opened" else TaskState.WAITING
        task.reason, task.opened_at = entry.data.get("reason"), entry.at
