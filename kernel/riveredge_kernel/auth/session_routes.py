"""`/api/v1/auth/sessions`: where one is signed in, and how to end that."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.answers import Ended, SessionOut
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.db.database import Database
from riveredge_sdk.http import Router
from riveredge_sdk.problems import NotFound
from riveredge_sdk.runtime import Runtime


def session_router(database: Database, runtime: Runtime, sessions: Sessions) -> Router:
    """The routes."""
    router = Router(prefix="/auth", tag="Sign in")

    async def _visible(db: AsyncSession) -> list[UserSession]:
        """One's own sessions; to one that a tenant's identity provider has vouched for, those of that tenant only."""
        me, _ = own_session()
        found = await sessions.of_user(db, me.id)
        return [s for s in found if not me.tenant_bound or (s.bound and s.acting_tenant_id == me.tenant_id)]

    @router.get("/sessions", signed_in=True, summary="Where am I signed in?")
    async def list_sessions() -> list[SessionOut]:
        _, current = own_session()
        async with database.system("list sessions", runtime, read_only=True) as db:
            found = await _visible(db)
        return [SessionOut.model_validate(s).model_copy(update={"current": s.id == current}) for s in found]

    @router.delete("/sessions/{session_id}", signed_in=True, summary="End one of one's sessions")
    async def revoke_session(session_id: UUID) -> None:
        async with database.system("revoke session", runtime) as db:
            if session_id not in [session.id for session in await _visible(db)]:
                raise NotFound("You have no such session, or it has ended already.")
            await sessions.revoke(db, [session_id], "by the user")

    @router.post("/logout", signed_in=True, status=204, own_transactions=True, summary="Sign out here")
    async def logout() -> None:
        _, current = own_session()
        async with database.system("sign-out", runtime) as db:
            await sessions.revoke(db, [current], "signed out")

    @router.post("/logout-everywhere", signed_in=True, status=200, own_transactions=True, summary="Sign out everywhere")
    async def logout_everywhere(*, keep_this: bool = False) -> Ended:
        """Ends all of one's sessions; with `keep_this`, all others."""
        _, current = own_session()
        async with database.system("sign-out", runtime) as db:
            ids = [s.id for s in await _visible(db) if not (keep_this and s.id == current)]
            return Ended(sessions=await sessions.revoke(db, ids, "signed out everywhere"))

    return router
