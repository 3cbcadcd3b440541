"""One connection of the stream: what it follows, and what waits to be sent to it. Never more than a fixed amount."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from riveredge_kernel.metrics import STREAM_GAPS
from riveredge_kernel.stream.journal import ChannelId, Name, Numbered
from riveredge_sdk.auth import Principal
from riveredge_sdk.stream import StreamTopic

# Close codes (RFC 6455 §7.4; those from 4000 on are our own, named after the HTTP status).
GOING_AWAY = 1012
POLICY = 1008
INTERNAL = 1011
TOO_SLOW = 4408
SIGNED_OUT = 4401
FORBIDDEN = 4403

# What waits for a client that does not read; after that it is told to fetch anew.
MAX_WAITING = 256


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client showed: it is looked at again while the connection lasts."""

    authorization: str
    tenant_hint: str | None = None
    address: str | None = None


@dataclass(eq=False, slots=True)
class Subscription:
    """A channel that a connection follows. `position` is the last number that was queued, `sent` the last one sent."""

    follower: "Follower"
    topic: StreamTopic
    plugin: str
    key: str
    since: int | None = None
    position: int = 0
    sent: int = -1
    joined: bool = False
    lagging: bool = False
    gone: bool = False

    @property
    def name(self) -> Name:
        return self.topic.id, self.key

    @property
    def channel(self) -> ChannelId:
        return self.follower.tenant_id, self.topic.id, self.key


@dataclass(frozen=True, slots=True)
class Item:
    """Something to send. `seq` belongs to `subscription`."""

    text: str
    subscription: Subscription | None = None
    seq: int = 0


@dataclass(eq=False)
class Follower:
    """A connection, seen from the hub."""

    principal: Principal
    tenant_id: UUID
    credential: Credential
    subscriptions: dict[Name, Subscription] = field(default_factory=dict)
    close_code: int | None = None
    close_reason: str = ""
    stale: bool = False
    _waiting: deque[Item] = field(default_factory=deque)
    _lagging: list[Subscription] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _taken: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, message: dict[str, Any], subscription: Subscription | None = None, seq: int = 0) -> None:
        """Queue an answer. Its sender waits for `room` first, so that these are bounded, too."""
        self._waiting.append(Item(compact(message), subscription, seq))
        self._changed.set()

    def offer(self, subscription: Subscription, seq: int, text: str) -> None:
        """Queue a push, or, if the client does not keep up, note that it misses some."""
        subscription.position = seq
        if subscription.lagging:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.miss(subscription, seq)
            return
        self._waiting.append(Item(text, subscription, seq))
        self._changed.set()

    def miss(self, subscription: Subscription, seq: int) -> None:
        """Tell the client, when it has read what waits, to fetch anew what it knows by this subscription."""
        subscription.position = seq
        if not subscription.lagging:
            STREAM_GAPS.inc()
            subscription.lagging = True
            self._lagging.append(subscription)
            self._changed.set()

    async def room(self) -> None:
        """Return when less waits than may."""
        while len(self._waiting) >= MAX_WAITING and self.close_code is None:
            self._taken.clear()
            await self._taken.wait()

    def close(self, code: int, reason: str) -> None:
        """End the connection, after what waits has been sent."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason[:120]
            self._changed.set()
            self._taken.set()

    async def take(self, patience: float) -> list[Item]:
        """What is to be sent now; waits up to `patience` seconds for something. Nothing when it is over or quiet."""
        if not (self._waiting or self._lagging or self.close_code is not None):
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), patience)
            except TimeoutError:
                return []
        items = list(self._waiting)
        self._waiting.clear()
        self._taken.set()
        for late in self._lagging:
            late.lagging = False
            if not late.gone:
                items.append(Item(gap(late), late, late.position))
        self._lagging.clear()
        return items


def gap(subscription: Subscription) -> str:
    """What tells a client that it missed something."""
    return compact({"type": "gap", **_named(subscription.name), "seq": subscription.position})


def told(row: Numbered) -> str:
    """A push as clients get it; the same text for all of them."""
    return compact(
        {
            "type": "message",
            **_named((row.topic, row.key)),
            "seq": row.seq,
            "what": row.what,
            "data": row.data,
            "at": row.created_at.isoformat(),
        }
    )


def about(subscription: Subscription, kind: str, **more: Any) -> dict[str, Any]:
    """A message about a subscription."""
    return {"type": kind, **_named(subscription.name), **more}


def _named(name: Name) -> dict[str, str | None]:
    return {"topic": name[0], "key": name[1] or None}


# Made once: json.dumps would make one for each message.
compact = json.JSONEncoder(separators=(",", ":")).encode
