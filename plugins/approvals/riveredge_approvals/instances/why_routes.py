"""`/api/v1/approvals/tasks/{id}/why`, `/instances/{id}/branches`: reasons."""

from uuid import UUID

from riveredge_approvals.instances import why
from riveredge_approvals.instances.why import BranchesOut, WhyOut
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk import Router

router = Router(tag="Approvals: reasons")


@router.get("/tasks/{task_id}/why", require=REQUEST_USE, summary="Why is this person asked?")
async def explain_task(task_id: UUID) -> WhyOut:
    return await why.why_asked(task_id)


@router.get("/instances/{instance_id}/branches", require=REQUEST_USE, summary="Why was this branch taken?")
async def explain_branches(instance_id: UUID) -> BranchesOut:
    return await why.ways_taken(instance_id)
