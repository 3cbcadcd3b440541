"""Who may see a request: its submitter, whoever is or was asked about it or told of it, and who sees all."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import col, select

from riveredge_approvals.models import CarbonCopy, Instance, Task
from riveredge_approvals.permissions import INSTANCE_READ
from riveredge_sdk import current_principal, session
from riveredge_sdk.problems import NotFound


def visible() -> ColumnElement[bool]:
    """The condition that the current user may see an instance."""
    principal = current_principal()
    if principal.may(INSTANCE_READ):
        return col(Instance.id).is_not(None)
    me = principal.id
    asked: Any = exists().where(col(Task.instance_id) == col(Instance.id), col(Task.assignee_id) == me)
    told: Any = exists().where(col(CarbonCopy.instance_id) == col(Instance.id), col(CarbonCopy.user_id) == me)
    return or_(col(Instance.submitter_id) == me, asked, told)


async def may_see(instance_id: UUID) -> bool:
    """Whether the current user may see an instance."""
    found = await session().exec(select(Instance.id).where(col(Instance.id) == instance_id, visible()))
    return found.first() is not None


async def must_see(instance_id: UUID) -> None:
    """See that she may.

    Raises:
        NotFound: she may not, or there is none: which of the two is not told.
    """
    if not await may_see(instance_id):
        raise NotFound(f"There is no request with the id {instance_id} here.")
