"""The drill: an engine loses its memory in a scratch installation, and it is counted what that did to schedules."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, find_factory

TASKS = "/api/v1/scheduling/tasks"
FIRES = "/api/v1/scheduling/fires"
MINUTES_BEFORE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the drill has seen.

    Args:
        armed: fires that the engine had been given, and forgot.
        armed_again: those of them that ran all the same.
        expected: instants of all plans within the time of the drill.
        fired, twice, missing: of these, how many ran, ran more than once, never ran.
    """

    schedules: int
    armed: int
    armed_again: int
    expected: int
    fired: int
    twice: int
    missing: int

    @property
    def passed(self) -> bool:
        return self.armed == self.armed_again and self.twice == 0 and self.missing == 0


def drill(schedules: int, minutes: int, say: Callable[[str], None]) -> Report:
    """Run it in a directory of its own, which is deleted afterwards; nothing else is touched.

    Args:
        schedules: each fires every minute.
        minutes: how long it goes on after the loss, on a clock that runs ahead.

    Raises:
        LookupError: no platform is installed beside the plugin.
    """
    _forget_the_environment()
    with (
        tempfile.TemporaryDirectory(prefix="riveredge-drill-") as place,
        find_factory()("sqlite", Path(place)) as platform,
    ):
        user = platform.create_user(platform.create_tenant("drill"), platform.permissions)
        with ApiClient(platform, user) as client:
            return _drill(platform, client, schedules, minutes, say)


def _drill(
    platform: PlatformUnderTest, client: ApiClient, schedules: int, minutes: int, say: Callable[[str], None]
) -> Report:
    # Early in a minute, so that none begins while they are made, or is about to be over when it is counted.
    platform.advance(timedelta(seconds=65 - platform.now().second))
    say(f"{schedules} schedules, each every minute")
    for number in range(schedules):
        _create(client, number)
    begun = platform.now()
    platform.advance(timedelta(minutes=MINUTES_BEFORE))
    armed = {fire["id"] for fire in _fires(client) if fire["state"] == "planned"}
    say(f"the engine has run for {MINUTES_BEFORE} minutes and holds {len(armed)} fires that are about to start")
    platform.run(platform.engine.forget())
    say("the engine has lost its memory")
    platform.advance(timedelta(minutes=minutes))
    ended = platform.now()
    say(f"{minutes} minutes later")

    fires = _fires(client)
    ran = {fire["id"] for fire in fires if fire["state"] == "succeeded"}
    # Whole minutes after the beginning, up to the end.
    first = begun.replace(second=0, microsecond=0) + timedelta(minutes=1)
    per_instant = Counter(
        (fire["task_id"], fire["nominal_at"])
        for fire in fires
        if fire["state"] == "succeeded" and first <= datetime.fromisoformat(fire["nominal_at"]) <= ended
    )
    expected = schedules * max(int((ended - first).total_seconds() // 60) + 1, 0)
    return Report(
        schedules=schedules,
        armed=len(armed),
        armed_again=len(armed & ran),
        expected=expected,
        fired=len(per_instant),
        twice=sum(1 for count in per_instant.values() if count > 1),
        missing=max(expected - len(per_instant), 0),
    )


def _create(client: ApiClient, number: int) -> None:
    body = {
        "key": f"drill-{number}",
        "title": f"Drill {number}",
        "action": "scheduling.emit_event",
        "params": {"name": "drill"},
        "trigger": {"kind": "cron", "expression": "* * * * *"},
        "catch_up": "fire_all",
        "catch_up_max": 1000,
    }
    answer = client.post(TASKS, json=body)
    if answer.status_code != 201:
        raise RuntimeError(answer.text)


def _fires(client: ApiClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = client.get(FIRES, params={"limit": 200, **cursor}).json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def _forget_the_environment() -> None:
    """The scratch installation must not find the database or the engine of the real one."""
    for name in [name for name in os.environ if name.startswith("RIVEREDGE_")]:
        del os.environ[name]
