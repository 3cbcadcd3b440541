"""What an answer does to its run: steps are stored or planned, calls are retried, the run goes on or ends.

Everything here happens in the transition that takes the call's queue item away. An answer that comes twice, or after
the run has ended, therefore finds nothing to do.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from . import backoff, intake, progress, runs
from .core import Core
from .models import Item, Kind, Run
from .ops import apply_op, finished_at_once
from .responses import Op, Outcome
from .store import Tx
from .store import queue as queue_rows
from .store import runs as run_rows
from .store import steps as step_rows

_DISCOVERIES = frozenset({Kind.START, Kind.DISCOVER})


class Asked(NamedTuple):
    """What was known when a call was made: how many steps had finished, and the number of the last event."""

    done: int
    seen: int


def apply(core: Core, tx: Tx, item: Item, outcome: Outcome, asked: Asked) -> None:
    """Store the outcome of a call."""
    run = run_rows.running(tx, item.run_id)
    if run is None:
        queue_rows.take(tx, item)
        return
    if outcome.error is None:
        _note_start(core, tx, run)
    if outcome.ops is not None:
        _apply_ops(core, tx, item, run, outcome, asked=asked)
    elif outcome.error is not None:
        _apply_error(core, tx, item, run, outcome)
    elif queue_rows.take(tx, item):
        runs.complete(core, tx, run, outcome.output or "null")


def _note_start(core: Core, tx: Tx, run: Run) -> None:
    """The first answer is the start: the start time-out is over, the finish time-out begins."""
    if run.started_at is not None:
        return
    run.started_at = core.now()
    queue_rows.drop_job(tx, f"{run.id}-start-timeout")
    function = core.registry.functions.get(run.function_id)
    if function is not None and function.config.finish_timeout_ms is not None:
        core.enqueue(
            tx, Kind.FINISH_TIMEOUT, f"{run.id}-finish-timeout", run.started_at + function.config.finish_timeout_ms,
            run_id=run.id, function_id=run.function_id,
        )  # fmt: skip


def _apply_error(core: Core, tx: Tx, item: Item, run: Run, outcome: Outcome) -> None:
    """An error of the function as a whole: the call is made again, or the run fails."""
    error: dict[str, Any] = outcome.error or {}
    if outcome.retry and item.attempt + 1 < max_attempts(core, run):
        if core.retry(tx, item, due=backoff.next_try(core, item.attempt, outcome.retry_at)):
            run.last_error = json.dumps(error)
            run_rows.save_progress(tx, run)
    elif queue_rows.take(tx, item):
        runs.fail(core, tx, run, error)


def max_attempts(core: Core, run: Run) -> int:
    function = core.registry.functions.get(run.function_id)
    return function.max_attempts if function else 1


def _apply_ops(core: Core, tx: Tx, item: Item, run: Run, outcome: Outcome, *, asked: Asked) -> None:
    ops = outcome.ops or []
    if item.kind == Kind.STEP and all(op.id != item.step for op in ops):
        outcome.error = {"name": "Error", "message": f"the app did not report the step {item.step} it was asked for"}
        _apply_error(core, tx, item, run, outcome)
        return
    if _is_retryable(core, item, run, ops, outcome):
        if core.retry(tx, item, due=backoff.next_try(core, item.attempt, outcome.retry_at)):
            run.last_error = json.dumps(ops[0].error or {})
            run_rows.save_progress(tx, run)
        return
    if not queue_rows.take(tx, item):
        return
    if item.kind in _DISCOVERIES:
        run.planned = len(ops) > 1
        run.racing = any(op.opts.get("parallelMode") == "race" for op in ops)
    _store_ops(core, tx, item, run, ops, asked=asked)


def _is_retryable(core: Core, item: Item, run: Run, ops: list[Op], outcome: Outcome) -> bool:
    return len(ops) == 1 and ops[0].op == "StepError" and outcome.retry and item.attempt + 1 < max_attempts(core, run)


def _store_ops(core: Core, tx: Tx, item: Item, run: Run, ops: list[Op], *, asked: Asked) -> None:
    pending, done = step_rows.counts(tx, run.id)
    if pending + done + len(ops) > core.options.max_steps:
        runs.fail(core, tx, run, {"name": "Error", "message": f"a run has at most {core.options.max_steps} steps"})
        return
    ended = next((op for op in ops if op.op == "RunComplete"), None)
    ops = sorted((op for op in ops if op is not ended), key=lambda op: op.op != "WaitForEvent")
    new = [apply_op(core, tx, run, op) for op in ops]
    if run.state_size > core.options.max_state_bytes:
        message = f"the state of a run has at most {core.options.max_state_bytes} bytes"
        runs.fail(core, tx, run, {"name": "Error", "message": message})
        return
    run_rows.save_progress(tx, run)
    if ended is not None:
        runs.complete(core, tx, run, json.dumps(ended.data, separators=(",", ":")))
        return
    for op, is_new in zip(ops, new, strict=True):
        if is_new and op.op == "WaitForEvent":
            intake.look_back(core, tx, run, op.id, asked.seen)
    if any(finished_at_once(op) for op in ops) or done != asked.done:
        progress.go_on(core, tx, run)
    elif not any(new) and pending == 0:
        _ask_again(core, tx, item, run)


def _ask_again(core: Core, tx: Tx, item: Item, run: Run) -> None:
    """The app reported nothing new and nothing is under way: a run must not hang, so this counts as an error."""
    error = {"name": "Error", "message": "the function reported no new step and did not end"}
    if item.attempt + 1 >= max_attempts(core, run):
        runs.fail(core, tx, run, error)
        return
    core.enqueue(
        tx, Kind.DISCOVER, progress.discovery_job(run.id), backoff.next_try(core, item.attempt, None),
        run_id=run.id, function_id=run.function_id, attempt=item.attempt + 1, keys=run.keys,
    )  # fmt: skip
