"""Tickets: proof that somebody was there a moment ago and meant exactly this. Implements `REAUTHENTICATION`."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import col, delete

from riveredge_kernel.auth.one_time import OneTimeToken, OneTimeTokens, Purpose
from riveredge_kernel.auth.sessions import hashed
from riveredge_kernel.auth.trail import note
from riveredge_kernel.db.database import Database
from riveredge_sdk.auth import Reauthenticated, ReauthenticationRequired, current_principal
from riveredge_sdk.context import current_tenant
from riveredge_sdk.models import utcnow
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import session


class Tickets:
    """Issues and redeems tickets."""

    def __init__(self, database: Database, runtime: Runtime, *, minutes: int) -> None:
        self._database = database
        self._runtime = runtime
        self.life = timedelta(minutes=minutes)

    async def issue(self, user_id: UUID, tenant_id: UUID, shown: list[str], *, purpose: str, content_hash: str) -> str:
        """A ticket for somebody who has just proven who they are."""
        data = {
            "tenant_id": str(tenant_id),
            "purpose": purpose,
            "content_hash": content_hash,
            "shown": shown,
            "at": utcnow().isoformat(),
        }
        async with self._database.system("ticket", self._runtime) as db:
            await note(db, "ticket_issued", user_id, tenant_id=tenant_id, purpose=purpose)
            return await OneTimeTokens.issue(db, user_id, Purpose.TICKET, self.life, data, replace=False)

    async def redeem(self, ticket: str | None, *, purpose: str, content_hash: str) -> Reauthenticated:
        """See `riveredge_sdk.auth.redeem_ticket`."""
        required = ReauthenticationRequired(purpose=purpose, content_hash=content_hash)
        principal = current_principal()
        if not ticket or principal.session_id is None:
            raise required
        own = (
            col(OneTimeToken.token_hash) == hashed(ticket),
            col(OneTimeToken.purpose) == Purpose.TICKET,
            col(OneTimeToken.user_id) == principal.id,
            col(OneTimeToken.expires_at) > utcnow(),
        )
        # In the running unit of work: what the ticket was for and its use happen together, or neither.
        row = await OneTimeTokens.find(session(), ticket, Purpose.TICKET, lock=True)
        meant = {"tenant_id": str(current_tenant()), "purpose": purpose, "content_hash": content_hash}
        if row is None or any(row.data[name] != value for name, value in meant.items()):
            raise required
        if not (await session().exec(delete(OneTimeToken).where(*own))).rowcount:
            raise required
        return Reauthenticated.model_validate(
            {"user_id": row.user_id, "at": row.data["at"], "shown": row.data["shown"]}
        )
