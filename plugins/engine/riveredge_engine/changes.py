"""Changes of runs, told to whoever listens, and counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import NamedTuple

_BACKLOG = 1000


class RunChange(NamedTuple):
    """A run has a new status; `at` in milliseconds."""

    run_id: str
    function_id: str
    status: str
    at: int


class Changes:
    """A broadcast: a listener that falls too far behind is dropped, so that it cannot hold up the engine."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[RunChange | None]] = set()
        self.counts: Counter[str] = Counter()

    def publish(self, change: RunChange) -> None:
        self.counts[change.status] += 1
        for listener in list(self._listeners):
            if listener.qsize() >= _BACKLOG:
                self._listeners.discard(listener)
                listener.put_nowait(None)
            else:
                listener.put_nowait(change)

    async def listen(self) -> AsyncIterator[RunChange]:
        """All changes from now on; ends when the engine stops or the listener is too slow."""
        queue: asyncio.Queue[RunChange | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while (change := await queue.get()) is not None:
                yield change
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """End all listeners."""
        for listener in list(self._listeners):
            listener.put_nowait(None)
        self._listeners.clear()
