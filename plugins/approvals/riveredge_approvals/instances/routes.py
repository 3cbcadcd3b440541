"""`/api/v1/approvals/instances`: requests on their way."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.instances import acting, viewing
from riveredge_approvals.instances.access import must_see, visible
from riveredge_approvals.instances.repository import HistoryEntries, Instances
from riveredge_approvals.instances.schemas import (
    DiagramOut,
    HistoryOut,
    InstanceDetail,
    InstanceIn,
    InstanceOut,
    JumpIn,
    MendIn,
    ReasonIn,
    ResubmitIn,
    StatisticsOut,
    VerificationOut,
)
from riveredge_approvals.instances.starting import department_of, may_start, published
from riveredge_approvals.instances.submitting import create
from riveredge_approvals.models import HistoryEntry
from riveredge_approvals.permissions import INSTANCE_ADMIN, INSTANCE_READ, REQUEST_USE
from riveredge_approvals.speech import told
from riveredge_sdk import ListQuery, Page, Router, Subject, current_principal
from riveredge_sdk.problems import Forbidden

router = Router(prefix="/instances", tag="Approvals: requests", audit="approvals.instance")
instances = Instances()


@router.get(require=REQUEST_USE, summary="List requests")
async def list_instances(query: Annotated[ListQuery, Query()]) -> Page[InstanceOut]:
    """Those that the caller submitted, is or was asked about, or was told of; all for who may read all."""
    return await instances.page(query, visible(), into=InstanceOut)


@router.post(require=REQUEST_USE, summary="Submit a request", max_body_size=1_000_000)
async def submit(body: InstanceIn) -> InstanceOut:
    version = await published(body.process)
    me = current_principal().id
    if not await may_start(flow_of_version(version), me):
        raise Forbidden(told("This process is not for you to start.", "您不能发起此流程。"))
    subject = Subject(body.subject.type, body.subject.id) if body.subject is not None else None
    made = await create(
        version,
        body.form,
        submitter=me,
        actor=me,
        department=await department_of(me, body.department),
        choices=body.choices,
        subject=subject,
    )
    return InstanceOut.model_validate(made)


@router.get("/statistics", require=INSTANCE_READ, summary="How many requests stand how")
async def get_statistics() -> StatisticsOut:
    return await viewing.statistics()


@router.get("/{instance_id}", require=REQUEST_USE, summary="One request")
async def get_instance(instance_id: UUID) -> InstanceDetail:
    return await viewing.detail(instance_id)


@router.get("/{instance_id}/diagram", require=REQUEST_USE, summary="The drawing, and how far the request has come")
async def get_diagram(
    instance_id: UUID,
    seq: Annotated[
        int | None, Query(ge=1, description="As it stood after this line of its history; now if it is left out.")
    ] = None,
) -> DiagramOut:
    return await viewing.picture(instance_id, seq)


@router.get("/{instance_id}/history", require=REQUEST_USE, summary="What has happened")
async def list_history(instance_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[HistoryOut]:
    await must_see(instance_id)
    return await HistoryEntries().page(query, col(HistoryEntry.instance_id) == instance_id, into=HistoryOut)


@router.get("/{instance_id}/history/verification", require=REQUEST_USE, summary="Is the history what it was?")
async def verify_history(instance_id: UUID) -> VerificationOut:
    return await viewing.verification(instance_id)


@router.post("/{instance_id}/withdraw", require=REQUEST_USE, status=200, summary="Take one's request back")
async def withdraw(instance_id: UUID, body: ReasonIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.withdraw(instance_id, body.reason)).instance)


@router.post(
    "/{instance_id}/resubmit",
    require=REQUEST_USE,
    status=200,
    summary="Submit again what has come back",
    max_body_size=1_000_000,
)
async def resubmit(instance_id: UUID, body: ResubmitIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.resubmit(instance_id, body.form, body.choices)).instance)


@router.post("/{instance_id}/revoke", require=REQUEST_USE, status=200, summary="Take an approval back")
async def revoke(instance_id: UUID, body: ReasonIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.revoke(instance_id, body.reason)).instance)


@router.post("/{instance_id}/terminate", require=INSTANCE_ADMIN, status=200, summary="End a request")
async def terminate(instance_id: UUID, body: ReasonIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.terminate(instance_id, body.reason)).instance)


@router.post("/{instance_id}/suspend", require=INSTANCE_ADMIN, status=200, summary="Let nothing move")
async def suspend(instance_id: UUID, body: ReasonIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.suspend(instance_id, body.reason)).instance)


@router.post("/{instance_id}/resume", require=INSTANCE_ADMIN, status=200, summary="Go on")
async def resume(instance_id: UUID, body: ReasonIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.resume(instance_id, body.reason)).instance)


@router.post("/{instance_id}/jump", require=INSTANCE_ADMIN, status=200, summary="Move it to a node")
async def jump(instance_id: UUID, body: JumpIn) -> InstanceOut:
    return InstanceOut.model_validate((await acting.jump(instance_id, body.to, body.reason)).instance)


@router.post(
    "/{instance_id}/retry", require=INSTANCE_ADMIN, status=200, summary="Try incidents again, or pass over them"
)
async def retry(instance_id: UUID, body: MendIn) -> InstanceOut:
    case = await acting.mend(instance_id, body.node, skip=body.skip, reason=body.reason)
    return InstanceOut.model_validate(case.instance)
