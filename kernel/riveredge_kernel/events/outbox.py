"""The outbox: events are rows of the transaction that caused them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert
from sqlalchemy.orm import Session

from riveredge_kernel.db.own_rows import fresh, send_rows
from riveredge_kernel.events.models import OutboxEvent, OutboxState
from riveredge_sdk.context import current_context
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.models import utcnow

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing

# The process that wrote a row sends it at once; after this time any other may, in case it has died.
FIRST_LEASE = timedelta(seconds=5)

_INSERT = insert(OutboxEvent.__table__)  # type: ignore[attr-defined]


class Outbox:
    """Writes events. `is_consumed` tells whether any function is triggered by an event of this name."""

    def __init__(self, is_consumed: Callable[[str], bool], tracing: "Tracing | None" = None) -> None:
        self._is_consumed = is_consumed
        self._tracing = tracing

    def write(self, session: Session, events: Sequence[PublishedEvent]) -> None:
        """Add rows for the events, in the running transaction."""
        context, now = current_context(), utcnow()
        consumed = {name: self._is_consumed(name) for name in {event.name for event in events}}
        trace = self._tracing.current() if self._tracing is not None else None
        rows = [
            {
                **fresh(now),
                "id": event.id,
                "tenant_id": event.tenant_id or context.tenant_id,
                "name": event.name,
                "data": event.data,
                "due_at": event.due_at,
                "request_id": context.request_id if event.request_id is None else event.request_id,
                # What a function publishes for one of many tenants begins a trace of its own.
                "traceparent": trace if event.tenant_id in {None, context.tenant_id} else None,
                "state": OutboxState.PENDING,
                "consumed": consumed[event.name],
                "attempts": 0,
                "next_attempt_at": now + FIRST_LEASE,
            }
            for event in events
        ]
        send_rows(session, _INSERT, rows)
