"""Rehearse a draft: requests of the past, walked through it and through what they ran on.

It is prepared in the request, which keeps the draft as it is then, and gone through by a durable function in portions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlmodel import col, select

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.events import REHEARSAL_DUE, RehearsalRef
from riveredge_approvals.foresight.comparing import Outlook, compare
from riveredge_approvals.foresight.durations import usual_seconds
from riveredge_approvals.foresight.models import Rehearsal, RehearsalLine, RehearsalStatus
from riveredge_approvals.foresight.preview import Planned, walk
from riveredge_approvals.foresight.sources import Source, draft_of
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import (
    FormRevision,
    Instance,
    Process,
    ProcessVersion,
)
from riveredge_approvals.people.choosing import choices_of_deciders, choices_of_submitter
from riveredge_sdk import FilterField, Problem, Repository, current_principal, publish, session, utcnow
from riveredge_sdk.problems import Conflict

log = structlog.get_logger(__name__)

# So many requests are walked in one step, which is one transaction.
PORTION = 20
# So many rehearsals of a process are kept.
KEPT = 20


class Rehearsals(Repository[Rehearsal]):
    """Rehearsals."""

    model = Rehearsal
    fields = (
        FilterField("process_id", "uuid", Rehearsal.process_id),
        FilterField("status", "text", Rehearsal.status),
    )


class RehearsalLines(Repository[RehearsalLine]):
    """What became of each request."""

    model = RehearsalLine
    fields = (
        FilterField("seq", "integer", RehearsalLine.seq),
        FilterField("differs", "boolean", RehearsalLine.differs),
        FilterField("number", "text", RehearsalLine.number),
    )
    default_sort = "seq"


async def prepare(process: Process, begin: datetime, end: datetime, limit: int) -> Rehearsal:
    """Begin a rehearsal of the draft as it is now, with the latest requests of a time.

    Raises:
        Invalid: the draft cannot be compiled.
        Conflict: another one of the process is under way.
    """
    draft = draft_of(process)
    await _make_room(process)
    query = (
        select(Instance.id, Instance.number)
        .where(
            col(Instance.process_id) == process.id,
            col(Instance.submitted_at) >= begin,
            col(Instance.submitted_at) < end,
        )
        .order_by(col(Instance.submitted_at).desc(), col(Instance.id))
        .limit(limit)
    )
    found = (await session().exec(query)).all()
    row = await Rehearsals().add(
        Rehearsal(
            process_id=process.id,
            draft_rev=process.draft_rev,
            compiled=draft.flow.model_dump(mode="json"),
            form_schema=dict(draft.form_schema),
            begin_at=begin,
            end_at=end,
            started_by=current_principal().id,
            total=len(found),
            summary={},
        )
    )
    for seq, (instance_id, number) in enumerate(found, 1):
        await RehearsalLines().add(
            RehearsalLine(rehearsal_id=row.id, seq=seq, instance_id=instance_id, number=number, outcome={})
        )
    publish(REHEARSAL_DUE, RehearsalRef(rehearsal_id=row.id))
    return row


async def cancel(rehearsal_id: UUID) -> Rehearsal:
    """Stop it before its next portion. What it has found so far stays.

    Raises:
        NotFound: there is none.
        Conflict: it is over.
    """
    row = await Rehearsals().get(rehearsal_id, lock=True)
    if row.status != RehearsalStatus.RUNNING:
        raise Conflict(f"The rehearsal is {row.status} already.")
    return await _end(row, RehearsalStatus.CANCELLED)


async def go_on(rehearsal_id: UUID) -> bool:
    """Walk the next portion; whether there is more to do. Repeating it repeats nothing."""
    row = await Rehearsals().find(col(Rehearsal.id) == rehearsal_id)
    if row is None or row.status != RehearsalStatus.RUNNING:
        return False
    draft = Source(CompiledFlow.model_validate(row.compiled), row.form_schema)
    seconds = await usual_seconds(row.process_id)
    query = (
        select(RehearsalLine)
        .where(col(RehearsalLine.rehearsal_id) == rehearsal_id, col(RehearsalLine.differs).is_(None))
        .order_by(col(RehearsalLine.seq))
        .limit(PORTION)
    )
    lines = (await session().exec(query)).all()
    for line in lines:
        await _walk_both(line, draft, seconds)
    # Locked last, so that nobody who cancels it waits for all these walks.
    row = await Rehearsals().get(rehearsal_id, lock=True)
    row.done += len(lines)
    if row.status == RehearsalStatus.RUNNING and len(lines) < PORTION:
        await _end(row, RehearsalStatus.DONE)
    return row.status == RehearsalStatus.RUNNING


async def give_up(rehearsal_id: UUID, message: str) -> None:
    """It has failed for good."""
    row = await Rehearsals().find(col(Rehearsal.id) == rehearsal_id)
    if row is not None and row.status == RehearsalStatus.RUNNING:
        row.error = message[:500]
        await _end(row, RehearsalStatus.FAILED)


async def _walk_both(line: RehearsalLine, draft: Source, seconds: dict[str, float]) -> None:
    instance = (await session().exec(select(Instance).where(col(Instance.id) == line.instance_id))).one_or_none()
    if instance is None:
        line.differs, line.outcome = False, {"error": "The request is gone."}
        return
    version = (await session().exec(select(ProcessVersion).where(col(ProcessVersion.id) == instance.version_id))).one()
    ran_on = Source(flow_of_version(version), version.form_schema)
    form = await _submitted_form(instance)
    try:
        before = Outlook.of(await walk(_planned(instance, ran_on, form), seconds))
        after = Outlook.of(await walk(_planned(instance, draft, form), seconds))
    except (Problem, LookupError, ValueError) as error:
        # One that cannot be walked is no reason to know nothing of the others.
        log.warning("a request could not be rehearsed", instance=str(instance.id), error=str(error))
        line.differs, line.outcome = False, {"error": str(error)[:500]}
        return
    differences = compare(before, after)
    line.differs = bool(differences)
    line.outcome = {
        "version": version.number,
        "before": before.as_json(),
        "after": after.as_json(),
        "differences": differences,
    }


async def _submitted_form(instance: Instance) -> dict[str, Any]:
    """The form as it was submitted: what those wrote who decided comes later."""
    query = select(FormRevision.form).where(col(FormRevision.instance_id) == instance.id, col(FormRevision.number) == 1)
    return dict((await session().exec(query)).one_or_none() or instance.form)


def _planned(instance: Instance, source: Source, form: dict[str, Any]) -> Planned:
    chosen = {choice.node for choice in (*choices_of_submitter(source.flow), *choices_of_deciders(source.flow))}
    return Planned(
        process_id=instance.process_id,
        flow=source.flow,
        form_schema=source.form_schema,
        form=form,
        submitter=instance.submitter_id,
        department=instance.department_id,
        choices={node: [UUID(user) for user in users] for node, users in instance.choices.items() if node in chosen},
        outcomes={},
    )


async def _make_room(process: Process) -> None:
    rows = sorted(await Rehearsals().all(col(Rehearsal.process_id) == process.id), key=lambda row: row.id)
    running = next((row for row in rows if row.status == RehearsalStatus.RUNNING), None)
    if running is not None:
        raise Conflict(
            "Another rehearsal of the process is under way; wait for it, or cancel it.",
            extensions={"rehearsal_id": str(running.id)},
        )
    for row in rows[: max(len(rows) - KEPT + 1, 0)]:
        await Rehearsals().delete(row)


async def _end(row: Rehearsal, status: RehearsalStatus) -> Rehearsal:
    row.status, row.finished_at = status, utcnow()
    query = select(RehearsalLine.outcome).where(
        col(RehearsalLine.rehearsal_id) == row.id, col(RehearsalLine.differs).is_not(None)
    )
    row.summary = summed_up((await session().exec(query)).all())
    await session().flush()
    return row


def summed_up(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All requests together: how many differ in what, and on which nodes."""
    walked = [each for each in outcomes if "differences" in each]
    changed = [each["differences"] for each in walked if each["differences"]]
    in_what = Counter(what for each in changed for what in each)
    return {
        "walked": len(walked),
        "failed": len(outcomes) - len(walked),
        "differing": len(changed),
        "in_what": dict(in_what),
        "nodes_added": _count(changed, "path", "added"),
        "nodes_removed": _count(changed, "path", "removed"),
        "people_changed": dict(Counter(node for each in changed for node in each.get("people", {}))),
        "newly_empty": dict(Counter(node for each in changed for node in each.get("newly_empty", ()))),
        "needs": _count(changed, "needs", "added"),
        "hours_before": _mean([each["before"]["hours"] for each in walked]),
        "hours_after": _mean([each["after"]["hours"] for each in walked]),
    }


def _count(changed: Sequence[Mapping[str, Any]], what: str, which: str) -> dict[str, int]:
    return dict(Counter(name for each in changed for name in each.get(what, {}).get(which, ())))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None
