"""Transactional actions: many fires in one unit of work, which notes their ends as well."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_scheduling.admission import Admitted, admit
from riveredge_scheduling.execution import Outcome, UnfitError, attempt, finish, prepare
from riveredge_scheduling.turns import write_fires, write_notes
from riveredge_sdk import savepoint, session, unit_of_work, utcnow


class _SpoiledError(Exception):
    """One of the fires has failed, which may have spoiled the transaction for the others."""


async def execute_together(fire_ids: Sequence[UUID], run_id: str) -> int:
    """Admit and run the fires of one tenant; how many ran.

    The common case, that all succeed, needs no savepoints. Where one fails, everything is undone and done again with
    one for each.
    """
    try:
        return await _execute(fire_ids, run_id, careful=False)
    except _SpoiledError:
        return await _execute(fire_ids, run_id, careful=True)


@unit_of_work()
async def _execute(fire_ids: Sequence[UUID], run_id: str, *, careful: bool) -> int:
    started = await admit(fire_ids, run_id)
    outcomes: list[Outcome] = []
    for each in started:
        outcome = await (_protected(each) if careful else _attempt(each))
        if outcome.error is not None and not careful:
            raise _SpoiledError
        outcomes.append(outcome)
    now = utcnow()
    for each, outcome in zip(started, outcomes, strict=True):
        await finish(each.fire, each.task, outcome, each.around, now=now)
    await write_fires([each.fire for each in started], now)
    await session().flush()
    await write_notes()
    return len(started)


async def _attempt(admitted: Admitted) -> Outcome:
    try:
        prepared = await prepare(admitted.fire, admitted.task)
    except UnfitError as unfit:
        return Outcome(error=str(unfit), retry=False, reason=unfit.reason)
    return await attempt(prepared, timed=False)


async def _protected(admitted: Admitted) -> Outcome:
    failed = Outcome()
    try:
        async with savepoint():
            outcome = await _attempt(admitted)
            if outcome.error is None:
                return outcome
            failed = outcome
            raise _SpoiledError
    except _SpoiledError:
        return failed
