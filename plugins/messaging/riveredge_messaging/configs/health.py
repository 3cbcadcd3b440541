"""How configurations do: circuits, rests, drills and faults. Kept in rows, so that all processes know.

A circuit opens after `FAILURES` failures within `WINDOW`; after a pause, which grows each time in a row, one delivery
tries whether it works again (half-open), and closes or opens it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from riveredge_messaging.delivery.models import Circuit, ConfigHealth
from riveredge_messaging.delivery.repository import Healths
from riveredge_sdk import savepoint, session, utcnow

FAILURES = 5
WINDOW = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)
# A probe whose process died is followed by another one after this time.
PROBE_LEASE = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class State:
    """Whether a configuration can be used now. `until`: when that changes by itself; None: it does not.

    `probe`: one delivery may try it.
    """

    usable: bool
    reason: str
    until: datetime | None = None
    probe: bool = False


OK = State(usable=True, reason="ok")


def state_of(row: ConfigHealth | None, now: datetime) -> State:
    """The state that a row stands for; no row is a configuration that never failed."""
    if row is None:
        return OK
    if row.fault is not None:
        return State(usable=False, reason="fault")
    for until, reason in ((row.out_until, "out"), (row.resting_until, "resting")):
        if until is not None and until > now:
            return State(usable=False, reason=reason, until=until)
    if row.circuit == Circuit.CLOSED:
        return OK
    if row.open_until is not None and row.open_until > now:
        return State(usable=False, reason=row.circuit, until=row.open_until)
    return State(usable=True, reason=row.circuit, probe=True)


async def healths(keys: Sequence[str], *, lock: bool = False) -> dict[str, ConfigHealth]:
    """The rows there are."""
    query = select(ConfigHealth).where(col(ConfigHealth.config).in_(keys)).order_by(col(ConfigHealth.config))
    if lock:
        # What was read before somebody else changed it is read again.
        query = query.with_for_update().execution_options(populate_existing=True)
    rows = (await session().exec(query)).all()
    return {row.config: row for row in rows}


async def locked(key: str) -> ConfigHealth:
    """The row, made if need be, locked until the unit of work ends."""
    found = (await healths([key], lock=True)).get(key)
    if found is not None:
        return found
    try:
        async with savepoint():
            return await Healths().add(ConfigHealth(config=key))
    except IntegrityError:
        return (await healths([key], lock=True))[key]


def begin_probe(row: ConfigHealth, now: datetime) -> None:
    """Let one delivery try; until it is back, or is lost, no other does."""
    row.circuit, row.open_until = Circuit.HALF_OPEN, now + PROBE_LEASE


def note_results(row: ConfigHealth, *, worked: int, failed: int, error: str | None) -> None:
    """What came of messages that went through the configuration. Not for what is the recipient's fault."""
    now = utcnow()
    if worked:
        row.circuit, row.open_until = Circuit.CLOSED, None
        row.failures, row.failures_since, row.openings, row.fault = 0, None, 0, None
        return
    if not failed:
        return
    row.last_error, row.last_failure_at = error and error[:500], now
    if row.failures_since is None or now - row.failures_since > WINDOW:
        row.failures, row.failures_since = 0, now
    row.failures += failed
    if row.circuit == Circuit.HALF_OPEN or row.failures >= FAILURES:
        pause = min(FIRST_PAUSE * 2 ** min(row.openings, 10), LONGEST_PAUSE)
        row.circuit, row.open_until = Circuit.OPEN, now + pause
        row.openings += 1
        row.failures, row.failures_since = 0, None


def rest(row: ConfigHealth, seconds: float, error: str) -> None:
    """The provider asked to wait; that is no failure."""
    now = utcnow()
    until = now + timedelta(seconds=min(max(seconds, 1), 24 * 3600))
    row.resting_until = max(row.resting_until or until, until)
    row.last_error, row.last_failure_at = error[:500], now
    if row.circuit == Circuit.HALF_OPEN:
        row.circuit, row.open_until = Circuit.CLOSED, None


def mend(row: ConfigHealth) -> None:
    """Forget what was wrong: somebody has looked after it."""
    row.circuit, row.open_until, row.failures, row.failures_since = Circuit.CLOSED, None, 0, None
    row.openings, row.fault, row.resting_until, row.out_until = 0, None, None, None
