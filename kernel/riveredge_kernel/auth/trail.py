"""What happens to accounts, told in one place: as lines of the log and as entries of organisations' audit logs.

By ids, never by addresses or secrets. Entries are written in the transaction of what they tell of. An account belongs
to no organisation, so what happens to it is told to all that it is a member of; a sign-in to the one that it is for.
"""

from typing import Literal
from uuid import UUID

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.audit.log import entry
from riveredge_kernel.auth.models import Membership, User
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import current_context

log = structlog.get_logger("riveredge.auth")

Happening = Literal[
    "signed_in",
    "sign_in_failed",
    "second_factor_failed",
    "refresh_token_replayed",
    "signed_out",
    "sessions_ended",
    "password_changed",
    "email_changed",
    "second_factor_on",
    "second_factor_off",
    "invitation_accepted",
    "ticket_issued",
]
# Nobody is a member of more that look at it.
_MAX_TENANTS = 50
_OPERATOR = "by an operator"


async def note(
    db: AsyncSession, what: Happening, user_id: UUID, *, tenant_id: UUID | None = None, **more: str | int | bool
) -> None:
    """Tell it.

    Args:
        db: the transaction in which it happens.
        user_id: whose account.
        tenant_id: the organisation that it concerns; None for all of the user's.
        more: how, from where, why, how many.
    """
    log.info("auth", what=what, user=str(user_id), tenant=str(tenant_id or ""), **more)
    name = (await db.exec(select(User.name).where(col(User.id) == user_id))).one_or_none()
    if name is None:
        return
    tenants = [tenant_id] if tenant_id is not None else await _tenants_of(db, user_id)
    for tenant in tenants:
        told = AuditRecord(
            action=f"kernel.account.{what}",
            object_kind="kernel.account",
            object_id=str(user_id),
            object_title=name[:200],
            details=more,
            tenant_id=tenant,
        )
        made = entry(told)
        if current_context().principal is None:
            # Who signs in is nobody yet.
            by_operator = _OPERATOR in str(more.get("because", ""))
            made.actor_kind, made.actor_id = ("operator", None) if by_operator else ("user", user_id)
            made.actor_name = "" if by_operator else name[:200]
        db.add(made)


async def _tenants_of(db: AsyncSession, user_id: UUID) -> list[UUID]:
    query = select(Membership.tenant_id).where(col(Membership.user_id) == user_id).limit(_MAX_TENANTS)
    return list((await db.exec(query)).all())
