"""How an event becomes a run of a function, or does not: deduplication and the flow control at the door."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from . import cancellations, gcra, progress, runs
from .changes import RunChange
from .config import Rate
from .core import Core
from .durations import DAY
from .expressions import ExpressionError, equality_term, evaluate, key_value, matches
from .models import Event, Kind, Pause, Run, RunKeys, RunStatus
from .registry import Function
from .store import Tx
from .store import events as event_rows
from .store import flow as flow_rows
from .store import pauses as pause_rows
from .store import queue as queue_rows
from .store import runs as run_rows

_YEAR = 366 * DAY
_MAX_PRIORITY = 43_200


def start(core: Core, tx: Tx, function: Function, event: Event) -> str | None:
    """Take an event in for a function; the reason if the function will not run for it."""
    config, now = function.config, core.now()
    if event.external_id and not flow_rows.use_once(
        tx, function.id, f"event:{event.external_id}", now=now, expires_at=now + DAY
    ):
        return "this event was taken in already"
    if (reason := _refused_by_rate(tx, function, event, now)) is not None:
        return reason
    if config.debounce is not None:
        _debounce(core, tx, function, event)
        return None
    if config.batch is not None and matches(config.batch.condition, event=event.body):
        _batch(core, tx, function, event)
        return None
    return create_run(core, tx, function, [event])


def invoke(core: Core, tx: Tx, function: Function, event: Event) -> str | None:
    """Take in an event that is meant for one function; the reason if the function will not run for it."""
    event_rows.insert(tx, event)
    return start(core, tx, function, event)


def _refused_by_rate(tx: Tx, function: Function, event: Event, now: int) -> str | None:
    config = function.config
    rate = config.rate_limit
    if config.idempotency is not None:
        rate = Rate(limit=1, period_ms=DAY, key=config.idempotency, burst=1)
    if rate is None:
        return None
    try:
        value = _key(rate.key, event)
    except ExpressionError as error:
        return f"the key of the rate limit failed: {error}"
    arrival = flow_rows.arrival(tx, "rate", function.id, value)
    if gcra.opens_at(rate, arrival) > now:
        return "rate limited"
    flow_rows.save_arrival(tx, "rate", function.id, value, gcra.arrive(rate, arrival, now))
    return None


def _key(expression: str | None, event: Event) -> str:
    return "" if expression is None else key_value(expression, event.body)


def _key_or_empty(expression: str | None, event: Event) -> str:
    try:
        return _key(expression, event)
    except ExpressionError:
        return ""


def _debounce(core: Core, tx: Tx, function: Function, event: Event) -> None:
    """Wait for the period after the last event; the last one wins."""
    debounce = function.config.debounce
    if debounce is None:
        return
    now, value = core.now(), _key_or_empty(debounce.key, event)
    due, job = now + debounce.period_ms, f"{function.id}-debounce-{value}"
    waiting = flow_rows.debounce(tx, function.id, value)
    if waiting is None:
        latest = now + (debounce.timeout_ms or _YEAR)
        flow_rows.save_debounce(tx, function.id, value, event.id, latest)
        payload = {"value": value}
        core.enqueue(tx, Kind.DEBOUNCE, job, min(due, latest), function_id=function.id, payload=payload)
        return
    replaced, latest = waiting
    flow_rows.save_debounce(tx, function.id, value, event.id, latest)
    queue_rows.postpone(tx, job, min(due, latest))
    _refuse_invocation(core, tx, replaced, "a later event took its place in the debounce")


def _refuse_invocation(core: Core, tx: Tx, event_id: str, reason: str) -> None:
    event = event_rows.get(tx, event_id)
    if event is not None and event.name == runs.INVOKED:
        runs.answer_invoker(core, tx, event.body, progress.error_memo({"name": "Error", "message": reason}))


def _batch(core: Core, tx: Tx, function: Function, event: Event) -> None:
    """Collect events until there are enough or the first has waited long enough."""
    batch = function.config.batch
    if batch is None:
        return
    value = _key_or_empty(batch.key, event)
    batch_id, size = flow_rows.open_batch(tx, function.id, value) or (core.ulids.new(core.now()), 0)
    flow_rows.add_to_batch(tx, batch_id, size, function_id=function.id, value=value, event_id=event.id)
    if size == 0:
        due = core.now() + batch.timeout_ms
        payload = {"batch": batch_id}
        core.enqueue(tx, Kind.BATCH, f"{batch_id}-batch", due, function_id=function.id, payload=payload)
    if size + 1 >= batch.max_size:
        queue_rows.drop_job(tx, f"{batch_id}-batch")
        start_batch(core, tx, function, batch_id)


def start_batch(core: Core, tx: Tx, function: Function, batch_id: str) -> None:
    """Run a batch with what it has."""
    found = (event_rows.get(tx, event_id) for event_id in flow_rows.close_batch(tx, batch_id))
    events = [event for event in found if event is not None]
    if events:
        create_run(core, tx, function, events, batch=True)


def create_run(core: Core, tx: Tx, function: Function, events: Sequence[Event], *, batch: bool = False) -> str | None:
    """Create and queue a run; the reason if a singleton forbids it."""
    first, now, config = events[0], core.now(), function.config
    singleton = _singleton(function, first)
    if config.singleton is not None and singleton is not None:
        others = run_rows.running_of_function(tx, function.id, singleton)
        if others and config.singleton.mode == "skip":
            return "another run of the singleton is running"
        for other in others:
            runs.cancel(core, tx, other)
    run = Run(
        id=core.ulids.new(now), function_id=function.id, function_version=function.version, event_id=first.id,
        status=RunStatus.RUNNING, queued_at=now, started_at=None, ended_at=None, output=None,
        keys=_run_keys(function, first), singleton=singleton, planned=False, racing=False,
        state_size=sum(len(json.dumps(event.body)) for event in events) if batch else 0, batch=batch,
        invoked=any(event.name == runs.INVOKED for event in events), last_error=None,
    )  # fmt: skip
    run_rows.insert(tx, run, events)
    # SDKs set `ts` to their real present, which a moved or standing clock must not take for the future.
    future = not batch and core.clock.from_wall_ms(first.ts) > now
    due = max(now, first.ts) if future else now
    core.enqueue(
        tx, Kind.START, progress.discovery_job(run.id), due, run_id=run.id, function_id=function.id, keys=run.keys
    )
    if config.start_timeout_ms is not None:
        core.enqueue(
            tx, Kind.START_TIMEOUT, f"{run.id}-start-timeout", now + config.start_timeout_ms,
            run_id=run.id, function_id=function.id,
        )  # fmt: skip
    _listen_for_cancellation(core, tx, function, run, first)
    change = RunChange(run.id, function.id, run.status, now)
    tx.after(lambda: core.changes.publish(change))
    cancellations.cancel_new(core, tx, run, first)
    return None


def _singleton(function: Function, event: Event) -> str | None:
    """The key of which one run may run; None if there is no such limit, or its key cannot be evaluated."""
    if function.config.singleton is None:
        return None
    try:
        return _key(function.config.singleton.key, event)
    except ExpressionError:
        return None


def _run_keys(function: Function, event: Event) -> RunKeys:
    config = function.config
    return RunKeys(
        concurrency=tuple(_key_or_empty(limit.key, event) for limit in config.concurrency),
        throttle=_key_or_empty(config.throttle.key, event) if config.throttle else "",
        priority=_priority(config.priority, event),
    )


def _priority(expression: str | None, event: Event) -> int:
    if expression is None:
        return 0
    try:
        value = evaluate(expression, event=event.body)
    except ExpressionError:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return 0
    return int(max(-_MAX_PRIORITY, min(_MAX_PRIORITY, value)))


def _listen_for_cancellation(core: Core, tx: Tx, function: Function, run: Run, event: Event) -> None:
    for cancel in function.config.cancel:
        term = equality_term(cancel.condition, event.body)
        core.awaited_events.add(cancel.event)
        expires_at = core.now() + min(cancel.timeout_ms or _YEAR, _YEAR)
        pause_rows.insert(
            tx,
            Pause(
                core.pause_ids.next(), "cancel", run.id, "", cancel.event, cancel.condition,
                term.path if term else "", term.value if term else "", expires_at,
            ),
        )  # fmt: skip
