"""Rehearse a draft: requests of the past, walked through it and through what they ran on.

It is prepared in the request, which keeps the draft as it is then, and gone through by a job.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.events import REHEARSAL_DUE
from riveredge_approvals.foresight.comparing import Outlook, compare
from riveredge_approvals.foresight.durations import usual_seconds
from riveredge_approvals.foresight.models import Rehearsal, RehearsalLine
from riveredge_approvals.foresight.preview import Planned, walk
from riveredge_approvals.foresight.sources import Source, draft_of
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.jobs.job import Job
from riveredge_approvals.models import FormRevision, Instance, Process, ProcessVersion
from riveredge_approvals.people.choosing import choices_of_deciders, choices_of_submitter
from riveredge_approvals.permissions import PROCESS_WRITE
from riveredge_sdk import FilterField, Repository, session

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


class RehearsalJob(Job[Rehearsal, "_Means"]):
    """The latest requests of a time, each walked through the draft as it was then."""

    name = "rehearsal"
    title = "Run past requests through a draft"
    permission = PROCESS_WRITE
    function_id = "approvals.rehearse"
    event = REHEARSAL_DUE
    rows = Rehearsals()
    lines = RehearsalLines()

    async def ask(self, process: Process, begin: datetime, end: datetime, limit: int) -> Rehearsal:
        """Begin a rehearsal of the draft as it is now, with the latest requests of a time.

        Raises:
            Invalid: the draft cannot be compiled.
            Conflict: another one of the process is under way.
        """
        draft = draft_of(process)
        await self._make_room(process)
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
        row = Rehearsal(
            process_id=process.id,
            draft_rev=process.draft_rev,
            compiled=draft.flow.model_dump(mode="json"),
            form_schema=dict(draft.form_schema),
            begin_at=begin,
            end_at=end,
            total=len(found),
        )
        lines = [
            RehearsalLine(rehearsal_id=row.id, seq=seq, instance_id=instance_id, number=number)
            for seq, (instance_id, number) in enumerate(found, 1)
        ]
        return await self.begin(row, lines)

    async def ahead(self, row: Rehearsal, after: UUID | None, limit: int) -> Sequence[UUID]:
        # Ids are made in the order of the numbers.
        query = select(RehearsalLine.id).where(
            col(RehearsalLine.rehearsal_id) == row.id, col(RehearsalLine.differs).is_(None)
        )
        if after is not None:
            query = query.where(col(RehearsalLine.id) > after)
        return (await session().exec(query.order_by(col(RehearsalLine.id)).limit(limit))).all()

    async def prepare(self, row: Rehearsal) -> "_Means":
        draft = Source(CompiledFlow.model_validate(row.compiled), row.form_schema)
        return _Means(draft, await usual_seconds(row.process_id))

    async def act(self, row: Rehearsal, key: UUID, means: "_Means") -> bool | None:
        line = await self.lines.get(key, lock=True)
        if line.differs is not None:
            return None
        await _walk_both(line, means)
        return True

    async def keep(self, row: Rehearsal, key: UUID, why: str) -> None:
        await self.lines.change(await self.lines.get(key), {"differs": False, "outcome": {"error": why}})

    async def sum_up(self, row: Rehearsal) -> None:
        query = select(RehearsalLine.outcome).where(
            col(RehearsalLine.rehearsal_id) == row.id, col(RehearsalLine.differs).is_not(None)
        )
        row.summary = summed_up((await session().exec(query)).all())

    async def _make_room(self, process: Process) -> None:
        await self.alone(col(Rehearsal.process_id) == process.id)
        rows = sorted(await self.rows.all(col(Rehearsal.process_id) == process.id), key=lambda row: row.id)
        for row in rows[: max(len(rows) - KEPT + 1, 0)]:
            await self.rows.delete(row)


@dataclass(frozen=True, slots=True)
class _Means:
    """The draft, and how many seconds each node usually takes."""

    draft: Source
    seconds: dict[str, float]


async def _walk_both(line: RehearsalLine, means: _Means) -> None:
    instance = (await session().exec(select(Instance).where(col(Instance.id) == line.instance_id))).one_or_none()
    if instance is None:
        raise LookupError("The request is gone.")
    version = (await session().exec(select(ProcessVersion).where(col(ProcessVersion.id) == instance.version_id))).one()
    ran_on = Source(flow_of_version(version), version.form_schema)
    form = await _submitted_form(instance)
    before = Outlook.of(await walk(_planned(instance, ran_on, form), means.seconds))
    after = Outlook.of(await walk(_planned(instance, means.draft, form), means.seconds))
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


REHEARSAL = RehearsalJob()
