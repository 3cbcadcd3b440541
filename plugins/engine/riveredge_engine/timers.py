"""What happens when something other than a call is due."""

from __future__ import annotations

from collections.abc import Callable

from . import cron, intake, ops, progress, runs, starts
from .core import Core
from .models import Item, Kind, Run
from .store import Tx
from .store import events as event_rows
from .store import flow as flow_rows
from .store import pauses as pause_rows
from .store import queue as queue_rows
from .store import runs as run_rows


def fire(core: Core, tx: Tx, item: Item) -> None:
    """Do what a timer was set for, unless it was taken back."""
    if not queue_rows.take(tx, item):
        return
    if item.kind in _OF_RUN:
        run = run_rows.running(tx, item.run_id)
        if run is not None:
            _OF_RUN[item.kind](core, tx, run, item)
    else:
        _ENGINE[item.kind](core, tx, item)


def _wake(core: Core, tx: Tx, run: Run, item: Item) -> None:
    progress.complete_step(core, tx, run, item.step, "null")


def _end_wait(core: Core, tx: Tx, run: Run, item: Item) -> None:
    if pause_rows.consume_step(tx, run.id, item.step):
        progress.complete_step(core, tx, run, item.step, "null")


def _end_invoke(core: Core, tx: Tx, run: Run, item: Item) -> None:
    progress.complete_step(core, tx, run, item.step, ops.timeout_memo())


def _time_out(core: Core, tx: Tx, run: Run, _item: Item) -> None:
    runs.cancel(core, tx, run.id)


def _end_debounce(core: Core, tx: Tx, item: Item) -> None:
    value = str((item.payload or {})["value"])
    waiting = flow_rows.debounce(tx, item.function_id, value)
    if waiting is None:
        return
    flow_rows.end_debounce(tx, item.function_id, value)
    function = core.registry.functions.get(item.function_id)
    event = event_rows.get(tx, waiting[0])
    if function is not None and event is not None and not function.archived:
        starts.create_run(core, tx, function, [event])


def _end_batch(core: Core, tx: Tx, item: Item) -> None:
    function = core.registry.functions.get(item.function_id)
    if function is not None:
        starts.start_batch(core, tx, function, str((item.payload or {})["batch"]))


def _match_rest(core: Core, tx: Tx, item: Item) -> None:
    intake.match_rest(core, tx, (item.payload or {})["events"])


_OF_RUN: dict[str, Callable[[Core, Tx, Run, Item], None]] = {
    Kind.SLEEP: _wake,
    Kind.WAIT_TIMEOUT: _end_wait,
    Kind.INVOKE_TIMEOUT: _end_invoke,
    Kind.START_TIMEOUT: _time_out,
    Kind.FINISH_TIMEOUT: _time_out,
}
_ENGINE: dict[str, Callable[[Core, Tx, Item], None]] = {
    Kind.DEBOUNCE: _end_debounce,
    Kind.BATCH: _end_batch,
    Kind.CRON: cron.tick,
    Kind.INTAKE: _match_rest,
}
