"""One call to an app, from the queue item to the stored outcome."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection

from . import gateway, requests, runs, steps
from .connect import is_connect_url
from .core import Core
from .durations import DAY, MINUTE, SECOND
from .models import CallRecord, Item, Kind, Run
from .registry import Function
from .responses import Outcome, failure, read_reply
from .store import Tx
from .store import queue as queue_rows
from .store import runs as run_rows
from .transport import AnswerTooLargeError, HttpClient, TransportError, UnreachableError

log = logging.getLogger(__name__)

_RECORDS = 10_000
_PATIENCE = DAY
_LONGEST_PAUSE = MINUTE


class Executor:
    """Makes the calls that the dispatcher hands out.

    An app that cannot be reached at all has not been asked: trying again costs no attempt, for up to a day. Calls for
    workers that connect by themselves wait until one does; `reaches` says whether one has a place for a function.
    """

    def __init__(self, core: Core, client: HttpClient, reaches: Callable[[str], bool]) -> None:
        self._core = core
        self._client = client
        self._reaches = reaches
        self._parked: defaultdict[str, deque[Item]] = defaultdict(deque)
        self._unreachable: dict[int, tuple[int, int]] = {}
        self.made = 0
        self.answers: Counter[int] = Counter()
        self.records: deque[CallRecord] = deque(maxlen=_RECORDS)

    def forget(self) -> None:
        """Forget which apps could not be reached, and what waits for them."""
        self._unreachable.clear()
        self._parked.clear()

    @property
    def parked(self) -> int:
        """How many calls wait for a worker."""
        return sum(map(len, self._parked.values()))

    def resume(self, functions: Collection[str], places: int | None) -> None:
        """Go on with calls of functions, by their full ids, that wait for a worker; with so many, or None for all."""
        for function in self._parked.keys() & set(functions):
            waiting = self._parked[function]
            while waiting and places != 0:
                self._core.front.push(waiting.popleft())
                places = None if places is None else places - 1
            if not waiting:
                del self._parked[function]

    def resume_all(self) -> None:
        """Look anew at all that waits for a worker: its function may have changed."""
        self.resume(list(self._parked), None)

    async def perform(self, item: Item) -> None:
        """Make the call of an item, unless somebody has taken the item back meanwhile."""
        core = self._core
        if not queue_rows.exists(core.db, item):
            return
        run = run_rows.running(core.db, item.run_id)
        function = core.registry.functions.get(item.function_id)
        if run is None:
            await core.db.write(lambda tx: queue_rows.take(tx, item))
            return
        if function is None:
            await core.db.write(lambda tx: self._fail(tx, item, run))
            return
        if item.kind != Kind.GATEWAY and is_connect_url(function.config.url) and not self._reaches(function.slug):
            self._parked[function.slug].append(item)
            return
        if item.kind == Kind.GATEWAY:
            asked = steps.Asked(-1, core.recent.number)
            outcome = await gateway.call(core, self._client, item)
        else:
            outcome, asked = await self._ask(item, run, function)
        if outcome.unreachable and (pause := self._pause(item)) is not None:
            await core.db.write(lambda tx: self._postpone(tx, item, core.now() + pause))
            return
        self._unreachable.pop(item.id, None)
        await self._store(item, outcome, asked)

    async def _ask(self, item: Item, run: Run, function: Function) -> tuple[Outcome, steps.Asked]:
        options, seen = self._core.options, self._core.recent.number
        try:
            request = requests.build(self._core, item, run, function)
        except (ValueError, RecursionError) as error:
            # Half of a surrogate pair, say: JSON may have it, but no signature can be made over it.
            return failure(f"the run cannot be put into a request: {error}", retry=False), steps.Asked(-1, seen)
        began = time.monotonic()
        self.made += 1
        try:
            reply = await self._client.request(
                "POST", request.url, headers=request.headers, body=request.body,
                seconds=options.call_timeout_ms / 1000, limit=options.max_response_bytes,
            )  # fmt: skip
            # A worker has proved itself when it connected, and signs nothing.
            key = None if is_connect_url(request.url) else options.signing_key
            outcome = read_reply(reply, key)
        except AnswerTooLargeError as error:
            outcome = failure(str(error), retry=False)
        except TransportError as error:
            unreachable = isinstance(error, UnreachableError)
            outcome = failure(f"could not reach the app: {error}", unreachable=unreachable)
        seconds = time.monotonic() - began
        self.answers[outcome.status] += 1
        step = item.step or requests.DISCOVERY
        self.records.append(CallRecord(run.id, function.slug, step, item.attempt, outcome.status, seconds))
        return outcome, steps.Asked(request.done, seen)

    async def _store(self, item: Item, outcome: Outcome, asked: steps.Asked) -> None:
        core = self._core
        try:
            await core.db.write(lambda tx: steps.apply(core, tx, item, outcome, asked))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            log.warning("the answer for run %s makes no sense: %s", item.run_id, error)
            unusable = failure(f"the app's answer makes no sense: {error}", status=outcome.status)
            await core.db.write(lambda tx: steps.apply(core, tx, item, unusable, asked))

    def _fail(self, tx: Tx, item: Item, run: Run) -> None:
        if queue_rows.take(tx, item):
            runs.fail(self._core, tx, run, {"name": "Error", "message": "the function does not exist any more"})

    def _postpone(self, tx: Tx, item: Item, due: int) -> None:
        if queue_rows.reschedule(tx, item, due=due, attempt=item.attempt):
            item.due = due
            tx.after(lambda: self._core.front.push(item))

    def _pause(self, item: Item) -> int | None:
        """How long to wait for an app that cannot be reached, in milliseconds; None once patience has ended."""
        now = self._core.now()
        first, tries = self._unreachable.get(item.id, (now, 0))
        if now - first > _PATIENCE:
            return None
        self._unreachable[item.id] = (first, tries + 1)
        shortest = self._core.options.retry_interval_ms or SECOND
        return int(min(_LONGEST_PAUSE, shortest * 2 ** min(tries, 16)))
