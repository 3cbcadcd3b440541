"""How a run ends, exactly once: its status and output, what it leaves behind, and who is told."""

from __future__ import annotations

import json
from typing import Any

from . import progress
from .changes import RunChange
from .core import Core
from .models import Run, RunStatus
from .store import Tx
from .store import events as event_rows
from .store import pauses as pause_rows
from .store import queue as queue_rows
from .store import runs as run_rows

_EVENTS = {
    RunStatus.FAILED: "inngest/function.failed",
    RunStatus.CANCELLED: "inngest/function.cancelled",
}
INVOKED = "inngest/function.invoked"


def complete(core: Core, tx: Tx, run: Run, output: str) -> bool:
    """The function returned `output`, as JSON."""
    return _end(core, tx, run, RunStatus.COMPLETED, output)


def fail(core: Core, tx: Tx, run: Run, error: dict[str, Any]) -> bool:
    """The function failed for good."""
    return _end(core, tx, run, RunStatus.FAILED, json.dumps(error))


def cancel(core: Core, tx: Tx, run_id: str) -> bool:
    """Stop a run before its next step; False if it is unknown or has ended."""
    run = run_rows.running(tx, run_id)
    return run is not None and _end(core, tx, run, RunStatus.CANCELLED, None)


def _end(core: Core, tx: Tx, run: Run, status: RunStatus, output: str | None) -> bool:
    now = core.now()
    if not run_rows.end(tx, run.id, status, output, now):
        return False
    dropped = queue_rows.drop_run(tx, run.id)
    pause_rows.drop_run(tx, run.id)
    _tell(core, tx, run, status, output)
    if run.invoked:
        _answer_invokers(core, tx, run, status, output)
    change = RunChange(run.id, run.function_id, status, now)
    tx.after(lambda: core.changes.publish(change))
    tx.after(lambda: core.front.forget(dropped))
    return True


def _tell(core: Core, tx: Tx, run: Run, status: RunStatus, output: str | None) -> None:
    """Emit the engine's own events about the end. Of those that nobody listens to only failures are kept.

    A function that listens to such an event does not emit the same when it ends, or it would start itself for ever.
    """
    special = _EVENTS.get(status)
    names = [name for name in (special, "inngest/function.finished") if name and _wanted(core, name)]
    if not names:
        return
    function = core.registry.functions.get(run.function_id)
    bodies = [json.loads(body) for body in event_rows.bodies_of_run(tx, run.id)]
    names = [name for name in names if all(body["name"] != name for body in bodies)]
    data: dict[str, Any] = {
        "function_id": function.slug if function else run.function_id,
        "run_id": run.id,
        "event": bodies[0] if bodies else {},
        "events": bodies,
        "_inngest": {"status": str(status)},
    }
    value: Any = None if output is None else json.loads(output)
    if status == RunStatus.FAILED and isinstance(value, dict):
        data |= {"error": {"error": str(value.get("name", "Error")), **value}, "result": None}
    else:
        data["result"] = value
    for name in names:
        core.emit(tx, core.internal_event(name, data, external_id=run.id if name == special else f"{run.id}-finished"))


def _wanted(core: Core, name: str) -> bool:
    return name == _EVENTS[RunStatus.FAILED] or core.registry.listens_to(name) or name in core.awaited_events


def _answer_invokers(core: Core, tx: Tx, run: Run, status: RunStatus, output: str | None) -> None:
    for event in event_rows.of_run(tx, run.id):
        if event.name == INVOKED:
            answer_invoker(core, tx, event.body, _result_memo(status, output))


def _result_memo(status: RunStatus, output: str | None) -> str:
    if status == RunStatus.COMPLETED:
        return progress.data_memo(json.loads(output or "null"))
    if status == RunStatus.FAILED:
        return progress.error_memo(json.loads(output or "{}"))
    return progress.error_memo({"name": "InngestInvokeCancelledError", "message": "the invoked function was cancelled"})


def answer_invoker(core: Core, tx: Tx, body: dict[str, Any], memo: str) -> None:
    """Finish the step of the run that sent an invocation; one that came over HTTP has none."""
    correlation = str((body["data"].get("_inngest") or {}).get("correlation_id") or "")
    run_id, _, hash_ = correlation.partition(".")
    invoker = run_rows.running(tx, run_id)
    if invoker is not None:
        progress.complete_step(core, tx, invoker, hash_, memo)
