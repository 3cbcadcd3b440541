"""`/api/v1/approvals/connections`: how nodes reach other systems."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_approvals.effects import calling, connections
from riveredge_approvals.effects.connection_schemas import (
    ConnectionChange,
    ConnectionIn,
    ConnectionOut,
    TestCallIn,
    TestCallOut,
)
from riveredge_approvals.permissions import CONNECTION_WRITE, PROCESS_READ
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, unit_of_work, uuid7
from riveredge_sdk.webhooks import CallFailedError, shown

router = Router(prefix="/connections", tag="Approvals: connections", audit="approvals.connection")
rows = connections.Connections()


@router.get(require=PROCESS_READ, summary="List connections")
async def list_connections(query: Annotated[ListQuery, Query()]) -> Page[ConnectionOut]:
    return await rows.page(query, into=ConnectionOut)


@router.get("/{connection_id}", require=PROCESS_READ, summary="One connection")
async def get_connection(connection_id: UUID) -> ConnectionOut:
    return connections.show(await rows.get(connection_id))


@router.post(require=CONNECTION_WRITE, summary="Create a connection")
async def create_connection(body: ConnectionIn) -> ConnectionOut:
    return connections.show(await connections.create(body))


@router.patch("/{connection_id}", require=CONNECTION_WRITE, summary="Change a connection")
async def change_connection(connection_id: UUID, body: ConnectionChange, version: ExpectedVersion) -> ConnectionOut:
    """Headers and secret stay if they are left out."""
    row = await rows.get(connection_id, version=version, lock=True)
    return connections.show(await connections.change(row, body))


@router.delete("/{connection_id}", require=CONNECTION_WRITE, summary="Delete a connection")
async def delete_connection(connection_id: UUID, version: ExpectedVersion) -> None:
    await connections.delete(await rows.get(connection_id, version=version, lock=True))


@router.post(
    "/{connection_id}/test", require=CONNECTION_WRITE, status=200, own_transactions=True, summary="Try a connection"
)
async def test_connection(connection_id: UUID, body: TestCallIn) -> TestCallOut:
    """Calls the other system with what is stored, and shows the beginning of its answer."""
    async with unit_of_work(independent=True, read_only=True):
        reached = connections.open_up(await rows.get(connection_id))
    try:
        answer = await calling.call(reached, body.method, body.path, key=str(uuid7()), body=body.body)
    except CallFailedError as failed:
        return TestCallOut(answer="", error=str(failed))
    return TestCallOut(status=answer.status_code, answer=shown(answer))
