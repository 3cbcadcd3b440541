"""`/api/v1/approvals/processes/{id}/validate`: what is wrong with a drawing."""

from uuid import UUID

from riveredge_approvals.permissions import PROCESS_READ
from riveredge_approvals.processes import checking
from riveredge_approvals.processes.repository import Processes
from riveredge_approvals.processes.validation_schemas import ValidateIn, ValidationOut
from riveredge_sdk import Router

router = Router(prefix="/processes", tag="Approvals: processes", audit=False)


@router.post(
    "/{process_id}/validate",
    require=PROCESS_READ,
    status=200,
    summary="Validate the draft, or a drawing",
    max_body_size=1_000_000,
)
async def validate_process(process_id: UUID, body: ValidateIn) -> ValidationOut:
    process = await Processes().get(process_id)
    drawing = process.draft if body.diagram is None else body.diagram
    form = process.form_schema if body.form_schema is None else body.form_schema
    issues = await checking.find_issues(process, drawing, form)
    errors = len(checking.errors_in(issues))
    return ValidationOut(
        revision=process.draft_rev if body.diagram is None and body.form_schema is None else None,
        valid=errors == 0,
        errors=errors,
        warnings=sum(issue.severity == "warning" for issue in issues),
        issues=checking.show(issues),
    )
