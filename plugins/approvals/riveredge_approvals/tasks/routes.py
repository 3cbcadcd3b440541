"""`/api/v1/approvals/tasks`: what people are asked."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_approvals.models import TaskState
from riveredge_approvals.permissions import INSTANCE_ADMIN, REQUEST_USE
from riveredge_approvals.tasks import deciding, handing, recalling, viewing
from riveredge_approvals.tasks.deciding import Said
from riveredge_approvals.tasks.schemas import (
    AddedOut,
    AddSignersIn,
    BulkIn,
    BulkLine,
    BulkOut,
    DecideIn,
    HandOnIn,
    RecallIn,
    RemoveSignerIn,
    ReturnIn,
    TaskDetail,
    TaskLine,
    TaskOut,
    TaskQuery,
)
from riveredge_sdk import Page, Problem, Router, savepoint

router = Router(prefix="/tasks", tag="Approvals: tasks", audit="approvals.task")

_OUTCOMES = {"approve": TaskState.APPROVED, "reject": TaskState.REJECTED, "abstain": TaskState.ABSTAINED}


@router.get(require=REQUEST_USE, summary="List one's tasks")
async def list_tasks(query: Annotated[TaskQuery, Query()]) -> Page[TaskLine]:
    return await viewing.page(query)


@router.post("/bulk", require=REQUEST_USE, status=200, summary="Decide on many, each by itself")
async def decide_many(body: BulkIn) -> BulkOut:
    """One that cannot be decided does not keep the others from it."""
    lines = {task_id: await _one_of_many(task_id, body) for task_id in await deciding.in_order(body.task_ids)}
    return BulkOut(items=[lines[task_id] for task_id in dict.fromkeys(body.task_ids)])


async def _one_of_many(task_id: UUID, body: BulkIn) -> BulkLine:
    try:
        async with savepoint():
            await deciding.decide(task_id, _OUTCOMES[body.action], Said(comment=body.comment, via="bulk"))
    except Problem as problem:
        return BulkLine(task_id=task_id, done=False, status=problem.status, problem=problem.as_json())
    return BulkLine(task_id=task_id, done=True, status=200)


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


@router.post("/{task_id}/claim", require=REQUEST_USE, status=200, summary="Take it out of a pool")
async def claim(task_id: UUID) -> TaskOut:
    return TaskOut.model_validate(await handing.claim(task_id))


@router.post(
    "/{task_id}/recall",
    require=REQUEST_USE,
    status=200,
    summary="Take one's decision back",
    responses={409: {"description": "Somebody, or something, has acted on it: `since` says what."}},
)
async def recall(task_id: UUID, body: RecallIn) -> TaskOut:
    """Until somebody acts on it. The answer is the task that asks for the decision anew."""
    return TaskOut.model_validate(await recalling.recall(task_id, body.reason))


@router.post("/{task_id}/transfer", require=REQUEST_USE, status=200, summary="Have somebody else asked instead")
async def transfer(task_id: UUID, body: HandOnIn) -> TaskOut:
    return TaskOut.model_validate(await handing.transfer(task_id, body.to, body.comment))


@router.post("/{task_id}/reassign", require=INSTANCE_ADMIN, status=200, summary="Give somebody's task to somebody else")
async def reassign(task_id: UUID, body: HandOnIn) -> TaskOut:
    """For administrators: whatever the node allows, and however often it was handed on."""
    return TaskOut.model_validate(await handing.reassign(task_id, body.to, body.comment))


@router.post("/{task_id}/delegate", require=REQUEST_USE, status=200, summary="Get an opinion; it comes back")
async def delegate(task_id: UUID, body: HandOnIn) -> TaskOut:
    return TaskOut.model_validate(await handing.delegate(task_id, body.to, body.comment))


@router.post("/{task_id}/add-sign", require=REQUEST_USE, status=200, summary="Ask others, too")
async def add_signers(task_id: UUID, body: AddSignersIn) -> AddedOut:
    added = await handing.add_signers(task_id, body.users, body.where, body.mode, body.comment)
    return AddedOut(items=[TaskOut.model_validate(task) for task in added])


@router.post("/{task_id}/remove-sign", require=REQUEST_USE, status=200, summary="Take somebody off whom one has added")
async def remove_signer(task_id: UUID, body: RemoveSignerIn) -> TaskOut:
    return TaskOut.model_validate(await handing.remove_signer(task_id, body.task_id, body.comment))


async def _decide(task_id: UUID, outcome: TaskState, body: DecideIn) -> TaskOut:
    said = Said(comment=body.comment, form=body.form, signature=body.signature, choices=body.choices)
    return TaskOut.model_validate(await deciding.decide(task_id, outcome, said))
