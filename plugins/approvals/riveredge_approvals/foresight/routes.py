"""`/api/v1/approvals/processes/{id}/preview`: the way of a request before it is submitted."""

from uuid import UUID

from sqlmodel import col

from riveredge_approvals.effects import subjects
from riveredge_approvals.foresight.preview import Planned, preview
from riveredge_approvals.foresight.schemas import PreviewIn, PreviewOut
from riveredge_approvals.foresight.sources import Source, draft_of, version_of
from riveredge_approvals.instances.starting import department_of, may_start
from riveredge_approvals.models import Process
from riveredge_approvals.permissions import PROCESS_READ, PROCESS_WRITE, REQUEST_USE
from riveredge_approvals.processes.repository import Processes
from riveredge_approvals.speech import told
from riveredge_sdk import Router, Subject, current_principal, get_service
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import Forbidden, NotFound, invalid_field

router = Router(prefix="/processes", tag="Approvals: processes")


@router.post(
    "/{process_id}/preview",
    require=REQUEST_USE,
    status=200,
    summary="Path and people of a request before it is submitted",
    max_body_size=1_000_000,
)
async def preview_request(process_id: UUID, body: PreviewIn) -> PreviewOut:
    """Nothing is kept. What is missing to say how it goes on is asked, in `questions`.

    A record that could not be submitted as it stands is refused as it would be then.
    """
    process = await Processes().find(col(Process.id) == process_id)
    if process is None:
        raise NotFound(told(f"There is no process with the id {process_id} here.", f"没有标识为 {process_id} 的流程。"))
    source = await _source(process, body)
    me = current_principal()
    submitter = body.submitter or me.id
    if submitter != me.id and not me.may(PROCESS_WRITE):
        raise Forbidden(
            told(
                "Only who draws processes looks at requests of others before they submit them.",
                "只有流程设计者可以预览他人的申请。",
            )
        )
    if not me.may(PROCESS_READ) and not await may_start(source.flow, me.id):
        raise Forbidden(told("This process is not for you to start.", "您不能发起此流程。"))
    await _must_be_member(submitter)
    subject = Subject(body.subject.type, body.subject.id) if body.subject is not None else None
    facts = await subjects.facts(subject, source.form_schema.get("properties", {})) if subject is not None else {}
    planned = Planned(
        process_id=process.id,
        flow=source.flow,
        form_schema=source.form_schema,
        form={**body.form, **facts},
        submitter=submitter,
        department=await department_of(submitter, body.department),
        choices=body.choices,
        outcomes=body.outcomes,
        subject=subject,
    )
    return await preview(planned, draft=body.draft)


async def _source(process: Process, body: PreviewIn) -> Source:
    if body.draft and body.version is not None:
        message = told("Ask for the draft or for a version.", "草稿和版本只能选其一。")
        raise invalid_field("version", message, "conflict")
    if (body.draft or body.version is not None) and not current_principal().may(PROCESS_READ):
        raise Forbidden(
            told("Only who sees processes looks at their drafts and versions.", "您不能查看流程的草稿和历史版本。")
        )
    return draft_of(process) if body.draft else await version_of(process, body.version)


async def _must_be_member(user: UUID) -> None:
    person = (await get_service(PEOPLE).find([user])).get(user)
    if person is None or not person.active:
        raise invalid_field("submitter", told("There is no active member with this id.", "没有此有效成员。"), "unknown")
