"""The outbox: events are rows of the transaction that caused them."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.events.models import OutboxEvent
from riveredge_sdk.context import current_context
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.models import utcnow

# The process that wrote a row sends it at once; after this time any other may, in case it has died.
FIRST_LEASE = timedelta(seconds=5)


class Outbox:
    """Writes events. `is_consumed` tells whether any function is triggered by an event of this name."""

    def __init__(self, is_consumed: Callable[[str], bool]) -> None:
        self._is_consumed = is_consumed

    async def write(self, session: AsyncSession, events: Sequence[PublishedEvent]) -> None:
        """Add rows for the events, in the running transaction."""
        context = current_context()
        for event in events:
            session.add(
                OutboxEvent(
                    id=event.id,
                    tenant_id=context.tenant_id,
                    name=event.name,
                    data=event.data,
                    due_at=event.due_at,
                    request_id=context.request_id,
                    consumed=self._is_consumed(event.name),
                    next_attempt_at=utcnow() + FIRST_LEASE,
                )
            )
        await session.flush()
