"""Each overlap policy with each catch-up policy, against a table; and overlap by itself."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient

from .conftest import TASKS, History, Make, TimeMachine, held, states
from .lab import LAB

pytestmark = pytest.mark.database

MINUTELY = {"kind": "cron", "expression": "* * * * *"}
WHILE_HELD = {
    "skip": "skipped_overlap",
    "allow": "running",
    "buffer_one": "buffered",
    "buffer_all": "buffered",
    "cancel_previous": "running",
}
TABLE = [(overlap, catch_up) for overlap in WHILE_HELD for catch_up in ("skip", "fire_once", "fire_all")]


@pytest.mark.parametrize(("overlap", "catch_up"), TABLE)
def test_overlap_and_catch_up(  # noqa: PLR0917
    client: ApiClient, make: Make, history: History, time_machine: TimeMachine, overlap: str, catch_up: str
) -> None:
    """Five instants pass while nothing ticks and a run holds: the first four are late, the fifth is in time."""
    start = time_machine.next_minute(minutes=10)
    task = make(
        action="lab.work",
        params={"hold": True},
        trigger=MINUTELY,
        starts_at=start.isoformat(),
        overlap=overlap,
        catch_up=catch_up,
        catch_up_max=3,
    )
    with held(task["key"]):
        first = client.post(f"{TASKS}/{task['id']}/run", json={}).json()
        history.until(task, lambda items: states(items) == ["running"])
        # Early in its minute: the next one must not begin before all is looked at.
        time_machine.jump_to(start + timedelta(minutes=4, seconds=5))
        time_machine.claim()

        def of_plan(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
            ended = start + timedelta(minutes=4, seconds=1)
            return [i for i in items if i["kind"] != "manual" and i["nominal_at"] < ended.isoformat()]

        expected = WHILE_HELD[overlap]
        rows = {
            # By minute: state and the number of other instants that the row stands for.
            "skip": [(3, "skipped_misfire", 3), (4, expected, 0)],
            "fire_once": [(4, expected, 4)],
            "fire_all": [(1, "skipped_misfire", 1), (2, "buffered", 0), (3, "buffered", 0), (4, "buffered", 0)],
        }[catch_up]

        def seen(items: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
            return [(int(i["nominal_at"][14:16]) - start.minute, i["state"], i["missed_count"]) for i in of_plan(items)]

        wanted = [((minute + start.minute) % 60 - start.minute, state, count) for minute, state, count in rows]
        found = history.until(task, lambda items: seen(items) == wanted)
        for item in of_plan(found):
            if item["state"] != "running":
                assert item["why"]
            if item["state"] == "skipped_overlap" or item["reason"] == "waits_for":
                assert item["blocked_by"] == first["id"]
    found = history.until(
        task,
        lambda items: all(i["finished_at"] for i in items if i in of_plan(items) or i["kind"] == "manual"),
    )
    ran = [i for i in of_plan(found) if i["state"] == "succeeded"]
    refused = expected == "skipped_overlap" and catch_up != "fire_all"
    assert len(ran) == (0 if refused else {"skip": 1, "fire_once": 1, "fire_all": 3}[catch_up])
    manual = next(i for i in found if i["kind"] == "manual")
    replaced = overlap == "cancel_previous" and catch_up != "fire_all"
    assert manual["state"] == ("cancelled" if replaced else "succeeded")
    if replaced:
        assert manual["blocked_by"] == ran[0]["id"]
    started = [run.nominal_at for run in LAB.runs[task["key"]][1:]]
    assert started[: len(ran)] == sorted(started[: len(ran)])


def test_buffers_are_bounded(client: ApiClient, make: Make, history: History) -> None:
    for overlap, waiting, reason in (("buffer_one", 1, "waiting_already"), ("buffer_all", 2, "buffer_full")):
        task = make(action="lab.work", params={"hold": True}, overlap=overlap, buffer_max=2)
        with held(task["key"]):
            for number in range(waiting + 2):
                client.post(f"{TASKS}/{task['id']}/run", json={})

                def none_waits(items: list[dict[str, Any]], there: int = number + 1) -> bool:
                    return "planned" not in states(items) and len(items) == there

                history.until(task, none_waits)
            found = history.all(task)
            assert states(found) == ["running", *["buffered"] * waiting, "skipped_overlap"]
            assert found[-1]["reason"] == reason
        done = history.ended(task, waiting + 2)
        assert states(done) == [*["succeeded"] * (waiting + 1), "skipped_overlap"]
        # One after the other: none began before the one before had ended.
        runs = [item for item in done if item["state"] == "succeeded"]
        for earlier, later in pairwise(runs):
            assert earlier["finished_at"] <= later["started_at"]


def test_a_cancelled_run_is_broken_off_and_frees_its_turn(client: ApiClient, make: Make, history: History) -> None:
    task = make(action="lab.work", params={"hold": True}, overlap="buffer_one")
    with held(task["key"]):
        one = client.post(f"{TASKS}/{task['id']}/run", json={}).json()
        history.until(task, lambda items: states(items) == ["running"])
        client.post(f"{TASKS}/{task['id']}/run", json={})
        history.until(task, lambda items: states(items) == ["running", "buffered"])
        cancelled = client.post(f"/api/v1/scheduling/fires/{one['id']}/cancel").json()
        assert (cancelled["state"], cancelled["why"]) == ("cancelled", "Somebody cancelled it.")
        assert client.post(f"/api/v1/scheduling/fires/{one['id']}/cancel").status_code == 409
        history.until(task, lambda items: states(items) == ["cancelled", "running"])
    assert states(history.ended(task, 2)) == ["cancelled", "succeeded"]


def test_the_policy_of_the_moment_decides(client: ApiClient, make: Make, history: History) -> None:
    task = make(action="lab.work", params={"hold": True}, overlap="skip")
    with held(task["key"]):
        client.post(f"{TASKS}/{task['id']}/run", json={})
        history.until(task, lambda items: states(items) == ["running"])
        changed = client.patch(f"{TASKS}/{task['id']}", json={"overlap": "allow"}, headers={"If-Match": '"1"'})
        assert (changed.status_code, changed.json()["revision"]) == (200, 1)
        client.post(f"{TASKS}/{task['id']}/run", json={})
        history.until(task, lambda items: states(items) == ["running", "running"])
