"""What an event sets off: it wakes waiting runs, cancels others, and starts functions, all in one transition."""

from __future__ import annotations

import json
from collections.abc import Sequence

from . import progress, runs, starts
from .core import Core
from .expressions import matches, term_value
from .models import Event, Kind, Pause, Run
from .store import Tx
from .store import events as event_rows
from .store import pauses as pause_rows
from .store import queue as queue_rows
from .store import runs as run_rows

_AT_ONCE = 50


def receive(core: Core, tx: Tx, events: Sequence[Event]) -> None:
    """Take a request's events in, in their order. Of many, the rest is matched right after the answer."""
    fresh = [event for event in events if event_rows.insert(tx, event)]
    for event in fresh[:_AT_ONCE]:
        match(core, tx, event)
    if rest := [event.id for event in fresh[_AT_ONCE:]]:
        core.enqueue(tx, Kind.INTAKE, f"{rest[0]}-intake", core.now(), payload={"events": rest})


def match_rest(core: Core, tx: Tx, event_ids: Sequence[str]) -> None:
    """Match the next part of a large request."""
    for event_id in event_ids[:_AT_ONCE]:
        event = event_rows.get(tx, event_id)
        if event is not None:
            match(core, tx, event)
    if rest := list(event_ids[_AT_ONCE:]):
        core.enqueue(tx, Kind.INTAKE, f"{rest[0]}-intake", core.now(), payload={"events": rest})


def emit(core: Core, tx: Tx, event: Event) -> None:
    """Take in an event of the engine's own."""
    if event_rows.insert(tx, event):
        match(core, tx, event)


def match(core: Core, tx: Tx, event: Event) -> None:
    """Waits are looked at before functions start, so that no event wakes or cancels what it has started itself."""
    # Noted before it is durable: the next transition of the same commit may set up a wait for it.
    core.recent.add(event.name, event.id)
    if event.name in core.awaited_events:
        _wake(core, tx, event)
    started: set[str] = set()
    for function, trigger in core.registry.triggered_by(event.name):
        if function.id not in started and matches(trigger.expression, event=event.body):
            started.add(function.id)
            starts.start(core, tx, function, event)


def _wake(core: Core, tx: Tx, event: Event) -> None:
    for path in pause_rows.term_paths(tx, event.name):
        value = term_value(path, event.body) if path else ""
        if value is None:
            continue
        for pause in pause_rows.candidates(tx, event.name, path, value):
            run = run_rows.running(tx, pause.run_id)
            if run is not None and _concerns(core, tx, pause, run, event):
                _resume(core, tx, pause, run, event)


def look_back(core: Core, tx: Tx, run: Run, step: str, seen: int) -> None:
    """Wake a wait that has just been set up by an event that came while its call was under way, if there is one."""
    pause = pause_rows.of_step(tx, run.id, step)
    if pause is None:
        return
    for event_id in core.recent.since(seen, pause.event_name):
        event = event_rows.get(tx, event_id)
        if event is not None and _concerns(core, tx, pause, run, event):
            _resume(core, tx, pause, run, event)
            return


def _concerns(core: Core, tx: Tx, pause: Pause, run: Run, event: Event) -> bool:
    if pause.expires_at < core.now():
        return False
    if pause.kind == "wait" and pause.condition is None:
        return True
    trigger = event_rows.get(tx, run.event_id)
    if trigger is None or (pause.kind == "cancel" and event.ts < min(trigger.ts, trigger.received_at)):
        return False
    return matches(pause.condition, event=trigger.body, incoming=event.body)


def _resume(core: Core, tx: Tx, pause: Pause, run: Run, event: Event) -> None:
    if not pause_rows.consume(tx, pause.id):
        return
    if pause.kind == "cancel":
        runs.cancel(core, tx, run.id)
        return
    queue_rows.drop_job(tx, f"{run.id}-{pause.step}-timeout")
    progress.complete_step(core, tx, run, pause.step, json.dumps(event.body, separators=(",", ":")))


def signal(core: Core, tx: Tx, name: str, data: object) -> str | None:
    """Wake the run that waits for a signal; its id, or None if none waits."""
    for pause in pause_rows.candidates(tx, f"signal:{name}", "", ""):
        run = run_rows.running(tx, pause.run_id)
        if run is not None and pause_rows.consume(tx, pause.id):
            queue_rows.drop_job(tx, f"{run.id}-{pause.step}-timeout")
            progress.complete_step(core, tx, run, pause.step, progress.data_memo({"signal": name, "data": data}))
            return run.id
    return None
