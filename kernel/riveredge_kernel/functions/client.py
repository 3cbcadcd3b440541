"""The Inngest client, from settings: embedded, self-hosted or Inngest's cloud."""

import os
from collections.abc import Sequence
from typing import Any

import inngest
import structlog

from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.settings import InngestSettings, Settings

log = structlog.get_logger(__name__)

# Where the app answers Inngest's calls.
PATH = "/api/inngest"
# Keys that the embedded engine and a development server do not look at, but the SDK asks for.
_ANY_KEY = "riveredge"


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


class InngestAbsentError(Exception):
    """Nobody answers at Inngest's address."""


class EventSender:
    """Sends outbox rows. The event's id is the row's, so Inngest takes a repeated one only once."""

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
    data: dict[str, Any] = {**row.data, "riveredge": {**row.data.get("riveredge", {}), "request_id": row.request_id}}
    if row.tenant_id is not None:
        data["tenant_id"] = str(row.tenant_id)
    instant = row.due_at or row.created_at
    return inngest.Event(id=str(row.id), name=row.name, data=data, ts=int(instant.timestamp() * 1000))
