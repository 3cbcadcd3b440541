"""Move running requests to another version: each by itself, under its lock, with what became of it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from riveredge_approvals.engine.advance import advance
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.migrating import Place, migrate, plan
from riveredge_approvals.engine.store import flow_of_version, load, save, waiting
from riveredge_approvals.events import MIGRATION_ASKED, MigrationRef
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import ENDED, Instance, ProcessVersion
from riveredge_approvals.processes.migration_models import Migration, MigrationLine
from riveredge_approvals.processes.migration_schemas import MigrationIn
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import (
    FilterField,
    FunctionContext,
    Repository,
    current_principal,
    publish,
    session,
    unit_of_work,
    utcnow,
)
from riveredge_sdk.functions import Failure
from riveredge_sdk.json_schema import mismatches
from riveredge_sdk.problems import Conflict, FieldError, Invalid, NotFound, invalid_field

BATCH = 50
SILENCE = timedelta(hours=1)
# Inngest ends a run after 1000 steps.
MAX_BATCHES = 900


class Migrations(Repository[Migration]):
    """What was asked."""

    model = Migration
    fields = (FilterField("dry_run", "boolean", Migration.dry_run), FilterField("state", "text", Migration.state))


class MigrationLines(Repository[MigrationLine]):
    """What became of each request."""

    model = MigrationLine
    fields = (FilterField("state", "text", MigrationLine.state), FilterField("number", "text", MigrationLine.number))
    default_sort = "number"


async def ask(process_id: UUID, body: MigrationIn) -> Migration:
    """Begin to look at, or to move, the requests of a version.

    Raises:
        NotFound: there is no such process.
        Invalid: there is no such version, or `map` names nodes that are not there or are of another kind.
        Conflict: a migration of the process is under way, or there are too many requests.
    """
    process = await Processes().get(process_id, lock=True)
    source = await _numbered(process.id, body.source, "from")
    target = await _numbered(process.id, body.target, "to")
    if source.id == target.id:
        raise invalid_field("to", "They run on this version already.", "same")
    _check_names(flow_of_version(source), flow_of_version(target), body.names)
    # One whose run was cancelled moves nothing any more, and stands in nobody's way for long.
    alive = col(Migration.updated_at) > utcnow() - SILENCE
    if await Migrations().find(col(Migration.process_id) == process.id, col(Migration.state) == "running", alive):
        raise Conflict("Another migration of this process is under way.")
    total = (await session().exec(select(func.count()).where(*_on(source)))).one()
    if total > BATCH * MAX_BATCHES:
        raise Conflict(f"At most {BATCH * MAX_BATCHES} requests are moved at a time; there are {total}.")
    row = await Migrations().add(
        Migration(
            process_id=process.id,
            source=source.number,
            target=target.number,
            names=body.names,
            dry_run=body.dry_run,
            total=total,
            requested_by=current_principal().id,
        )
    )
    publish(MIGRATION_ASKED, MigrationRef(migration_id=row.id))
    return row


async def run(ctx: FunctionContext, event: MigrationRef) -> int:
    """Go through the requests, in the order of their ids; how many there were."""

    after: str | None = None
    for number in range(MAX_BATCHES):

        async def batch(last: str | None = after) -> str | None:
            return await _batch(event.migration_id, UUID(last) if last is not None else None)

        after = await ctx.step.run(f"batch-{number}", batch)
        if after is None:
            break

    @unit_of_work()
    async def finish() -> int:
        row = await Migrations().get(event.migration_id, lock=True)
        if row.state == "running":
            row.state, row.finished_at = "completed", utcnow()
        return row.done

    return await ctx.step.run("finish", finish)


@unit_of_work()
async def failed(_ctx: FunctionContext, failure: Failure) -> None:
    """It did not come to its end; what was moved stays moved, and another one can go on."""
    row = await Migrations().get(UUID(failure.data["migration_id"]), lock=True)
    if row.state == "running":
        row.state, row.finished_at = "failed", utcnow()


async def _batch(migration_id: UUID, after: UUID | None) -> str | None:
    """The next requests, each in a unit of work of its own; the id of the last one, None if there is none left."""
    async with unit_of_work():
        row = await Migrations().get(migration_id)
        source = await _numbered(row.process_id, row.source, "from")
        later = [col(Instance.id) > after] if after is not None else []
        query = select(Instance.id).where(*_on(source), *later).order_by(col(Instance.id)).limit(BATCH)
        ids = (await session().exec(query)).all()
    for instance_id in ids:
        async with unit_of_work():
            await _one(migration_id, instance_id)
    return str(ids[-1]) if ids else None


async def _one(migration_id: UUID, instance_id: UUID) -> None:
    try:
        case = await load(instance_id)
    except NotFound:
        return
    row = await Migrations().get(migration_id, lock=True)
    if await MigrationLines().find(
        col(MigrationLine.migration_id) == row.id, col(MigrationLine.instance_id) == instance_id
    ):
        return
    case.actor = row.requested_by
    source = await _numbered(row.process_id, row.source, "from")
    target = await _numbered(row.process_id, row.target, "to")
    if case.instance.version_id != source.id or case.instance.status in ENDED:
        await _note(row, case, "gone", [], [])
        return
    if not row.dry_run and await advance(case, await waiting(instance_id)):
        # What has happened on the version that it ran on is taken in there.
        await save(case)
        case = await load(instance_id)
        case.actor = row.requested_by
    flow = flow_of_version(target)
    places = plan(case, flow, row.names)
    why = [f"{place.node}: {place.why}" for place in places if place.why]
    why += [
        f"{each.field}: {each.message}" for each in mismatches(case.instance.form, target.form_schema, where="form")
    ]
    if case.instance.status in ENDED:
        await _note(row, case, "gone", [], [])
        return
    if not why and not row.dry_run:
        await migrate(case, flow, row.names)
        case.instance.version_id = target.id
        case.instance.rev += 1
        await save(case)
    await _note(row, case, "kept" if why else "moves" if row.dry_run else "moved", places, why)


async def _note(row: Migration, case: Case, state: str, places: list[Place], why: list[str]) -> None:
    row.done += 1
    row.kept += state == "kept"
    nodes = [{"node": place.node, "to": place.to, "anew": place.anew, "why": place.why} for place in places]
    await MigrationLines().add(
        MigrationLine(
            migration_id=row.id,
            instance_id=case.instance.id,
            number=case.instance.number,
            state=state,
            nodes=nodes,
            why=why,
        )
    )


def _on(version: ProcessVersion) -> list[ColumnElement[bool]]:
    """The requests that run on a version."""
    return [col(Instance.version_id) == version.id, col(Instance.status).not_in(ENDED)]


def _check_names(source: CompiledFlow, target: CompiledFlow, names: dict[str, str]) -> None:
    errors = []
    for name, to in names.items():
        old, new = source.nodes.get(name), target.nodes.get(to)
        if old is None:
            errors.append(FieldError(f"map.{name}", f"Version {source.version} has no such node.", "unknown"))
        elif new is None:
            errors.append(FieldError(f"map.{name}", f"Version {target.version} has no node {to!r}.", "unknown"))
        elif old.kind != new.kind:
            errors.append(FieldError(f"map.{name}", f"{to!r} is of another kind: {new.kind}.", "kind"))
    if len(set(names.values())) != len(names):
        errors.append(FieldError("map", "Two nodes cannot become one.", "twice"))
    if errors:
        raise Invalid("The nodes do not fit.", errors=errors)


async def _numbered(process_id: UUID, number: int, field: str) -> ProcessVersion:
    query = select(ProcessVersion).where(
        col(ProcessVersion.process_id) == process_id, col(ProcessVersion.number) == number
    )
    found = (await session().exec(query)).one_or_none()
    if found is None:
        raise invalid_field(field, f"There is no version {number} of this process.", "unknown")
    return found
