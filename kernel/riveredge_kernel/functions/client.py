"""The Inngest client, from settings: embedded, self-hosted or Inngest's cloud."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import inngest
import structlog

from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.settings import InngestSettings, Settings
from riveredge_kernel.tracing import of_event

log = structlog.get_logger(__name__)

# Where the app answers Inngest's calls.
PATH = "/api/inngest"
# Keys that the embedded engine and a development server do not look at, but the SDK asks for.
_ANY_KEY = "riveredge"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def make_client(settings: Settings, middleware: type[inngest.Middleware]) -> inngest.Inngest:
    """The client that all functions belong to."""
    wanted = settings.inngest
    if wanted.signing_key_fallback is not None:
        # The SDK takes the fallback key from the environment only.
        os.environ["INNGEST_SIGNING_KEY_FALLBACK"] = wanted.signing_key_fallback.get_secret_value()
    return inngest.Inngest(
        app_id=wanted.app_id,
        api_base_url=wanted.base_url,
        event_api_base_url=wanted.event_base_url or wanted.base_url,
        event_key=_secret(wanted, "event_key") or _ANY_KEY,
        signing_key=_secret(wanted, "signing_key"),
        env=wanted.env,
        # With a signing key every call of Inngest is verified.
        is_production=wanted.signing_key is not None,
        middleware=[middleware],
        request_timeout=10_000,
    )


def _secret(settings: InngestSettings, name: str) -> str | None:
    value = getattr(settings, name)
    return value.get_secret_value() if value is not None else None


# How often an event is sent with its own id.
SAME_ID = 2


class InngestAbsentError(Exception):
    """Nobody answers at Inngest's address."""


def wire_id(event_id: UUID, attempts: int) -> str:
    """The id that Inngest gets: the event's, so that it takes a repeated one only once.

    A server may remember an id for a day although it lost what it was to start. So what was acknowledged twice and
    never seen to start is sent with a new id, which starts functions again; the mirror knows what it belongs to.
    """
    return str(event_id) if attempts < SAME_ID else f"{event_id}:r{attempts - SAME_ID + 1}"


def event_id_of(wire: str) -> tuple[UUID | None, bool]:
    """The event's id from what Inngest tells, and whether it came under a new one."""
    first, _, again = wire.partition(":")
    try:
        return UUID(first), bool(again)
    except ValueError:
        return None, False


class EventSender:
    """Sends outbox rows."""

    def __init__(self, client: inngest.Inngest) -> None:
        self._client = client

    async def send_events(self, events: Sequence[OutboxEvent]) -> None:
        """Hand the events over.

        Raises:
            InngestAbsentError: nobody answers.
            Exception: Inngest, or something before it, did not take them.
        """
        try:
            await self._client.send([_event(row) for row in events])
        except Exception as error:
            # The SDK tells this case, and only in words, after it has tried several times.
            if "never received response" in str(error):
                raise InngestAbsentError("Inngest does not answer") from None
            raise

    async def close(self) -> None:
        """Close the client's connections; the SDK has no public way."""
        await self._client._http_client._http_client.aclose()


def _event(row: OutboxEvent) -> inngest.Event:
    meta = {**row.data.get("riveredge", {}), "request_id": row.request_id}
    if row.traceparent is not None:
        # In the data: Inngest's own convention is one header for all events of a call, which it links and never
        # continues.
        meta["traceparent"] = of_event(row.traceparent, row.id)
    data: dict[str, Any] = {**row.data, "riveredge": meta}
    if row.tenant_id is not None:
        data["tenant_id"] = str(row.tenant_id)
    # Inngest knows milliseconds; cut off, a run would begin up to one of them before its time.
    ts = -((_EPOCH - (row.due_at or row.created_at)) // _MILLISECOND)
    return inngest.Event(id=wire_id(row.id, row.attempts), name=row.name, data=data, ts=ts)
