"""What other plugins can do with requests: the port `APPROVALS`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.store import flow_of, flow_of_version, load
from riveredge_approvals.instances import acting
from riveredge_approvals.instances.starting import department_of, may_start, published
from riveredge_approvals.instances.submitting import create
from riveredge_approvals.models import OPEN_VISITS, Instance, Visit
from riveredge_sdk import Subject, current_context, current_principal, get_service, session
from riveredge_sdk.features.approvals import RequestState
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import Forbidden, NotFound, invalid_field

_MANY = 100


class ApprovalsService:
    """See `riveredge_sdk.features.approvals.Approvals`."""

    async def start(
        self,
        process: str,
        form: Mapping[str, Any],
        *,
        subject: Subject | None = None,
        submitter: UUID | None = None,
        department: UUID | None = None,
        choices: Mapping[str, Sequence[UUID]] | None = None,
    ) -> UUID:
        """Submit a request; its id."""
        version = await published(process)
        user = submitter if submitter is not None else current_principal().id
        person = (await get_service(PEOPLE).find([user])).get(user)
        if person is None or not person.active:
            raise invalid_field("submitter", "A request is submitted by an active member.", "unknown")
        if not await may_start(flow_of_version(version), user):
            raise Forbidden(f"The process {process!r} is not for the submitter to start.")
        made = await create(
            version,
            form,
            submitter=user,
            actor=_actor(),
            department=await department_of(user, department),
            choices=choices,
            subject=subject,
        )
        return made.id

    async def state(self, instance_id: UUID) -> RequestState:
        """How a request stands."""
        found = await _states(select(Instance).where(col(Instance.id) == instance_id))
        if not found:
            raise NotFound(f"There is no request with the id {instance_id} here.")
        return found[0]

    async def states_of(self, subject: Subject) -> Sequence[RequestState]:
        """The requests about a record, the latest first."""
        return await _states(
            select(Instance)
            .where(col(Instance.subject_type) == subject.type, col(Instance.subject_id) == str(subject.id))
            .order_by(col(Instance.created_at).desc(), col(Instance.id).desc())
            .limit(_MANY)
        )

    async def withdraw(self, instance_id: UUID, *, reason: str = "") -> None:
        """Take a request back."""
        case = await load(instance_id)
        case.actor = _actor()
        await acting.take_back(case, reason)


def _actor() -> UUID | None:
    """On whose behalf it happens; nobody's in functions."""
    principal = current_context().principal
    return principal.id if principal is not None else None


async def _states(query: Any) -> list[RequestState]:
    instances = (await session().exec(query)).all()
    wanted = select(Visit).where(
        col(Visit.instance_id).in_([each.id for each in instances]), col(Visit.status).in_(OPEN_VISITS)
    )
    waits: dict[UUID, list[str]] = {}
    for visit in (await session().exec(wanted.order_by(col(Visit.seq)))).all():
        waits.setdefault(visit.instance_id, []).append(visit.node)
    return [await _state(each, waits.get(each.id, [])) for each in instances]


async def _state(instance: Instance, nodes: Sequence[str]) -> RequestState:
    flow = await flow_of(instance)
    return RequestState(
        id=instance.id,
        process=flow.process,
        number=instance.number,
        title=instance.title,
        submitter=instance.submitter_id,
        status=instance.status,
        nodes=[flow.nodes[node].label or node for node in nodes],
        note=instance.outcome_note,
        submitted_at=instance.submitted_at,
        finished_at=instance.finished_at,
    )
