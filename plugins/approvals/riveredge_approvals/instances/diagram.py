"""The live picture: the drawing, and on it which nodes and edges were taken, by whom and when."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.engine.case import Case
from riveredge_approvals.models import OPEN_TASKS, Task, TaskState, Visit, VisitStatus
from riveredge_approvals.speech import texts_of, told_of


class TaskMark(BaseModel):
    """Somebody on a node."""

    task_id: UUID
    user: UUID
    for_user: UUID | None = Field(default=None, description="For whom she stands in.")
    status: str
    reason: str | None
    origin: str
    at: datetime | None


class NodeMark(BaseModel):
    """How a node stands: that of its latest visit."""

    node: str
    visit: int = Field(description="How often a token has come here.")
    status: str = Field(description="idle, active, waiting, passed, failed, skipped, cancelled, incident or overdue.")
    outcome: str | None
    opened_at: datetime | None
    closed_at: datetime | None
    due_at: datetime | None
    incident: str | None
    tasks: list[TaskMark]


class EdgeMark(BaseModel):
    """How often an edge was taken, and the last time."""

    edge: str
    times: int
    at: datetime


def marks(case: Case) -> list[NodeMark]:
    """All nodes of the flow, in the order in which they were first reached; those that were not come last."""
    first: dict[str, int] = {}
    for visit in case.visits:
        first.setdefault(visit.node, visit.seq)
    order = sorted(case.flow.nodes, key=lambda node: (first.get(node, len(case.visits) + 1), node))
    return [_mark(case, node) for node in order]


def _mark(case: Case, node: str) -> NodeMark:
    visit = case.last_visit(node)
    if visit is None:
        return NodeMark(
            node=node,
            visit=0,
            status="idle",
            outcome=None,
            opened_at=None,
            closed_at=None,
            due_at=None,
            incident=None,
            tasks=[],
        )
    return NodeMark(
        node=node,
        visit=visit.number,
        status=status_of(visit, case.tasks_of(visit)),
        outcome=visit.outcome,
        opened_at=visit.opened_at,
        closed_at=visit.closed_at,
        due_at=visit.due_at,
        incident=told_of(texts_of(visit.data["incident"])) if visit.status == VisitStatus.INCIDENT else None,
        tasks=[
            TaskMark(
                task_id=task.id,
                user=task.assignee_id,
                for_user=task.principal_id,
                status=task.state,
                reason=task.reason,
                origin=task.origin,
                at=task.closed_at or task.opened_at,
            )
            for task in case.tasks_of(visit)
        ],
    )


def status_of(visit: Visit, tasks: Sequence[Task]) -> str:
    """The status that a drawing shows: `overdue` and `waiting` are kinds of `active`."""
    if visit.status != VisitStatus.ACTIVE:
        return visit.status
    if visit.data.get("overdue"):
        return "overdue"
    asked = [task for task in tasks if task.state in OPEN_TASKS]
    if visit.kind in {"join", "delay"} or (asked and all(task.state != TaskState.PENDING for task in asked)):
        return "waiting"
    return visit.status


def edges(case: Case) -> list[EdgeMark]:
    """The edges that were taken."""
    taken: dict[str, EdgeMark] = {}
    for visit in case.visits:
        for edge in visit.edges:
            at = visit.closed_at or visit.opened_at
            before = taken.get(edge)
            taken[edge] = EdgeMark(edge=edge, times=before.times + 1 if before is not None else 1, at=at)
    return sorted(taken.values(), key=lambda mark: (mark.at, mark.edge))
