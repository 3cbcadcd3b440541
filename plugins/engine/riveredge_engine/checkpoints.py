"""Checkpoints: an app that runs several steps in one call tells of each when it is done, and goes on.

The steps are stored while the call is under way. Its answer has the rest; when it is lost, the next call knows the
steps that were told of.
"""

from __future__ import annotations

from collections.abc import Sequence

from .core import Core
from .errors import EngineError
from .ops import finished_at_once, store_finished
from .responses import Op
from .store import Tx
from .store import queue as queue_rows
from .store import runs as run_rows
from .store import steps as step_rows


def store(core: Core, tx: Tx, run_id: str, dispatch: str, ops: Sequence[Op]) -> None:
    """Store finished steps of a call. Raises EngineError; with 409 the app has to stop, for nobody waits for it."""
    run = run_rows.running(tx, run_id)
    item_id, _, attempt = dispatch.partition(".")
    is_current = dispatch.isascii() and item_id.isdecimal() and attempt.isdecimal() and len(dispatch) <= 20
    if run is None or not is_current or not queue_rows.is_current(tx, run_id, int(item_id), int(attempt)):
        raise EngineError("the call is not waited for any more", 409)
    if not all(finished_at_once(op) for op in ops):
        raise EngineError("only finished steps can be stored by a checkpoint")
    known = sum(step_rows.counts(tx, run_id))
    for op in ops:
        store_finished(core, tx, run, op)
    if known + len(ops) > core.options.max_steps or run.state_size > core.options.max_state_bytes:
        raise EngineError("the run has too many steps or too large a state")
    run_rows.save_progress(tx, run)
