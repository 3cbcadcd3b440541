"""What operators can limit for an organisation."""

from collections.abc import Iterable

from sqlalchemy import func
from sqlmodel import col, select

from riveredge_approvals.files.repository import FILES_QUOTA
from riveredge_approvals.models import Delegation
from riveredge_sdk import session
from riveredge_sdk.quotas import Quota

DELEGATIONS = "approvals.delegations"


async def _delegations() -> int:
    return (await session().exec(select(func.count(col(Delegation.id))))).one()


def quotas() -> Iterable[Quota]:
    """Substitutes have a limit that an organisation does not meet by itself."""
    return (Quota(DELEGATIONS, "Substitutes that were arranged", _delegations, default=20_000), FILES_QUOTA)
