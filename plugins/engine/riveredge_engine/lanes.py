"""Concurrency limits: calls wait in lanes, and each lane knows which limits it shares with others.

A lane holds the calls that have all limits in common, so one full key never holds up another. A lane that meets a full
limit waits at that limit and is woken when a place becomes free.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable

from .models import Item, RunKeys
from .registry import Function

Limit = tuple[str, int]


class Lane:
    """Calls of one function with the same keys; the one that is due first, less its priority, is the next."""

    def __init__(self, number: int, function_id: str, keys: RunKeys, starting: bool) -> None:
        self.number = number
        self.function_id = function_id
        self.keys = keys
        self.starting = starting
        self.placed = False
        self._items: list[tuple[int, int, Item]] = []

    def push(self, item: Item) -> None:
        heapq.heappush(self._items, (self._rank(item), item.id, item))

    def pop(self) -> Item:
        return heapq.heappop(self._items)[2]

    def __len__(self) -> int:
        return len(self._items)

    def __lt__(self, other: Lane) -> bool:
        return self._items[0][:2] < other._items[0][:2]

    @staticmethod
    def _rank(item: Item) -> int:
        return item.due - (item.keys.priority if item.keys else 0) * 1000


def limits_of(function: Function | None, keys: RunKeys) -> list[Limit]:
    """The concurrency limits that a call falls under: the name of what is counted, and how many may run."""
    if function is None:
        return []
    return [
        (f"{limit.scope}:{function.id if limit.scope == 'fn' else ''}:{limit.key}:{value}", limit.limit)
        for limit, value in zip(function.config.concurrency, keys.concurrency, strict=False)
    ]


class Slots:
    """Who holds a place under which limit, and which lanes wait for one."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._waiting: defaultdict[str, dict[int, list[Lane]]] = defaultdict(dict)

    def first_full(self, limits: Iterable[Limit]) -> Limit | None:
        return next((limit for limit in limits if self._held[limit[0]] >= limit[1]), None)

    def acquire(self, limits: Iterable[Limit]) -> None:
        for name, _ in limits:
            self._held[name] += 1

    def release(self, limits: Iterable[Limit]) -> list[Lane]:
        """Give the places back; the lanes that may try again."""
        woken: list[Lane] = []
        for name, _ in limits:
            self._held[name] -= 1
            if self._held[name] <= 0:
                del self._held[name]
            woken += self._wake(name)
        return woken

    def wait(self, lane: Lane, full: Limit) -> None:
        heapq.heappush(self._waiting[full[0]].setdefault(full[1], []), lane)

    def pass_on(self, limits: Iterable[Limit]) -> list[Lane]:
        """The lanes to try after one that was woken did not take every place it could have had."""
        return [lane for name, limit in limits if self._held[name] < limit for lane in self._wake(name)]

    def _wake(self, name: str) -> list[Lane]:
        classes = self._waiting.get(name)
        if not classes:
            return []
        woken = [heapq.heappop(lanes) for lanes in classes.values()]
        for limit in [limit for limit, lanes in classes.items() if not lanes]:
            del classes[limit]
        if not classes:
            del self._waiting[name]
        return woken

    def clear_waiting(self) -> None:
        """Forget who waits; who holds a place goes on holding it."""
        self._waiting.clear()
