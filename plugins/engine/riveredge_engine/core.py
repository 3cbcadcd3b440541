"""What the parts of the engine share: the database, the clock, the registry and the queue's front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .changes import Changes
from .clock import Clock
from .ids import UlidFactory
from .models import Event, Item, RunKeys, Sequence
from .recent import RecentEvents
from .registry import Registry
from .store import Database, Tx
from .store import queue as queue_rows


class Front(Protocol):
    """Where queued items go once they are durable."""

    def push(self, item: Item) -> None: ...

    def forget(self, count: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """Limits of the protocol and choices of the operator; durations are milliseconds, sizes bytes."""

    retry_interval_ms: int | None = None
    call_timeout_ms: int = 2 * 60 * 60 * 1000
    max_calls: int = 256
    max_request_bytes: int = 4 * 1024 * 1024 - 1024
    max_response_bytes: int = 8 * 1024 * 1024
    max_step_bytes: int = 4 * 1024 * 1024
    max_state_bytes: int = 32 * 1024 * 1024
    max_steps: int = 1000
    signing_key: str | None = None


@dataclass(slots=True)
class Core:
    """Handed to every part. `emit` takes in an event of the engine's own."""

    db: Database
    clock: Clock
    options: Options
    registry: Registry = field(default_factory=Registry)
    ulids: UlidFactory = field(default_factory=UlidFactory)
    item_ids: Sequence = field(default_factory=Sequence)
    pause_ids: Sequence = field(default_factory=Sequence)
    changes: Changes = field(default_factory=Changes)
    awaited_events: set[str] = field(default_factory=set)
    recent: RecentEvents = field(default_factory=RecentEvents)
    cancelling_until: int = 0
    front: Front = field(init=False)
    emit: Callable[[Tx, Event], None] = field(init=False)
    on_registered: Callable[[], None] = field(default=lambda: None)

    def now(self) -> int:
        return self.clock.now_ms()

    def enqueue(
        self,
        tx: Tx,
        kind: str,
        job: str,
        due: int,
        *,
        run_id: str = "",
        function_id: str = "",
        step: str = "",
        attempt: int = 0,
        payload: dict[str, Any] | None = None,
        keys: RunKeys | None = None,
    ) -> bool:
        """Queue an item in a transition; False if its job is queued already."""
        item = Item(self.item_ids.next(), job, kind, due, run_id, function_id, step, attempt, payload, keys)
        queued = queue_rows.insert(tx, item)
        if queued:
            tx.after(lambda: self.front.push(item))
        return queued

    def retry(self, tx: Tx, item: Item, *, due: int) -> bool:
        """Put an item back for its next attempt; False if somebody else has dealt with it."""
        if not queue_rows.reschedule(tx, item, due=due, attempt=item.attempt + 1):
            return False
        again = Item(
            item.id, item.job, item.kind, due, item.run_id, item.function_id, item.step, item.attempt + 1,
            item.payload, item.keys,
        )  # fmt: skip
        tx.after(lambda: self.front.push(again))
        return True

    def internal_event(self, name: str, data: dict[str, Any], external_id: str = "") -> Event:
        """An event of the engine's own, received now."""
        now = self.now()
        event_id = self.ulids.new(now)
        body = {"data": data, "id": external_id or event_id, "name": name, "ts": now}
        return Event(event_id, name, external_id, now, now, body)
