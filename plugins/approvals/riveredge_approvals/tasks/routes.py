"""`/api/v1/approvals/tasks`: what people are asked."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_approvals.models import TaskState
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_approvals.tasks import deciding, viewing
from riveredge_approvals.tasks.deciding import Said
from riveredge_approvals.tasks.schemas import DecideIn, ReturnIn, TaskDetail, TaskLine, TaskOut, TaskQuery
from riveredge_sdk import Page, Router

router = Router(prefix="/tasks", tag="Approvals: tasks", audit="approvals.task")


@router.get(require=REQUEST_USE, summary="List one's tasks")
async def list_tasks(query: Annotated[TaskQuery, Query()]) -> Page[TaskLine]:
    return await viewing.page(query)


@router.get("/{task_id}", require=REQUEST_USE, summary="One task")
async def get_task(task_id: UUID) -> TaskDetail:
    return await viewing.detail(task_id)


@router.post("/{task_id}/approve", require=REQUEST_USE, status=200, summary="Approve", max_body_size=1_000_000)
async def approve(task_id: UUID, body: DecideIn) -> TaskOut:
    return await _decide(task_id, TaskState.APPROVED, body)


@router.post("/{task_id}/reject", require=REQUEST_USE, status=200, summary="Reject", max_body_size=1_000_000)
async def reject(task_id: UUID, body: DecideIn) -> TaskOut:
    return await _decide(task_id, TaskState.REJECTED, body)


@router.post("/{task_id}/abstain", require=REQUEST_USE, status=200, summary="Abstain", max_body_size=1_000_000)
async def abstain(task_id: UUID, body: DecideIn) -> TaskOut:
    return await _decide(task_id, TaskState.ABSTAINED, body)


@router.post("/{task_id}/return", require=REQUEST_USE, status=200, summary="Send it back")
async def send_back(task_id: UUID, body: ReturnIn) -> TaskOut:
    return TaskOut.model_validate(await deciding.send_back(task_id, body.to, Said(comment=body.comment)))


async def _decide(task_id: UUID, outcome: TaskState, body: DecideIn) -> TaskOut:
    said = Said(comment=body.comment, form=body.form, signature=body.signature)
    return TaskOut.model_validate(await deciding.decide(task_id, outcome, said))
