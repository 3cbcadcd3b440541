"""`/api/v1/auth/sessions`: where one is signed in, and how to end that."""

from uuid import UUID

from riveredge_kernel.auth.answers import Ended, SessionOut
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.db.database import Database
from riveredge_sdk.http import Router
from riveredge_sdk.problems import NotFound
from riveredge_sdk.runtime import Runtime


def session_router(database: Database, runtime: Runtime, sessions: Sessions) -> Router:
    """The routes."""
    router = Router(prefix="/auth", tag="Sign in")

    @router.get("/sessions", signed_in=True, summary="Where am I signed in?")
    async def list_sessions() -> list[SessionOut]:
        me, current = own_session()
        async with database.system("list sessions", runtime, read_only=True) as db:
            found = await sessions.of_user(db, me.id)
        return [SessionOut.model_validate(s).model_copy(update={"current": s.id == current}) for s in found]

    @router.delete("/sessions/{session_id}", signed_in=True, summary="End one of one's sessions")
    async def revoke_session(session_id: UUID) -> None:
        me, _ = own_session()
        async with database.system("revoke session", runtime) as db:
            if session_id not in [session.id for session in await sessions.of_user(db, me.id)]:
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
        me, current = own_session()
        async with database.system("sign-out", runtime) as db:
            but = current if keep_this else None
            return Ended(sessions=await sessions.revoke_all(db, me.id, "signed out everywhere", but=but))

    return router
