"""The queue's front: knows when the next item is due, and hands due items out as far as the limits allow.

There is no polling: one timer is set for the earliest due time. What lies in the future is kept as a number and a time;
the item itself is read when it is due, so ten thousand sleeping runs cost a few hundred kilobytes.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from . import gcra, timers
from .core import Core
from .lanes import Lane, Limit, Slots, limits_of
from .models import CALLS, Item, Kind, RunKeys
from .store import flow as flow_rows
from .store import queue as queue_rows

log = logging.getLogger(__name__)

_LONGEST_WAIT = 60.0
_AFTER_ERROR_MS = 5_000
_STALE_AT_LEAST = 10_000


class Dispatcher:
    """Implements `core.Front`. `call` makes one call to an app and stores its outcome."""

    def __init__(self, core: Core, call: Callable[[Item], Awaitable[None]]) -> None:
        self._core = core
        self._call = call
        self._later: list[tuple[int, int]] = []
        self._opening: list[tuple[int, int, Lane]] = []
        self._arrivals: dict[tuple[str, str], float] = {}
        self._ready: list[Lane] = []
        self._lanes: dict[tuple[str, RunKeys, bool], Lane] = {}
        self._lane_number = 0
        self._slots = Slots()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls = 0
        self._stale = 0
        self.begun = 0
        self.delayed_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._running = False
        self._quiet = asyncio.Event()

    def start(self) -> None:
        """Take over everything that is queued in the store."""
        self._running = True
        self.reload()

    def reload(self) -> None:
        """Forget what is queued and read it anew. Calls under way are not touched."""
        self._later = list(queue_rows.due_times(self._core.db))
        heapq.heapify(self._later)
        self._ready.clear()
        self._opening.clear()
        self._lanes.clear()
        self._arrivals.clear()
        self._slots.clear_waiting()
        self._stale = 0
        self.schedule()

    async def stop(self, grace: float) -> None:
        """Hand out nothing more; calls under way have `grace` seconds, and are made again after the next start."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def cut_off(self) -> None:
        """End what is under way at once; of its outcome nothing is stored but what is being stored already."""
        self._running = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running = True

    def push(self, item: Item) -> None:
        """Take an item that has just become durable."""
        if item.due <= self._core.now():
            self._admit([item])
        else:
            heapq.heappush(self._later, (item.due, item.id))
        self.schedule()

    def forget(self, count: int) -> None:
        """So many queued items have been removed; when they are most of what is known here, read it anew."""
        self._stale += count
        if self._stale > _STALE_AT_LEAST and self._stale > len(self._later) // 2:
            # What is due already may be under way: of that only the entries known here may be handed out.
            now = self._core.now()
            due = [entry for entry in self._later if entry[0] <= now]
            self._later = due + [entry for entry in queue_rows.due_times(self._core.db) if entry[0] > now]
            heapq.heapify(self._later)
            self._stale = 0

    def schedule(self) -> None:
        """Look at the queue in the next turn of the loop."""
        self._quiet.clear()
        if not self._scheduled and self._running:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def next_due(self) -> int | None:
        """When the next item or throttle is due, in milliseconds; None if nothing is queued."""
        times = [heap[0][0] for heap in (self._later, self._opening) if heap]
        return min(times) if times else None

    async def until_quiet(self) -> None:
        """Return when nothing is under way and nothing more is due."""
        while not self._is_quiet():
            self._quiet.clear()
            await self._quiet.wait()

    @property
    def calls_under_way(self) -> int:
        return self._calls

    @property
    def queued(self) -> int:
        """How many items wait, about."""
        return len(self._later) + sum(len(lane) for lane in self._lanes.values())

    def _is_quiet(self) -> bool:
        due = self.next_due()
        busy = bool(self._tasks) or self._scheduled or bool(self._ready)
        return not busy and (due is None or due > self._core.now())

    def _pump(self) -> None:
        self._scheduled = False
        if not self._running:
            return
        now = self._core.now()
        self._take_due(now)
        while self._ready and self._calls < self._core.options.max_calls:
            self._try(heapq.heappop(self._ready), now)
        self._set_timer(now)
        if self._is_quiet():
            self._quiet.set()

    def _take_due(self, now: int) -> None:
        ids: list[int] = []
        while self._later and self._later[0][0] <= now:
            ids.append(heapq.heappop(self._later)[1])
        if ids:
            items = queue_rows.load(self._core.db, ids)
            self._stale = max(0, self._stale - (len(ids) - len(items)))
            self._admit(items)
        while self._opening and self._opening[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._opening)[2])

    def _set_timer(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.next_due()
        if due is not None:
            # The system's time may be set while the loop's own goes on, so no wait is taken for granted for long.
            delay = min(max(due - now, 1) / 1000, _LONGEST_WAIT)
            self._timer = asyncio.get_running_loop().call_later(delay, self.schedule)

    def _admit(self, items: Sequence[Item]) -> None:
        now = self._core.now()
        fired: list[Item] = []
        for item in items:
            if item.due > now:
                heapq.heappush(self._later, (item.due, item.id))
            elif item.kind in CALLS:
                self._admit_call(item)
            else:
                fired.append(item)
        if fired:
            self._spawn(self._fire(fired))

    def _admit_call(self, item: Item) -> None:
        keys = item.keys or RunKeys()
        function = self._core.registry.functions.get(item.function_id)
        throttled = function is not None and function.config.throttle is not None
        starting = throttled and item.kind == Kind.START and item.attempt == 0
        key = (item.function_id, keys._replace(priority=0), starting)
        lane = self._lanes.get(key)
        if lane is None:
            self._lane_number += 1
            lane = self._lanes[key] = Lane(self._lane_number, item.function_id, keys, starting)
        lane.push(item)
        if not lane.placed:
            lane.placed = True
            heapq.heappush(self._ready, lane)

    def _try(self, lane: Lane, now: int) -> None:
        function = self._core.registry.functions.get(lane.function_id)
        limits = limits_of(function, lane.keys)
        if (full := self._slots.first_full(limits)) is not None:
            self._slots.wait(lane, full)
        elif lane.starting and (opens := self._opens_at(lane)) > now:
            heapq.heappush(self._opening, (math.ceil(opens), lane.number, lane))
        else:
            self._begin(lane, limits, now)
        self._retry(self._slots.pass_on(limits))

    def _begin(self, lane: Lane, limits: list[Limit], now: int) -> None:
        item = lane.pop()
        self._slots.acquire(limits)
        self._calls += 1
        self.begun += 1
        self.delayed_ms += max(0, now - item.due)
        if lane.starting:
            self._note_start(lane, now)
        self._spawn(self._perform(item, limits))
        if len(lane):
            heapq.heappush(self._ready, lane)
        else:
            lane.placed = False
            self._lanes.pop((lane.function_id, lane.keys._replace(priority=0), lane.starting), None)

    def _retry(self, lanes: list[Lane]) -> None:
        for lane in lanes:
            heapq.heappush(self._ready, lane)

    def _opens_at(self, lane: Lane) -> float:
        function = self._core.registry.functions.get(lane.function_id)
        if function is None or function.config.throttle is None:
            return 0.0
        return gcra.opens_at(function.config.throttle, self._arrival(lane))

    def _arrival(self, lane: Lane) -> float:
        key = (lane.function_id, lane.keys.throttle)
        if key not in self._arrivals:
            self._arrivals[key] = flow_rows.arrival(self._core.db, "throttle", *key)
        return self._arrivals[key]

    def _note_start(self, lane: Lane, now: int) -> None:
        function = self._core.registry.functions.get(lane.function_id)
        if function is None or function.config.throttle is None:
            return
        function_id, value = lane.function_id, lane.keys.throttle
        arrival = gcra.arrive(function.config.throttle, self._arrival(lane), now)
        self._arrivals[function_id, value] = arrival
        if len(self._arrivals) > _STALE_AT_LEAST:
            self._arrivals = {key: at for key, at in self._arrivals.items() if at > now}
        self._spawn(self._save_arrival(function_id, value, arrival))

    async def _save_arrival(self, function_id: str, value: str, arrival: float) -> None:
        await self._core.db.write(lambda tx: flow_rows.save_arrival(tx, "throttle", function_id, value, arrival))

    async def _perform(self, item: Item, limits: list[Limit]) -> None:
        try:
            await self._call(item)
        except Exception:
            log.exception("the call of %s for run %s could not be processed", item.kind, item.run_id)
            self._again_later(item)
        finally:
            self._calls -= 1
            self._retry(self._slots.release(limits))

    async def _fire(self, items: Sequence[Item]) -> None:
        results = await asyncio.gather(*(self._fire_one(item) for item in items), return_exceptions=True)
        for item, result in zip(items, results, strict=True):
            if isinstance(result, Exception):
                log.error("the timer %s (%s) failed", item.job, item.kind, exc_info=result)
                self._again_later(item)

    async def _fire_one(self, item: Item) -> None:
        await self._core.db.write(lambda tx: timers.fire(self._core, tx, item))

    def _again_later(self, item: Item) -> None:
        """Whatever went wrong in here, the item is still queued in the store and must not be lost sight of."""
        heapq.heappush(self._later, (self._core.now() + _AFTER_ERROR_MS, item.id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the engine failed", exc_info=error)
        self.schedule()
