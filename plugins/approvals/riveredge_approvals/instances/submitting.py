"""Submit: a form becomes a request on its way."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from riveredge_approvals.effects import subjects
from riveredge_approvals.engine import history
from riveredge_approvals.engine.case import request_of
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.publishing import instance_changed
from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.files.using import use_in_form
from riveredge_approvals.instances.forms import checked_form
from riveredge_approvals.instances.serials import next_serial
from riveredge_approvals.instances.titles import make_summary, make_title
from riveredge_approvals.models import FormRevision, HistoryEntry, Instance, InstanceStatus, ProcessVersion
from riveredge_approvals.people.choosing import check_choices
from riveredge_sdk import Subject, current_tenant, publish, session, utcnow, uuid7
from riveredge_sdk.features.approvals import INSTANCE_STARTED


async def create(
    version: ProcessVersion,
    form: Mapping[str, Any],
    *,
    submitter: UUID,
    actor: UUID | None,
    department: UUID | None = None,
    choices: Mapping[str, Sequence[UUID]] | None = None,
    subject: Subject | None = None,
    parent: Instance | None = None,
    parent_visit: UUID | None = None,
) -> Instance:
    """Make an instance of a version and send it on its way, in the running unit of work.

    Raises:
        Invalid: the form does not fit, somebody was not chosen, or no plugin knows the subject.
        NotFound, Conflict: the subject is not there for the submitter, or cannot be submitted as it stands.
    """
    flow = flow_of_version(version)
    known = version.form_schema.get("properties", {})
    facts = await subjects.facts(subject, known) if subject is not None else {}
    given = {name: value for name, value in form.items() if name not in facts}
    values = checked_form(version.form_schema, flow, given, before=facts)
    chosen = await check_choices(flow, choices or {})
    now = utcnow()
    number = await next_serial(flow.settings.serial, flow.process, now)
    instance = Instance(
        id=uuid7(),
        tenant_id=current_tenant(),
        process_id=version.process_id,
        version_id=version.id,
        number=number,
        title=await make_title(flow, values, submitter, number),
        summary=make_summary(flow, version.form_schema, values),
        subject_type=subject.type if subject is not None else None,
        subject_id=str(subject.id) if subject is not None else None,
        form=values,
        submitter_id=submitter,
        department_id=department,
        choices=chosen,
        status=InstanceStatus.RUNNING,
        parent_id=parent.id if parent is not None else None,
        parent_visit_id=parent_visit,
        depth=parent.depth + 1 if parent is not None else 0,
        submitted_at=now,
    )
    session().add(instance)
    await session().flush()
    session().add(
        FormRevision(
            tenant_id=current_tenant(),
            instance_id=instance.id,
            number=1,
            form=values,
            changed_by=actor,
            node=flow.entry,
        )
    )
    # A request within a request is given what its parent has; its files stay the parent's.
    if parent is None:
        await use_in_form(instance, version.form_schema, facts, by=actor)
    entry = HistoryEntry(
        tenant_id=current_tenant(),
        instance_id=instance.id,
        seq=0,
        kind="instance.created",
        actor_id=actor,
        data={"process": flow.process, "version": flow.version, "number": number, "submitter": str(submitter)},
        at=now,
        prev_hash="",
        hash="",
    )
    history.chain(instance, [entry])
    session().add(entry)
    publish(INSTANCE_STARTED, instance_changed(instance, flow))
    put(instance, "instance.submitted", {"by": str(actor) if actor is not None else None})
    await session().flush()
    await subjects.submitted(request_of(instance, flow))
    return instance
