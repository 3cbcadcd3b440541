"""What a plan has to be before it is saved: it fires, not too often, and its holidays make sense."""

from datetime import datetime

from riveredge_scheduling.plan import Plan
from riveredge_scheduling.preview import min_gap_s
from riveredge_scheduling.triggers import CronTrigger, DelayTrigger
from riveredge_sdk.problems import invalid_field

# Clocks that jump make a day shorter by an hour, in one place by half an hour, in another by a whole day.
_NEARLY_A_DAY = 20 * 3600


def check_plan(plan: Plan, now: datetime, least: int) -> None:
    """See that the plan can be kept.

    Args:
        least: so many seconds have to lie between two fires.

    Raises:
        Invalid: naming the field at fault.
    """
    if plan.starts_at is not None and plan.ends_at is not None and plan.ends_at < plan.starts_at:
        raise invalid_field("ends_at", "It ends before it starts.", "order")
    if plan.on_holiday != "ignore" and plan.workdays is None:
        raise invalid_field("calendar_id", f"on_holiday {plan.on_holiday!r} needs a calendar.", "missing")
    if isinstance(plan.trigger, DelayTrigger):
        _check_delay(plan, plan.trigger, least)
    else:
        _check_instants(plan, now, least)


def _check_delay(plan: Plan, trigger: DelayTrigger, least: int) -> None:
    if plan.on_holiday != "ignore":
        raise invalid_field("on_holiday", "A fixed delay knows no days: use another trigger.", "trigger")
    if trigger.every_s < least:
        raise invalid_field("trigger.every_s", f"At least {least} s are required here.", "too_often")


def _check_instants(plan: Plan, now: datetime, least: int) -> None:
    trigger = plan.trigger
    if isinstance(trigger, CronTrigger) and trigger.has_seconds and least >= 60:
        raise invalid_field("trigger.expression", "Seconds are not available here: write five fields.", "seconds")
    # First of all: moving looks through the instants of a month for each fire.
    if plan.on_holiday in {"next_workday", "previous_workday"} and _base_gap(plan, now) < _NEARLY_A_DAY:
        raise invalid_field(
            "on_holiday", "Only schedules that fire at most once a day can be moved to another day; use skip.", "dense"
        )
    if plan.after(now) is None:
        raise invalid_field("trigger", _why_never(plan, now), "never_fires")
    gap = min_gap_s(plan, now)
    if gap is None:
        return
    if gap < least:
        raise invalid_field(
            "trigger",
            f"It fires every {gap} s at its densest, {3600 / gap:g} times an hour; at least {least} s are required "
            f"here, {3600 / least:g} times an hour.",
            "too_often",
        )


def _base_gap(plan: Plan, now: datetime) -> int:
    bare = Plan(trigger=plan.trigger, zone=plan.zone, starts_at=plan.starts_at, ends_at=plan.ends_at)
    gap = min_gap_s(bare, now)
    return _NEARLY_A_DAY if gap is None else gap


def _why_never(plan: Plan, now: datetime) -> str:
    if plan.ends_at is not None and plan.ends_at <= now:
        return "It would never fire: its end has passed."
    bare = Plan(trigger=plan.trigger, zone=plan.zone)
    following = bare.after(now)
    if following is None:
        return "It would never fire: there is no such instant within five years, or it has passed."
    return "It would never fire between its start and its end, with holidays taken into account."
