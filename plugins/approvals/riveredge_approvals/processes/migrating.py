"""Move running requests to another version: each by itself, under its lock, with what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from riveredge_approvals.engine.advance import advance
from riveredge_approvals.engine.migrating import Place, migrate, plan
from riveredge_approvals.engine.store import flow_of_version, load, save, waiting
from riveredge_approvals.events import MIGRATION_ASKED
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.jobs.job import Job
from riveredge_approvals.models import ENDED, Instance, InstanceStatus, ProcessVersion
from riveredge_approvals.permissions import INSTANCE_ADMIN
from riveredge_approvals.processes.migration_models import Migration, MigrationLine
from riveredge_approvals.processes.migration_schemas import MigrationIn
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import FilterField, Repository, session
from riveredge_sdk.json_schema import mismatches
from riveredge_sdk.problems import FieldError, Invalid, invalid_field


class Migrations(Repository[Migration]):
    """What was asked."""

    model = Migration
    fields = (FilterField("dry_run", "boolean", Migration.dry_run), FilterField("state", "text", Migration.status))


class MigrationLines(Repository[MigrationLine]):
    """What became of each request."""

    model = MigrationLine
    fields = (FilterField("state", "text", MigrationLine.state), FilterField("number", "text", MigrationLine.number))
    default_sort = "number"


class MigrationJob(Job[Migration, "_Versions"]):
    """The requests of a version, in the order of their ids."""

    name = "migration"
    title = "Move requests to another version"
    permission = INSTANCE_ADMIN
    function_id = "approvals.migrate"
    event = MIGRATION_ASKED
    rows = Migrations()
    lines = MigrationLines()

    async def ask(self, process_id: UUID, body: MigrationIn) -> Migration:
        """Begin to look at, or to move, the requests of a version.

        Raises:
            NotFound: there is no such process.
            Invalid: there is no such version, or `map` names nodes that are not there or are of another kind.
            Conflict: a migration of the process is under way.
        """
        process = await Processes().get(process_id, lock=True)
        source = await _numbered(process.id, body.source, "from")
        target = await _numbered(process.id, body.target, "to")
        if source.id == target.id:
            raise invalid_field("to", "They run on this version already.", "same")
        _check_names(flow_of_version(source), flow_of_version(target), body.names)
        await self.alone(col(Migration.process_id) == process.id)
        row = Migration(
            process_id=process.id,
            source=source.number,
            target=target.number,
            names=body.names,
            dry_run=body.dry_run,
        )
        row.total = (await session().exec(select(func.count()).where(*_on(source, row)))).one()
        return await self.begin(row)

    async def ahead(self, row: Migration, after: UUID | None, limit: int) -> Sequence[UUID]:
        source = await _numbered(row.process_id, row.source, "from")
        if after is None:
            # Another run begins behind the last one that the run before came to.
            seen = select(MigrationLine.instance_id).where(col(MigrationLine.migration_id) == row.id)
            after = (await session().exec(seen.order_by(col(MigrationLine.instance_id).desc()).limit(1))).first()
        later = [col(Instance.id) > after] if after is not None else []
        query = select(Instance.id).where(*_on(source, row), *later).order_by(col(Instance.id))
        return (await session().exec(query.limit(limit))).all()

    async def prepare(self, row: Migration) -> "_Versions":
        source = await _numbered(row.process_id, row.source, "from")
        target = await _numbered(row.process_id, row.target, "to")
        return _Versions(source.id, target.id, flow_of_version(target), target.form_schema)

    async def act(self, row: Migration, key: UUID, means: "_Versions") -> bool | None:
        case = await load(key)
        if await self.lines.find(col(MigrationLine.migration_id) == row.id, col(MigrationLine.instance_id) == key):
            return None
        case.actor = row.started_by
        on_source = case.instance.version_id == means.source_id
        if on_source and not row.dry_run and await advance(case, await waiting(key)):
            # What has happened on the version that it ran on is taken in there.
            await save(case)
            case = await load(key)
            case.actor = row.started_by
        if not on_source or case.instance.status in ENDED:
            await self._note(row, case.instance, "gone")
            return True
        places = plan(case, means.flow, row.names)
        why = [f"{place.node}: {place.why}" for place in places if place.why]
        # A draft is looked at when it is submitted.
        is_draft = case.instance.status == InstanceStatus.DRAFT
        unfit = [] if is_draft else mismatches(case.instance.form, means.form_schema, where="form")
        why += [f"{each.field}: {each.message}" for each in unfit]
        if not why and not row.dry_run:
            await migrate(case, means.flow, row.names)
            case.instance.version_id = means.target_id
            case.instance.rev += 1
            await save(case)
        await self._note(row, case.instance, "kept" if why else "moves" if row.dry_run else "moved", places, why)
        return not why

    async def keep(self, row: Migration, key: UUID, why: str) -> None:
        instance = (await session().exec(select(Instance).where(col(Instance.id) == key))).one_or_none()
        if instance is not None:
            await self._note(row, instance, "kept", why=[why])

    async def _note(
        self, row: Migration, instance: Instance, state: str, places: Sequence[Place] = (), why: Sequence[str] = ()
    ) -> None:
        nodes = [{"node": place.node, "to": place.to, "anew": place.anew, "why": place.why} for place in places]
        await self.lines.add(
            MigrationLine(
                migration_id=row.id,
                instance_id=instance.id,
                number=instance.number,
                state=state,
                nodes=nodes,
                why=list(why),
            )
        )


@dataclass(frozen=True, slots=True)
class _Versions:
    """From where to where."""

    source_id: UUID
    target_id: UUID
    flow: CompiledFlow
    form_schema: Mapping[str, Any]


def _on(version: ProcessVersion, row: Migration) -> list[ColumnElement[bool]]:
    """The requests that run on a version, without those that came after the migration was asked for."""
    older = col(Instance.created_at) <= row.created_at
    return [col(Instance.version_id) == version.id, col(Instance.status).not_in(ENDED), older]


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


MIGRATION = MigrationJob()
