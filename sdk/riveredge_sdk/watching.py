"""Events that organisations choose while the platform runs.

A `FunctionSpec` names its events when it is written. What an organisation makes up later, "when that happens, do this",
needs to be told of events that nobody knew of then. A plugin contributes an `EventWatcher`, which says which events an
organisation wants to hear of; the kernel then publishes a `WatchedEvent` beside each of them, in the same transaction,
and an ordinary function of the plugin takes it from there. Events that nobody watches cost nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk.events import EventType


class WatchedEvent(BaseModel):
    """An event that was watched for. `event_id` is that of the event itself: the same each time this one comes."""

    event_id: UUID
    name: str
    data: dict[str, Any]
    at: datetime


class EventWatcher(ABC):
    """Contributed by `Plugin.event_watchers`.

    Attributes:
        id: `<plugin>.<name>`.
        event: the plugin's own event that is published for each watched one.
    """

    id: ClassVar[str]
    event: ClassVar[EventType[WatchedEvent]]

    @abstractmethod
    async def names(self, tenant_id: UUID) -> Collection[str]:
        """The events that an organisation watches. The plugin's own are never told.

        Called in each transaction that publishes for the organisation, inside its unit of work and before it commits:
        answer from memory, and read no more than one row's worth when that is stale.
        """


__all__ = ["EventWatcher", "WatchedEvent"]
