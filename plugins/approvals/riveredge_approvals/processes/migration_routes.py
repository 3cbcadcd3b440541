"""`/api/v1/approvals/processes/{id}/migrations`: move running requests to another version."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlmodel import col

from riveredge_approvals.permissions import INSTANCE_ADMIN
from riveredge_approvals.processes.migrating import MIGRATION
from riveredge_approvals.processes.migration_models import Migration, MigrationLine
from riveredge_approvals.processes.migration_schemas import MigrationIn, MigrationLineOut, MigrationOut
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import ListQuery, Page, Router
from riveredge_sdk.problems import NotFound

router = Router(prefix="/processes/{process_id}/migrations", tag="Approvals: processes", audit="approvals.migration")


@router.post(require=INSTANCE_ADMIN, status=202, summary="Move running requests to another version")
async def create_migration(process_id: UUID, body: MigrationIn, response: Response) -> MigrationOut:
    """A durable function goes through them; `Location` says how far it is. By default nothing is moved."""
    made = await MIGRATION.ask(process_id, body)
    response.headers["Location"] = f"/api/v1/approvals/processes/{process_id}/migrations/{made.id}"
    return MigrationOut.model_validate(made)


@router.get(require=INSTANCE_ADMIN, summary="List migrations")
async def list_migrations(process_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[MigrationOut]:
    await Processes().get(process_id)
    return await MIGRATION.rows.page(query, col(Migration.process_id) == process_id, into=MigrationOut)


@router.get("/{migration_id}", require=INSTANCE_ADMIN, summary="How far a migration is")
async def get_migration(process_id: UUID, migration_id: UUID) -> MigrationOut:
    return MigrationOut.model_validate(await _found(process_id, migration_id))


@router.post("/{migration_id}/cancel", require=INSTANCE_ADMIN, status=200, summary="Stop it")
async def cancel_migration(process_id: UUID, migration_id: UUID) -> MigrationOut:
    """Requests that were moved stay moved; the others stay where they are."""
    await _found(process_id, migration_id)
    return MigrationOut.model_validate(await MIGRATION.cancel(migration_id))


@router.get("/{migration_id}/instances", require=INSTANCE_ADMIN, summary="What became of each request")
async def list_migrated(
    process_id: UUID, migration_id: UUID, query: Annotated[ListQuery, Query()]
) -> Page[MigrationLineOut]:
    row = await _found(process_id, migration_id)
    return await MIGRATION.lines.page(query, col(MigrationLine.migration_id) == row.id, into=MigrationLineOut)


async def _found(process_id: UUID, migration_id: UUID) -> Migration:
    row = await MIGRATION.rows.get(migration_id)
    if row.process_id != process_id:
        raise NotFound(f"There is no migration with the id {migration_id} here.")
    return row
