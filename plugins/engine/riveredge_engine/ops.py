"""What each kind of reported step does to its run."""

from __future__ import annotations

from typing import Any

from . import progress, runs, starts
from .clock import parse_iso
from .core import Core
from .durations import DAY, parse_duration
from .expressions import compile_expression, equality_term
from .models import Kind, Pause, Run
from .responses import Op
from .store import Tx
from .store import events as event_rows
from .store import pauses as pause_rows
from .store import steps as step_rows

_YEAR = 366 * DAY
_RUN = frozenset({"StepRun", "Step"})
_FAILED = frozenset({"StepError", "StepFailed"})


def finished_at_once(op: Op) -> bool:
    """Whether the report already has the step's result."""
    return op.op in _RUN or op.op in _FAILED


def apply_op(core: Core, tx: Tx, run: Run, op: Op) -> bool:
    """Store one reported step; False if the run knew it already."""
    if finished_at_once(op):
        return store_finished(core, tx, run, op)
    if not step_rows.plan(tx, run.id, op.id, op=op.op, name=op.display, at=core.now()):
        return False
    try:
        _begin(core, tx, run, op)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        memo = progress.error_memo({"name": "Error", "message": f"the step {op.display!r} is invalid: {error}"})
        progress.complete_step(core, tx, run, op.id, memo)
    return True


def store_finished(core: Core, tx: Tx, run: Run, op: Op) -> bool:
    """Store a step with its result; False if the run has it already."""
    memo = progress.data_memo(op.data) if op.op in _RUN else progress.error_memo(op.error or {})
    if len(memo) > core.options.max_step_bytes:
        message = f"the output of the step is larger than {core.options.max_step_bytes} bytes"
        memo = progress.error_memo({"name": "Error", "message": message})
    if not step_rows.finish(tx, run.id, op.id, op=op.op, name=op.display, memo=memo, at=core.now()):
        return False
    run.state_size += len(memo)
    return True


def _begin(core: Core, tx: Tx, run: Run, op: Op) -> None:
    if op.op == "StepPlanned":
        _queue(core, tx, run, op, kind=Kind.STEP)
    elif op.op in {"AIGateway", "Gateway"}:
        _queue(core, tx, run, op, kind=Kind.GATEWAY, payload={"op": op.op, **op.opts})
    elif op.op == "Sleep":
        _queue(core, tx, run, op, kind=Kind.SLEEP, suffix="-sleep", due=_wake_up(core, op))
    elif op.op == "WaitForEvent":
        _wait(core, tx, run, op, event_name=op.opts.get("event") or op.name, condition=op.opts.get("if"))
    elif op.op == "WaitForSignal":
        _wait(core, tx, run, op, event_name=f"signal:{op.opts['signal']}")
    elif op.op == "InvokeFunction":
        _invoke(core, tx, run, op)
    else:
        raise ValueError(f"unknown operation {op.op!r}")


def _queue(
    core: Core,
    tx: Tx,
    run: Run,
    op: Op,
    *,
    kind: str,
    suffix: str = "",
    due: int | None = None,
    payload: dict[str, Any] | None = None,
) -> None:
    """Queue what a step waits for; without `due` it is due now."""
    core.enqueue(
        tx, kind, f"{run.id}-{op.id}{suffix}", core.now() if due is None else due,
        run_id=run.id, function_id=run.function_id, step=op.id,
        payload=payload, keys=run.keys,
    )  # fmt: skip


def _wake_up(core: Core, op: Op) -> int:
    """The instant of a sleep: an absolute one in the app's wall time, or a duration from now."""
    text = str(op.opts.get("duration") or op.name)
    try:
        until = core.now() + parse_duration(text)
    except ValueError:
        until = core.clock.from_wall_ms(parse_iso(text))
    if until > core.now() + _YEAR:
        raise ValueError("a sleep lasts at most 366 days")
    return until


def _wait(core: Core, tx: Tx, run: Run, op: Op, *, event_name: str, condition: str | None = None) -> None:
    timeout = parse_duration(op.opts["timeout"]) if op.opts.get("timeout") else _YEAR
    due = core.now() + min(timeout, _YEAR)
    term = None
    if condition:
        compile_expression(condition)
        trigger = event_rows.get(tx, run.event_id)
        term = equality_term(condition, trigger.body if trigger else {})
    core.awaited_events.add(event_name)
    pause_rows.insert(
        tx,
        Pause(
            core.pause_ids.next(), "wait", run.id, op.id, event_name, condition or None,
            term.path if term else "", term.value if term else "", due,
        ),
    )  # fmt: skip
    _queue(core, tx, run, op, kind=Kind.WAIT_TIMEOUT, suffix="-timeout", due=due)


def _invoke(core: Core, tx: Tx, run: Run, op: Op) -> None:
    slug, payload = str(op.opts["function_id"]), op.opts.get("payload") or {}
    function = core.registry.by_slug(slug)
    if function is None:
        _fail_step(core, tx, run, op, f"could not find the function {slug!r}")
        return
    data = dict(payload.get("data") or {})
    data["_inngest"] = {"fn_id": function.slug, "correlation_id": f"{run.id}.{op.id}"}
    event = core.internal_event(runs.INVOKED, data)
    if payload.get("v"):
        event.body["v"] = payload["v"]
    if op.opts.get("timeout"):
        due = core.now() + parse_duration(op.opts["timeout"])
        _queue(core, tx, run, op, kind=Kind.INVOKE_TIMEOUT, suffix="-timeout", due=due)
    if (reason := starts.invoke(core, tx, function, event)) is not None:
        _fail_step(core, tx, run, op, f"the function {slug!r} did not run: {reason}")


def _fail_step(core: Core, tx: Tx, run: Run, op: Op, message: str) -> None:
    memo = progress.error_memo({"name": "Error", "message": message})
    progress.complete_step(core, tx, run, op.id, memo)


def timeout_memo() -> str:
    """The memo of an invocation that nobody answered in time."""
    message = "Timed out waiting for invoked function to complete"
    return progress.error_memo({"name": "InngestInvokeTimeoutError", "message": message})
