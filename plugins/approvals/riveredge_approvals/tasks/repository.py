"""Finding tasks."""

from typing import Literal

from sqlalchemy import ColumnElement
from sqlmodel import col

from riveredge_approvals.models import OPEN_TASKS, Task, TaskState
from riveredge_sdk import FilterField, Repository, current_principal

Box = Literal["todo", "done", "all"]


class Tasks(Repository[Task]):
    """What people are asked."""

    model = Task
    fields = (
        FilterField("state", "text", Task.state),
        FilterField("node", "text", Task.node),
        FilterField("instance_id", "uuid", Task.instance_id),
        FilterField("assignee_id", "uuid", Task.assignee_id),
        FilterField("origin", "text", Task.origin),
        FilterField("opened_at", "datetime", Task.opened_at),
        FilterField("closed_at", "datetime", Task.closed_at),
        FilterField("due_at", "datetime", Task.due_at),
    )


def in_box(box: Box) -> list[ColumnElement[bool]]:
    """The conditions of one of the current user's boxes."""
    mine = col(Task.assignee_id) == current_principal().id
    if box == "todo":
        return [mine, col(Task.state) == TaskState.PENDING]
    if box == "done":
        return [mine, col(Task.state).not_in(OPEN_TASKS), col(Task.state) != TaskState.CLOSED]
    return [mine]
