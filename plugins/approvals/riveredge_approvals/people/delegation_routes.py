"""`/api/v1/approvals/delegations`: who stands in for whom for a time, in one process or in all."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_approvals.people import delegations
from riveredge_approvals.people.delegation_schemas import (
    DelegationChange,
    DelegationIn,
    DelegationOut,
    DelegationQuery,
)
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk import ExpectedVersion, Page, Router

router = Router(prefix="/delegations", tag="Approvals: delegations", audit="approvals.delegation")
rows = delegations.Delegations()


@router.get(require=REQUEST_USE, summary="List who stands in for whom")
async def list_delegations(query: Annotated[DelegationQuery, Query()]) -> Page[DelegationOut]:
    """One's own, on either side; all of the organisation with `approvals.people.admin`."""
    return await rows.page(query, *delegations.in_box(query), into=DelegationOut)


@router.get("/{delegation_id}", require=REQUEST_USE, summary="Who stands in for somebody")
async def get_delegation(delegation_id: UUID) -> DelegationOut:
    return DelegationOut.model_validate(await delegations.seen(delegation_id))


@router.post(require=REQUEST_USE, summary="Let somebody stand in")
async def create_delegation(body: DelegationIn) -> DelegationOut:
    """She is asked instead where a node asks from then on; what is asked already stays (see handovers)."""
    return DelegationOut.model_validate(await delegations.add(body))


@router.patch("/{delegation_id}", require=REQUEST_USE, summary="Change who stands in, or when")
async def change_delegation(delegation_id: UUID, body: DelegationChange, version: ExpectedVersion) -> DelegationOut:
    row = await delegations.owned(delegation_id, version)
    return DelegationOut.model_validate(await delegations.change(row, body))


@router.delete("/{delegation_id}", require=REQUEST_USE, summary="Let nobody stand in any more")
async def delete_delegation(delegation_id: UUID, version: ExpectedVersion) -> None:
    await rows.delete(await delegations.owned(delegation_id, version))
