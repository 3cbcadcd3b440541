"""Cancelling the runs of a function in bulk: those that there are, and those that are created until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from . import runs
from .core import Core
from .expressions import matches
from .models import Cancellation, Event, Run
from .store import Tx
from .store import cancellations as rows
from .store import events as event_rows
from .store import runs as run_rows

_AT_ONCE = 200


async def apply(core: Core, cancellation: Cancellation) -> int:
    """Keep a cancellation and cancel what falls under it now; how many runs those were."""
    await core.db.write(lambda tx: _keep(core, tx, cancellation))
    ids, count = run_rows.running_of_function(core.db, cancellation.function_id), 0
    for start in range(0, len(ids), _AT_ONCE):
        count += await core.db.write(partial(_cancel_all, core, cancellation, ids[start : start + _AT_ONCE]))
    return count


def _keep(core: Core, tx: Tx, cancellation: Cancellation) -> None:
    rows.insert(tx, cancellation)
    core.cancelling_until = max(core.cancelling_until, cancellation.until)


def _cancel_all(core: Core, cancellation: Cancellation, run_ids: Sequence[str], tx: Tx) -> int:
    return sum(_cancel(core, tx, cancellation, run_id) for run_id in run_ids)


def _cancel(core: Core, tx: Tx, cancellation: Cancellation, run_id: str) -> bool:
    run = run_rows.running(tx, run_id)
    if run is None or not cancellation.since <= run.queued_at <= cancellation.until:
        return False
    event = event_rows.get(tx, run.event_id)
    if cancellation.condition and (event is None or not matches(cancellation.condition, event=event.body)):
        return False
    return runs.cancel(core, tx, run_id)


def cancel_new(core: Core, tx: Tx, run: Run, event: Event) -> None:
    """Cancel a run that has just been created if a cancellation still stands that it falls under."""
    now = core.now()
    if now > core.cancelling_until:
        return
    standing = rows.standing(tx, run.function_id, now)
    if any(matches(cancellation.condition, event=event.body) for cancellation in standing):
        runs.cancel(core, tx, run.id)
