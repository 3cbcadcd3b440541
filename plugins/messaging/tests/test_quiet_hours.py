"""Quiet hours follow the wall clock of the reader: over midnight, and when clocks are put forward or back."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest

from riveredge_messaging.models import Message
from riveredge_messaging.rules.categories import GENERAL
from riveredge_messaging.rules.deciding import GRID_SECONDS, Rules
from riveredge_messaging.rules.preferences import Choices
from riveredge_messaging.rules.quiet import Window, quiet_until
from riveredge_sdk.features.people import Person
from riveredge_sdk.models import uuid7

NIGHT = Window(time(22), time(7, 30))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("Asia/Shanghai", "2026-11-24T15:00", "2026-11-24T23:30"),  # 23:00, before midnight
        ("Asia/Shanghai", "2026-11-24T22:00", "2026-11-24T23:30"),  # 06:00, after midnight
        ("Asia/Shanghai", "2026-11-24T13:59", None),  # 21:59
        ("Asia/Kolkata", "2026-11-24T18:00", "2026-11-25T02:00"),  # half an hour's offset
        ("America/St_Johns", "2026-11-25T02:00", "2026-11-25T11:00"),
        # Clocks go forward on 29 March in Berlin: the night has an hour less.
        ("Europe/Berlin", "2026-03-28T22:30", "2026-03-29T05:30"),
        # And back on 25 October: an hour more.
        ("Europe/Berlin", "2026-10-24T21:00", "2026-10-25T06:30"),
        ("America/New_York", "2026-03-08T04:00", "2026-03-08T11:30"),
        ("America/New_York", "2026-11-01T05:30", "2026-11-01T12:30"),
        # Half an hour of daylight saving.
        ("Australia/Lord_Howe", "2026-04-04T12:00", "2026-04-04T21:00"),
        ("No/Where", "2026-11-24T23:00", "2026-11-25T07:30"),
    ],
)
def test_a_night_in_many_zones(zone: str, now: str, until: str | None) -> None:
    assert quiet_until([NIGHT], zone, at(now)) == (at(until) if until else None)


def test_ends_that_do_not_exist_or_come_twice() -> None:
    # 02:30 does not exist in Berlin on 29 March: quiet ends as the clocks jump, at 01:00 UTC.
    gap = [Window(time(22), time(2, 30))]
    assert quiet_until(gap, "Europe/Berlin", at("2026-03-29T00:30")) == at("2026-03-29T01:00")
    assert quiet_until(gap, "Europe/Berlin", at("2026-03-29T01:00")) is None
    # On 25 October it comes twice: quiet ends at the first, and does not begin again.
    assert quiet_until(gap, "Europe/Berlin", at("2026-10-24T23:00")) == at("2026-10-25T00:30")
    assert quiet_until(gap, "Europe/Berlin", at("2026-10-25T01:15")) is None


def test_days_and_windows_that_follow_each_other() -> None:
    weekend = Window(time(0), time(0), frozenset({6, 7}))
    # Friday night, then Saturday and Sunday, then the night until Monday morning.
    assert quiet_until([NIGHT, weekend], "UTC", at("2026-11-27T23:00")) == at("2026-11-30T07:30")
    lunch = Window(time(12), time(13), frozenset({1}))
    assert quiet_until([lunch], "UTC", at("2026-11-24T12:30")) is None
    assert quiet_until([lunch], "UTC", at("2026-11-23T12:30")) == at("2026-11-23T13:00")
    assert quiet_until([], "UTC", at("2026-11-23T12:30")) is None


def rules(message: Message, people: list[UUID], spread_s: int) -> Rules:
    """Of people in Berlin, where the nights are quiet."""
    person = Person(id=people[0], name="Ada", email="ada@acme.example", timezone="Europe/Berlin", locale="en")
    return Rules(
        message=message,
        category=GENERAL,
        channels={},
        people=dict.fromkeys(people, person),
        addresses={},
        choices=Choices({}, {}),
        quiet={},
        quiet_of_tenant=[NIGHT],
        spread_s=spread_s,
        suppressed=frozenset(),
    )


def test_what_was_held_does_not_go_out_all_at_once() -> None:
    people = [uuid7() for _ in range(2000)]
    night, morning = at("2026-11-24T23:00"), at("2026-11-25T06:30")
    message, other = (Message(id=uuid7(), template="a.b", data={}) for _ in range(2))

    def due(message: Message, spread_s: int = 300) -> list[datetime]:
        asked = rules(message, people, spread_s)
        found = [asked.wait(person, "messaging.email", night) for person in people]
        return [ruling.due_at for ruling in found if ruling is not None and ruling.due_at is not None]

    instants = Counter(due(message))
    # On a grid, so that many share an instant, and about as many at each: 2,000 over 61 of them.
    assert set(instants) == {morning + timedelta(seconds=GRID_SECONDS * step) for step in range(61)}
    assert max(instants.values()) < 2 * len(people) / len(instants)
    assert instants.total() == len(people)
    # Asked again it is the same for each, and with another message nobody is always the last.
    assert due(message) == due(message)
    assert due(message) != due(other)
    assert set(due(message, spread_s=0)) == {morning}
    # Only what waits is spread.
    assert rules(message, people, 300).wait(people[0], "messaging.email", morning) is None
