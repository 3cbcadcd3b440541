"""`/api/v1/stream/tickets` and `/api/v1/stream/topics`: what a browser asks for before it opens the stream."""

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riveredge_kernel.http.gate import TENANT_HINT
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.stream.door import StreamDoor
from riveredge_kernel.stream.follower import Credential
from riveredge_kernel.stream.tickets import TICKET_SECONDS, StreamTickets
from riveredge_sdk.auth import current_principal
from riveredge_sdk.http import Router
from riveredge_sdk.problems import Forbidden


class TicketOut(BaseModel):
    """Entry to the stream for one connection: `wss://…/api/v1/stream?ticket=…`."""

    ticket: str
    expires_in: Annotated[int, Field(description="Seconds within which it is to be used, once.")]


class TopicOut(BaseModel):
    """Something that one can follow."""

    id: str
    plugin: str
    title: str
    description: str
    scope: Annotated[str, Field(description="tenant: no key. user: one's own. object: the key is the object's id.")]


def stream_router(tickets: StreamTickets, door: StreamDoor) -> Router:
    """The routes."""
    router = Router(prefix="/stream", tag="Live stream", audit=False)

    @router.post("/tickets", signed_in=True, summary="Get a ticket for the live stream")
    async def create_ticket(request: Request, response: Response) -> TicketOut:
        """A ticket is good once, for half a minute, and for what the access token that asks for it is good for."""
        if current_principal().tenant_id is None:
            raise Forbidden("Choose an organisation first: POST /api/v1/auth/token with its name.")
        response.headers["Cache-Control"] = "no-store"
        credential = Credential(request.headers["authorization"], request.scope.get(TENANT_HINT))
        return TicketOut(ticket=await tickets.issue(credential), expires_in=TICKET_SECONDS)

    @router.get("/topics", signed_in=True, summary="What I can follow")
    async def list_topics() -> list[TopicOut]:
        """The topics of the plugins that are on, as far as one's permissions reach."""
        principal = current_principal()
        switches = await door.switches(principal)
        return [
            TopicOut(id=t.id, plugin=plugin, title=t.title, description=t.description, scope=t.scope)
            for plugin, t in door.topics.values()
            if switches is not None
            and (t.permission is None or principal.may(t.permission))
            and is_on(door.plugins, plugin, switches)
        ]

    return router
