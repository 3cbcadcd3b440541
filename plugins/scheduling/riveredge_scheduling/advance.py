"""From a schedule's next instant to the fires that are now to be made. Pure: policies against a clock, no database."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from riveredge_scheduling.models import FireState
from riveredge_scheduling.plan import MAX_COUNTED, Plan

# So many fires one claim makes of one schedule: a horizon of 90 seconds at one a second, and some more.
MAX_AT_ONCE = 200
# So many days off one claim notes of one schedule.
MAX_DAYS_OFF = 62
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """What to do about instants that passed while nothing ran. Durations in seconds."""

    policy: str = "fire_once"
    max: int = 10
    window_s: int = 86_400
    grace_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFire:
    """A fire to be written. `overlap` replaces the schedule's policy."""

    nominal_at: datetime
    fire_at: datetime
    kind: str = "scheduled"
    state: FireState = FireState.PLANNED
    reason: str | None = None
    details: dict[str, Any] | None = None
    overlap: str | None = None
    missed_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What a claim makes of a schedule: its fires, and the next instant (None: none follows)."""

    fires: list[NewFire] = field(default_factory=list)
    next_nominal_at: datetime | None = None
    next_fire_at: datetime | None = None

    @property
    def last_nominal_at(self) -> datetime | None:
        """The last instant that has a row now; None if there is no new row."""
        return max((fire.nominal_at for fire in self.fires), default=None)


def advance(  # noqa: PLR0917
    plan: Plan, nominal: datetime, look_at: datetime, catch_up: CatchUp, now: datetime, until: datetime
) -> Advance:
    """Make the fires of the instants from `nominal` on that are due before `until`, and note the days off before them.

    Instants older than the grace are missed: with `skip` they are noted in one row; with `fire_once` the latest of all
    that have passed runs for the others; with `fire_all` those within the window run one after the other, the oldest
    first, and one row notes the rest.

    Args:
        look_at: from when on days off are not noted yet, if that is before `nominal`.
    """
    fires: list[NewFire] = []
    seen = min(look_at, nominal) - _TICK
    following: datetime | None = nominal
    if plan.fire_at(nominal) < now - timedelta(seconds=catch_up.grace_s):
        fires, last = _missed(plan, nominal, catch_up, now)
        seen = _note_days_off(plan, fires, seen, min(last, until))
        following = plan.after(last)
    while following is not None:
        seen = _note_days_off(plan, fires, seen, min(following, until))
        if plan.fire_at(following) >= until or len(fires) >= MAX_AT_ONCE:
            break
        fires.append(NewFire(nominal_at=following, fire_at=plan.fire_at(following)))
        seen, following = following, plan.after(following)
    return Advance(fires=fires, next_nominal_at=following, next_fire_at=plan.look_at(seen, following))


def _note_days_off(plan: Plan, fires: list[NewFire], after: datetime, until: datetime) -> datetime:
    """Add a row for each day off in (after, until]; up to where they are noted now."""
    for day in plan.days_off(after, until, MAX_DAYS_OFF):
        fires.append(
            NewFire(
                nominal_at=day.nominal_at,
                fire_at=day.nominal_at,
                state=FireState.SKIPPED_HOLIDAY,
                reason="holiday" if day.name else "weekend_off",
                details={"count": day.count, "name": day.name},
                missed_count=day.count - 1,
            )
        )
        after = day.until
    return after


def _missed(plan: Plan, first: datetime, catch_up: CatchUp, now: datetime) -> tuple[list[NewFire], datetime]:
    """The fires for what was missed from `first` on, and the last instant that they stand for."""
    before = first - _TICK
    if catch_up.policy == "skip":
        late_until = now - timedelta(seconds=catch_up.grace_s)
        last = plan.latest(before, late_until) or first
        return [_summary(plan, before, last, now, "late_many")], last
    last = plan.latest(before, now) or first
    if catch_up.policy == "fire_once":
        missed = _count(plan, before, last) - 1
        return [NewFire(nominal_at=last, fire_at=now, kind="catch_up", missed_count=missed)], last
    oldest = max(before, now - timedelta(seconds=catch_up.window_s))
    chosen = _last_of(plan, oldest, last, catch_up.max)
    fires: list[NewFire] = []
    if not chosen:
        return [_summary(plan, before, last, now, "too_old")], last
    if chosen[0] > first:
        previous = plan.latest(before, chosen[0] - _TICK) or first
        fires.append(_summary(plan, before, previous, now, "too_old"))
    for number, nominal in enumerate(chosen):
        fires.append(
            NewFire(
                nominal_at=nominal,
                fire_at=now,
                kind="catch_up",
                state=FireState.BUFFERED if number else FireState.PLANNED,
                reason="in_turn" if number else None,
                overlap="buffer_all",
            )
        )
    return fires, last


def _summary(plan: Plan, after: datetime, last: datetime, now: datetime, reason: str) -> NewFire:
    """One row for many instants that do not run."""
    count = _count(plan, after, last)
    return NewFire(
        nominal_at=last,
        fire_at=now,
        kind="scheduled",
        state=FireState.SKIPPED_MISFIRE,
        reason=reason,
        details={"count": count},
        missed_count=count - 1,
    )


def _count(plan: Plan, after: datetime, until: datetime) -> int:
    return max(sum(1 for _ in plan.between(after, until, MAX_COUNTED)), 1)


def _last_of(plan: Plan, after: datetime, until: datetime, count: int) -> list[datetime]:
    """The last `count` instants in (after, until], oldest first."""
    found: list[datetime] = []
    end = until
    while len(found) < count:
        latest = plan.latest(after, end)
        if latest is None:
            break
        found.append(latest)
        end = latest - _TICK
    return found[::-1]
