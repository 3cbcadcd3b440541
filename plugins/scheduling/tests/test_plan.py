"""The plan against vectors taken from Debian's cron, and the odd corners of clocks and calendars."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from riveredge_scheduling import series
from riveredge_scheduling.advance import Advance, CatchUp, advance
from riveredge_scheduling.checks import check_plan
from riveredge_scheduling.plan import Plan
from riveredge_scheduling.triggers import CronTrigger, read_trigger
from riveredge_scheduling.workdays import Workdays, read_workdays
from riveredge_sdk.problems import Invalid
from riveredge_sdk.timers import HORIZON


def at(text: str) -> datetime:
    """An instant, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The first instants after `start` (UTC), as month-day and time."""
    plan = Plan(trigger=CronTrigger(expression=expression), zone=zone)
    return [f"{each:%m-%dT%H:%M}" for each in plan.between(at(start), at("2100-01-01"), count)]


NEW_YORK, BERLIN, LORD_HOWE = "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["03-08T07:00", "03-09T06:30"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["11-01T05:30", "11-02T06:30"]),
        (
            "*/30 * * * *",
            NEW_YORK,
            "2026-11-01T04:59",
            ["11-01T05:00", "11-01T05:30", "11-01T06:00", "11-01T06:30", "11-01T07:00"],
        ),
        ("0 */2 * * *", NEW_YORK, "2026-03-08T04:59", ["03-08T05:00", "03-08T08:00", "03-08T10:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00", ["10-03T15:30", "10-04T15:15"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00", ["04-04T14:45", "04-05T15:15"]),
        ("30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29T01:00"]),
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["11-04T03:00"]),
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00", ["12-29T19:00", "12-30T10:00", "12-30T19:00"]),
        ("0 0 31 * *", "UTC", "2026-01-01T00:00", ["01-31T00:00", "03-31T00:00", "05-31T00:00"]),
        ("0 0 L * *", "UTC", "2026-02-01T00:00", ["02-28T00:00", "03-31T00:00"]),
        ("0 9 * * 1", "UTC", "2026-11-21T00:00", ["11-23T09:00"]),
        ("0 0 13 * 5", "UTC", "2026-11-01T00:00", ["11-06T00:00", "11-13T00:00", "11-20T00:00"]),
        ("0 9 * * MON#2", "UTC", "2026-11-01T00:00", ["11-09T09:00", "12-14T09:00"]),
        ("0 9 * * 5L", "UTC", "2026-11-01T00:00", ["11-27T09:00", "12-25T09:00"]),
        ("0 8 LW * *", "UTC", "2026-05-01T00:00", ["05-29T08:00"]),
        ("0 0 1 jan,JUL *", "UTC", "2026-02-01T00:00", ["07-01T00:00", "01-01T00:00"]),
    ],
)
def test_golden_vectors(expression: str, zone: str, start: str, expected: list[str]) -> None:
    assert cron(expression, zone, start, len(expected)) == expected


def test_the_leap_day_is_waited_for() -> None:
    plan = Plan(trigger=CronTrigger(expression="0 0 29 2 *"), zone="UTC")
    assert plan.after(at("2026-01-01")) == at("2028-02-29")


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 2 *",
        "60 * * * *",
        "@daily",
        "@every 5m",
        "",
        "* * * *",
        "* * * * * * *",
        "0 0 * * ²L",
        "0 25 * * *",
        "a b c d e",
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValidationError):
        CronTrigger(expression=expression)


def test_a_nickname_is_told_what_to_write() -> None:
    with pytest.raises(ValidationError, match=r"0 0 \* \* \*"):
        CronTrigger(expression="@daily")


def test_during_the_second_round_of_an_hour_nothing_of_the_first_is_offered() -> None:
    plan = Plan(trigger=CronTrigger(expression="15,45 1 * * *"), zone=NEW_YORK)
    found = list(plan.between(at("2026-11-01T06:20"), at("2100-01-01"), 2))
    assert found == [at("2026-11-02T06:15"), at("2026-11-02T06:45")]


def test_seconds_come_first() -> None:
    plan = Plan(trigger=CronTrigger(expression="*/20 * * * * *"), zone=BERLIN)
    found = list(plan.between(at("2026-11-01T00:00:05"), at("2100-01-01"), 3))
    assert [each.second for each in found] == [20, 40, 0]


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, LORD_HOWE, "Asia/Shanghai", "Africa/Casablanca", "Asia/Kolkata"])
@pytest.mark.parametrize("expression", ["*/7 * * * *", "30 2 * * *", "0,30 1 * * *", "15 */3 * * *", "*/5 2 * * *"])
def test_instants_grow_and_do_not_depend_on_where_one_begins(zone: str, expression: str) -> None:
    plan = Plan(trigger=CronTrigger(expression=expression), zone=zone)
    for start in ("2026-03-07T20:00", "2026-10-24T20:00", "2026-10-31T20:00", "2026-04-04T05:00"):
        found = list(plan.between(at(start), at("2100-01-01"), 60))
        for earlier, later in pairwise(found):
            assert earlier < later
            assert plan.after(earlier) == later


# -- other triggers -------------------------------------------------------------------------------------------------


def plan_of(zone: str = "UTC", **trigger: object) -> Plan:
    """A plan of a trigger in its JSON form."""
    return Plan(trigger=read_trigger(trigger), zone=zone)


def test_an_interval_keeps_to_its_anchor() -> None:
    plan = plan_of(kind="interval", every_s=90, anchor="2026-01-01T00:00:10Z")
    assert plan.after(at("2025-12-01")) == at("2026-01-01T00:00:10")
    assert plan.after(at("2026-01-01T00:00:10")) == at("2026-01-01T00:01:40")
    assert plan.after(at("2026-01-01T00:01:39")) == at("2026-01-01T00:01:40")


def test_months_end_where_they_end_and_the_anchor_s_day_comes_back() -> None:
    plan = plan_of(BERLIN, kind="calendar", every=1, unit="month", anchor="2026-01-31", at="09:00")
    found = list(plan.between(at("2026-01-01"), at("2100-01-01"), 5))
    assert [f"{each:%m-%d %H}" for each in found] == ["01-31 08", "02-28 08", "03-31 07", "04-30 07", "05-31 07"]


def test_a_leap_day_s_year_and_a_fortnight() -> None:
    yearly = plan_of(kind="calendar", every=1, unit="year", anchor="2024-02-29", at="00:00")
    assert list(yearly.between(at("2025-01-01"), at("2029-01-01"), 9)) == [
        at("2025-02-28"),
        at("2026-02-28"),
        at("2027-02-28"),
        at("2028-02-29"),
    ]
    fortnight = plan_of(kind="calendar", every=2, unit="week", anchor="2026-11-02", at="12:00")
    assert fortnight.after(at("2026-11-02T12:00")) == at("2026-11-16T12:00")


def test_a_daily_time_in_the_gap_and_in_the_fold() -> None:
    plan = plan_of(NEW_YORK, kind="calendar", every=1, unit="day", anchor="2026-01-01", at="02:30")
    assert plan.after(at("2026-03-08T00:00")) == at("2026-03-08T07:00")
    plan = plan_of(NEW_YORK, kind="calendar", every=1, unit="day", anchor="2026-01-01", at="01:30")
    assert list(plan.between(at("2026-11-01T00:00"), at("2100-01-01"), 2)) == [
        at("2026-11-01T05:30"),
        at("2026-11-02T06:30"),
    ]


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2026-11-01T01:30:00", NEW_YORK, "2026-11-01T05:30"),
        ("2026-03-08T02:30:00", NEW_YORK, "2026-03-08T07:00"),
        ("2018-11-04T00:30:00", "America/Sao_Paulo", "2018-11-04T03:00"),
        ("2011-12-30T12:00:00", "Pacific/Apia", "2011-12-30T10:00"),
        ("2040-06-01T12:00:00", "UTC", "2040-06-01T12:00"),
    ],
)
def test_a_date(wall: str, zone: str, expected: str) -> None:
    plan = plan_of(zone, kind="date", at=wall)
    assert plan.after(at("2001-01-01")) == at(expected)
    assert plan.after(at(expected)) is None


def test_start_and_end_belong_to_the_plan() -> None:
    plan = Plan(
        trigger=CronTrigger(expression="0 * * * *"),
        zone="UTC",
        starts_at=at("2026-01-01T10:00"),
        ends_at=at("2026-01-01T12:00"),
    )
    found = list(plan.between(at("2020-01-01"), at("2100-01-01"), 9))
    assert [each.hour for each in found] == [10, 11, 12]


def test_what_does_not_fire_within_five_years_never_fires() -> None:
    plan = Plan(trigger=CronTrigger(expression="0 0 29 2 *"), zone="UTC")
    assert plan.after(at("2097-01-01")) is None  # 2100 is no leap year


@pytest.mark.parametrize(
    ("trigger", "on_holiday", "code"),
    [
        # Moving looks through a month of instants for each fire.
        ({"kind": "cron", "expression": "* * * * *"}, "next_workday", "dense"),
        # The next two hundred of them take eight centuries.
        ({"kind": "cron", "expression": "0 0 29 2 *"}, "skip", None),
        ({"kind": "interval", "every_s": 1, "anchor": "2090-01-01T00:00:00Z"}, "ignore", "too_often"),
    ],
)
def test_checking_a_plan_takes_little_whatever_it_says(
    monkeypatch: pytest.MonkeyPatch, trigger: dict[str, Any], on_holiday: Any, code: str | None
) -> None:
    calls = 0
    look = series.after

    def counted(*args: Any) -> datetime | None:
        nonlocal calls
        calls += 1
        return look(*args)

    monkeypatch.setattr(series, "after", counted)
    starts = at("2090-01-01") if code == "too_often" else None
    plan = Plan(trigger=read_trigger(trigger), zone="UTC", starts_at=starts, workdays=Workdays(), on_holiday=on_holiday)
    found = None
    try:
        check_plan(plan, at("2026-11-25"), 60)
    except Invalid as refused:
        (error,) = refused.errors
        found = error.code
    assert (found, calls < 1000) == (code, True)


# -- holidays -------------------------------------------------------------------------------------------------------

CHRISTMAS = read_workdays(
    [1, 2, 3, 4, 5],
    [
        {"date": "2026-12-25", "name": "Christmas", "kind": "holiday", "yearly": True},
        {"date": "2026-12-24", "name": "Eve", "kind": "holiday", "yearly": False},
        {"date": "2026-12-26", "name": "", "kind": "workday", "yearly": False},
    ],
)


def test_a_calendar_knows_its_days() -> None:
    days = {day: CHRISTMAS.is_workday(at(f"2026-12-{day}").date()) for day in range(21, 29)}
    assert days == {21: True, 22: True, 23: True, 24: False, 25: False, 26: True, 27: False, 28: True}
    assert not CHRISTMAS.is_workday(at("2030-12-25").date())
    assert CHRISTMAS.is_workday(at("2030-12-24").date())


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("ignore", ["23", "24", "25", "26", "27", "28"]),
        ("skip", ["23", "26", "28", "29"]),
        ("next_workday", ["23", "26", "28", "29"]),
        ("previous_workday", ["23", "26", "28", "29"]),
    ],
)
def test_daily_on_holidays(policy: str, expected: list[str]) -> None:
    plan = Plan(
        trigger=CronTrigger(expression="0 9 * * *"),
        zone=BERLIN,
        workdays=CHRISTMAS,
        on_holiday=policy,  # type: ignore[arg-type]
    )
    found = list(plan.between(at("2026-12-23T00:00"), at("2100-01-01"), len(expected)))
    assert [f"{each:%d}" for each in found] == expected


@pytest.mark.parametrize(("policy", "expected"), [("next_workday", "12-26"), ("previous_workday", "12-23")])
def test_a_monthly_fire_moves_and_keeps_its_time(policy: str, expected: str) -> None:
    plan = Plan(
        trigger=CronTrigger(expression="30 9 25 * *"),
        zone=BERLIN,
        workdays=CHRISTMAS,
        on_holiday=policy,  # type: ignore[arg-type]
    )
    found = plan.after(at("2026-12-01"))
    assert found is not None
    assert f"{found:%m-%d %H:%M}" == f"{expected} 08:30"
    assert plan.after(found) is not None
    assert f"{plan.after(found):%m-%d}" == "01-25"


def test_a_schedule_of_every_second_passes_over_a_holiday_at_once() -> None:
    plan = Plan(trigger=CronTrigger(expression="* * * * * *"), zone="UTC", workdays=Workdays(), on_holiday="skip")
    assert plan.after(at("2026-11-20T23:59:59")) == at("2026-11-23T00:00:00")


def advanced(plan: Plan, nominal: str, look_at: str, until: str) -> Advance:
    """What a claim makes of it, the clock standing shortly before `until`."""
    now = at(until) - HORIZON
    return advance(plan, at(nominal), at(look_at), CatchUp(grace_s=86_400 * 30), now, at(until))


def test_every_day_off_leaves_one_row() -> None:
    daily = Plan(
        trigger=CronTrigger(expression="0 9 * * *"), zone="Europe/Berlin", workdays=CHRISTMAS, on_holiday="skip"
    )
    after = at("2026-12-23T08:00")
    following = daily.after(after)
    assert following == at("2026-12-26T08:00")
    assert daily.look_at(after, following) == at("2026-12-24T08:00")
    eve = advanced(daily, "2026-12-26T08:00", "2026-12-24T08:00", "2026-12-24T08:01")
    assert [(fire.nominal_at, fire.state, fire.reason, fire.details) for fire in eve.fires] == [
        (at("2026-12-24T08:00"), "skipped_holiday", "holiday", {"count": 1, "name": "Eve"})
    ]
    assert (eve.next_nominal_at, eve.next_fire_at) == (following, at("2026-12-25T08:00"))
    # Nobody looked for days: all of it is noted, and the fire made.
    late = advanced(daily, "2026-12-26T08:00", "2026-12-24T08:00", "2026-12-26T08:01")
    assert [f"{fire.nominal_at:%d} {fire.state}" for fire in late.fires] == [
        "24 skipped_holiday",
        "25 skipped_holiday",
        "26 planned",
    ]
    assert late.next_fire_at == at("2026-12-27T08:00")
    minutely = Plan(trigger=CronTrigger(expression="* * * * *"), zone="UTC", workdays=Workdays(), on_holiday="skip")
    weekend = advanced(minutely, "2026-11-20T23:59", "2026-11-20T23:59", "2026-11-21T00:01")
    assert [(fire.state, fire.missed_count) for fire in weekend.fires] == [("planned", 0), ("skipped_holiday", 1439)]
    assert weekend.next_fire_at == at("2026-11-22T00:00")


def test_where_nobody_ever_works_nothing_fires() -> None:
    nobody = Workdays(weekdays=frozenset())
    for policy in ("skip", "next_workday", "previous_workday"):
        plan = Plan(
            trigger=CronTrigger(expression="0 9 * * *"),
            zone="UTC",
            workdays=nobody,
            on_holiday=policy,
        )
        assert plan.after(at("2026-01-01")) is None


# -- jitter and looking back ----------------------------------------------------------------------------------------


def test_jitter_is_stable_spread_and_stays_before_the_next_fire() -> None:
    offsets = set()
    for _ in range(40):
        plan = Plan(trigger=CronTrigger(expression="* * * * *"), zone="UTC", jitter_s=600, seed=uuid4())
        nominal = at("2026-01-01T12:00")
        fire_at = plan.fire_at(nominal)
        assert fire_at == plan.fire_at(nominal)
        assert nominal <= fire_at < at("2026-01-01T12:01")
        # On a whole second, so that many share an instant and travel together.
        assert fire_at.microsecond == 0
        offsets.add((fire_at - nominal).seconds)
    assert len(offsets) > 10


@pytest.mark.parametrize("expression", ["* * * * *", "0 3 * * *", "0 0 1 1 *", "*/10 * * * * *"])
def test_the_latest_instant_is_the_one_before_the_next(expression: str) -> None:
    plan = Plan(trigger=CronTrigger(expression=expression), zone=BERLIN)
    now = at("2026-11-24T12:34:56")
    latest = plan.latest(at("2020-01-01"), now)
    assert latest is not None
    assert latest <= now
    following = plan.after(latest)
    assert following is not None
    assert following > now
    assert plan.latest(now, now) is None
