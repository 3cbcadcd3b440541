"""What happens to accounts, told in one place: as lines of the log, by ids and never by addresses or secrets."""

from typing import Literal
from uuid import UUID

import structlog

log = structlog.get_logger("riveredge.auth")

Happening = Literal[
    "signed_in",
    "sign_in_failed",
    "second_factor_failed",
    "refresh_token_replayed",
    "sessions_ended",
    "password_changed",
    "email_changed",
    "second_factor_on",
    "second_factor_off",
    "invitation_accepted",
    "ticket_issued",
]


def note(what: Happening, user_id: UUID | None, *, tenant_id: UUID | None = None, **more: str | int | bool) -> None:
    """Tell it.

    Args:
        user_id: whose account; None if there is no such account.
        more: how, from where, why, how many.
    """
    log.info("auth", what=what, user=str(user_id or ""), tenant=str(tenant_id or ""), **more)
