"""Transactional actions: many fires in one unit of work, which notes their ends as well."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_scheduling.admission import Admitted, admit
from riveredge_scheduling.execution import Outcome, UnfitError, attempt, finish, prepare
from riveredge_scheduling.plain import SpoiledError, run_plain
from riveredge_scheduling.turns import write_fires, write_notes
from riveredge_sdk import savepoint, session, timers, unit_of_work


async def execute_together(fire_ids: Sequence[UUID], run_id: str) -> None:
    """Admit and run fires of one tenant."""
    try:
        rest: Sequence[UUID] = await run_plain(fire_ids, run_id)
    except SpoiledError:
        rest = fire_ids
    if rest:
        await _execute(rest, run_id)


@unit_of_work()
async def _execute(fire_ids: Sequence[UUID], run_id: str) -> None:
    started = await admit(fire_ids, run_id)
    outcomes = [await _protected(each) for each in started]
    now = await timers.now()
    for each, outcome in zip(started, outcomes, strict=True):
        await finish(each.fire, each.task, outcome, each.around, now=now)
    await write_fires([each.fire for each in started], now)
    await session().flush()
    await write_notes()


async def _protected(admitted: Admitted) -> Outcome:
    """What a failed action has written goes, and that of the others stays."""
    failed = Outcome()
    try:
        async with savepoint():
            outcome = await _attempt(admitted)
            if outcome.error is None:
                return outcome
            failed = outcome
            raise SpoiledError
    except SpoiledError:
        return failed


async def _attempt(admitted: Admitted) -> Outcome:
    try:
        prepared = await prepare(admitted.fire, admitted.task)
    except UnfitError as unfit:
        return unfit.outcome
    return await attempt(prepared, timed=False)
