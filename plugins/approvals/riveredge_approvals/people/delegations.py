"""Who stands in for whom for a time: the rules. What is arranged counts from then on where a node asks (`proxies`)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from riveredge_approvals.models import Delegation, Process
from riveredge_approvals.people.delegation_schemas import DelegationChange, DelegationIn, DelegationQuery
from riveredge_approvals.permissions import PEOPLE_ADMIN
from riveredge_approvals.processes.repository import Processes
from riveredge_approvals.quotas import DELEGATIONS
from riveredge_sdk import FilterField, Repository, current_principal, get_service, utcnow
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import Conflict, FieldError, Forbidden, NotFound, invalid_field
from riveredge_sdk.quotas import claim_quota


class Delegations(Repository[Delegation]):
    """Who stands in for whom."""

    model = Delegation
    fields = (
        FilterField("user_id", "uuid", Delegation.user_id),
        FilterField("substitute_id", "uuid", Delegation.substitute_id),
        FilterField("process_id", "uuid", Delegation.process_id),
        FilterField("starts_at", "datetime", Delegation.starts_at),
        FilterField("ends_at", "datetime", Delegation.ends_at),
    )
    default_sort = "-starts_at"


def in_box(query: DelegationQuery) -> list[ColumnElement[bool]]:
    """What a list is narrowed to.

    Raises:
        Forbidden: all of the organisation are for those who may arrange substitutes for others.
    """
    me, now = current_principal(), utcnow()
    holds = and_(
        col(Delegation.starts_at) <= now, or_(col(Delegation.ends_at).is_(None), col(Delegation.ends_at) > now)
    )
    conditions = [] if query.current is None else [holds if query.current else ~holds]
    if query.box == "all":
        if not me.may(PEOPLE_ADMIN):
            raise Forbidden(
                f"The substitutes of others are for those with {PEOPLE_ADMIN}; see box=given and box=received."
            )
        return conditions
    mine = col(Delegation.user_id) if query.box == "given" else col(Delegation.substitute_id)
    return [*conditions, mine == me.id]


async def seen(delegation_id: UUID) -> Delegation:
    """One that the current user may see: the own ones on either side, or any with the right to.

    Raises:
        NotFound: there is none, or it is about others.
    """
    row, me = await Delegations().get(delegation_id), current_principal()
    if me.id not in {row.user_id, row.substitute_id} and not me.may(PEOPLE_ADMIN):
        raise NotFound(f"There is no delegation with the id {delegation_id} here.")
    return row


async def owned(delegation_id: UUID, version: int) -> Delegation:
    """One that the current user may change: in the version that she has seen.

    Raises:
        NotFound, Forbidden: somebody else has arranged it. PreconditionFailed.
    """
    row = await seen(delegation_id)
    _must_be_allowed(row.user_id)
    return await Delegations().get(row.id, version=version, lock=True)


async def add(body: DelegationIn) -> Delegation:
    """A new one."""
    user_id = body.user_id or current_principal().id
    _must_be_allowed(user_id)
    await claim_quota(DELEGATIONS)
    row = Delegation(**{**body.model_dump(), "user_id": user_id})
    await _check(row, told={"user_id", "substitute_id", "process_id", "ends_at"})
    return await Delegations().add(row)


async def change(row: Delegation, body: DelegationChange) -> Delegation:
    """What is given."""
    values: dict[str, Any] = body.model_dump(exclude_unset=True)
    # One at a time for the organisation, as when they are made: two at once could overlap.
    await claim_quota(DELEGATIONS, 0)
    for name, value in values.items():
        setattr(row, name, value)
    await _check(row, told={*values})
    await Delegations().change(row, {})
    return row


def _must_be_allowed(user_id: UUID) -> None:
    me = current_principal()
    if user_id != me.id and not me.may(PEOPLE_ADMIN):
        raise Forbidden(
            f"Substitutes of others are arranged by those with {PEOPLE_ADMIN}. Leave user_id out for yourself."
        )


async def _check(row: Delegation, *, told: set[str]) -> None:
    """See that it can be so.

    Args:
        told: the fields that the client has sent; only of these it is asked whether they are there and still to come.
    """
    if row.substitute_id == row.user_id:
        raise invalid_field("substitute_id", "Nobody stands in for themselves. Name somebody else.", "self")
    if row.ends_at is not None and row.ends_at <= row.starts_at:
        raise invalid_field("ends_at", f"It starts at {row.starts_at.isoformat()}; it has to end after that.", "order")
    if "ends_at" in told and row.ends_at is not None and row.ends_at <= utcnow():
        raise invalid_field("ends_at", "This time is over. Choose a later one, or delete it.", "past")
    await _check_people(row, told)
    process_id = row.process_id if "process_id" in told else None
    if process_id is not None and await Processes().find(col(Process.id) == process_id) is None:
        raise invalid_field("process_id", f"There is no process with the id {process_id} here.", "unknown")
    await _check_free(row)


async def _check_people(row: Delegation, told: set[str]) -> None:
    asked = {field: getattr(row, field) for field in ("user_id", "substitute_id") if field in told}
    found = await get_service(PEOPLE).find(list(asked.values()))
    for field, user_id in asked.items():
        if user_id not in found or not found[user_id].active:
            raise invalid_field(field, f"{user_id} is no active member of this organisation.", "unknown")


async def _check_free(row: Delegation) -> None:
    """For the same process, or for all, there is one at a time."""
    same = (
        col(Delegation.process_id).is_(None) if row.process_id is None else col(Delegation.process_id) == row.process_id
    )
    other = await Delegations().find(
        col(Delegation.user_id) == row.user_id, same, col(Delegation.id) != row.id, *_within(row.starts_at, row.ends_at)
    )
    if other is None:
        return
    until = f"until {other.ends_at.isoformat()}" if other.ends_at is not None else "until it is deleted"
    raise Conflict(
        f"From {other.starts_at.isoformat()} {until} somebody stands in already"
        f"{' in this process' if row.process_id is not None else ''}. Choose another time, or change that one.",
        errors=[FieldError("starts_at", "Choose another time, or change what is there.", "overlap")],
        extensions={"other": str(other.id)},
    )


def _within(first: datetime, last: datetime | None) -> list[ColumnElement[bool]]:
    conditions = [or_(col(Delegation.ends_at).is_(None), col(Delegation.ends_at) > first)]
    return conditions if last is None else [*conditions, col(Delegation.starts_at) < last]
