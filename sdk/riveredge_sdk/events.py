"""Typed events: what happened, published inside a unit of work and delivered at least once after its commit."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

PayloadT = TypeVar("PayloadT", bound=BaseModel)

_NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
# Keys of the event's data that the kernel writes. A payload may not use them.
RESERVED_KEYS = frozenset({"tenant_id", "riveredge"})


@dataclass(frozen=True, slots=True)
class EventType(Generic[PayloadT]):
    """The name and shape of an event.

    `name` is `<plugin>/<thing>.<what happened>`, for example `messaging/message.requested`. On the wire the payload's
    fields lie in `event.data` beside `tenant_id`, so that Inngest expressions such as `event.data.message_id` work.

    `internal` are the steps of a plugin's own work, which it does not promise to anybody: organisations are not offered
    them.
    """

    name: str
    payload: type[PayloadT]
    title: str
    description: str = ""
    internal: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"event name {self.name!r}: expected '<plugin>/<thing>.<what_happened>' in lower case")
        clash = RESERVED_KEYS & self.payload.model_fields.keys()
        if clash:
            raise ValueError(f"event {self.name!r}: the payload may not have fields called {sorted(clash)}")

    @property
    def plugin(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvent:
    """What `publish` hands to the kernel's outbox.

    `due_at` is when functions start (None: at once), `tenant_id` whose it is (None: the tenant being served), and
    `request_id` what set it off (None: the running request).
    """

    id: UUID
    name: str
    data: dict[str, Any]
    due_at: datetime | None = None
    tenant_id: UUID | None = None
    request_id: str | None = None
