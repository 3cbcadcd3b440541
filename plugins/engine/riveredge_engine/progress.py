"""How a run goes on: a step finishes, and the app is asked what comes next."""

from __future__ import annotations

import json
from typing import Any

from .core import Core
from .models import Kind, Run
from .store import Tx
from .store import runs as run_rows
from .store import steps as step_rows


def data_memo(data: Any) -> str:
    """A step's memo as the SDK reads it."""
    return json.dumps({"data": data}, separators=(",", ":"))


def error_memo(error: dict[str, Any]) -> str:
    """A failed step's memo: what the SDK raises in the function."""
    kept = {"name": str(error.get("name") or "Error"), "message": str(error.get("message") or "")}
    # Left out rather than null, which not every SDK reads.
    kept |= {key: error[key] for key in ("stack", "cause") if error.get(key) is not None}
    return json.dumps({"error": kept}, separators=(",", ":"))


def complete_step(core: Core, tx: Tx, run: Run, hash_: str, memo: str) -> bool:
    """Store the memo of a planned step and go on; False if the step has one already."""
    if not step_rows.finish_planned(tx, run.id, hash_, memo, core.now()):
        return False
    run.state_size += len(memo)
    run_rows.save_progress(tx, run)
    go_on(core, tx, run)
    return True


def go_on(core: Core, tx: Tx, run: Run) -> None:
    """Ask the app for the next steps, once every parallel step has finished (or, in a race, after each).

    One question per run is open at a time. A step that finishes while it is being answered is noticed by `steps.apply`.
    """
    pending, _ = step_rows.counts(tx, run.id)
    if pending == 0 or run.racing:
        core.enqueue(
            tx, Kind.DISCOVER, discovery_job(run.id), core.now(),
            run_id=run.id, function_id=run.function_id, keys=run.keys,
        )  # fmt: skip


def discovery_job(run_id: str) -> str:
    return f"{run_id}-discover"
