"""The events of the last moments, for waits that are being set up while their event arrives.

A call that is under way when an event arrives may be about to report a wait for it. Which of the two the engine sees
first is a matter of chance, so an event that was stored after the call began counts as one that came after the wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

_MOST = 5_000


class RecentEvents:
    """The last events by name, numbered in the order they were stored."""

    def __init__(self) -> None:
        self._last: deque[tuple[int, str, str]] = deque(maxlen=_MOST)
        self.number = 0

    def add(self, name: str, event_id: str) -> None:
        """Note an event once it is durable."""
        self.number += 1
        self._last.append((self.number, name, event_id))

    def since(self, number: int, name: str) -> Iterator[str]:
        """The ids of the events with a name that came after event `number`, oldest first."""
        found = []
        for position, event_name, event_id in reversed(self._last):
            if position <= number:
                break
            if event_name == name:
                found.append(event_id)
        return reversed(found)
