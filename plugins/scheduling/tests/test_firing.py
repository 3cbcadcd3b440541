"""Fires: on time and once, whatever happens to engine, people and plans meanwhile."""

import asyncio
import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import col, func, select

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_scheduling.models import Fire, ScheduledTask
from riveredge_scheduling.source import Schedules
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.timers import HORIZON

from .conftest import TASKS, History, Limit, Make, TimeMachine, held, inbox, states
from .lab import LAB

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("early_in_a_minute")]

MINUTELY = {"kind": "cron", "expression": "* * * * *"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_every_instant_fires_once_and_in_time(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    task = make(trigger=MINUTELY)
    # What fires next is planned already, and what is planned next comes after.
    assert at(task["next_nominal_at"]) - at(task["next_fire_at"]) >= timedelta(minutes=1)
    engine.advance(minutes=3)
    done = [item for item in history.all(task) if item["finished_at"]]
    assert len(done) == 3
    assert set(states(done)) == {"succeeded"}
    for item in done:
        assert datetime.fromisoformat(item["nominal_at"]) <= datetime.fromisoformat(item["started_at"])
    assert sorted(LAB.arrived[task["key"]]) == sorted(item["id"] for item in done)
    read = client.get(f"{TASKS}/{task['id']}").json()
    assert (read["runs"], read["failures"], read["version"]) == (3, 0, 1)
    measured = client.get(f"{TASKS}/{task['id']}/statistics").json()
    assert (measured["states"]["succeeded"], measured["success_rate"]) == (3, 1)
    assert 0 <= measured["lateness_p50_s"] <= measured["lateness_p95_s"] <= measured["lateness_max_s"]
    everything = client.get("/api/v1/scheduling/statistics", params={"days": 7}).json()
    # With the one that the example plugin brings.
    assert (everything["schedules"], everything["failing"]) == ({"active": 2}, 0)
    assert (everything["states"], everything["duration_max_s"]) == (measured["states"], measured["duration_max_s"])


def test_a_run_of_its_own_leads_to_the_run_mirror(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    assert client.user is not None
    task = make(action="lab.work", params={"note": "x"}, trigger=MINUTELY, max_runs=1)
    engine.advance(minutes=2)
    (fire, *rest) = history.all(task)
    assert (fire["state"], fire["result"], fire["params"]) == ("succeeded", {"note": "x"}, {"note": "x"})
    assert set(states(rest)) <= {"skipped_ended"}
    run = client.get(f"/api/v1/runs/{fire['run_id']}")
    assert (run.status_code, run.json()["function"]) == (200, "scheduling.execute")
    assert len(LAB.runs[task["key"]]) == 1
    assert client.get(f"{TASKS}/{task['id']}").json()["status"] == "completed"


def test_a_new_schedule_need_not_wait_for_the_tick(make: Make, history: History, time_machine: TimeMachine) -> None:
    due = time_machine.now() + timedelta(seconds=80)
    task = make(trigger={"kind": "date", "at": due.replace(tzinfo=None).isoformat()})
    time_machine.jump_to(due)
    assert states(history.ended(task, 1)) == ["succeeded"]
    assert task["next_nominal_at"] is None
    read = history.client.get(f"{TASKS}/{task['id']}").json()
    assert read["status"] == "completed"


@pytest.mark.parametrize("fault", ["lost-request", "lost-answer", "twice", "unreachable"])
def test_an_engine_that_stumbles_fires_once(make: Make, history: History, engine: EngineControl, fault: Any) -> None:
    light = make(trigger=MINUTELY, action="lab.light", params={"note": "x"})
    heavy = make(trigger=MINUTELY, action="lab.work")
    engine.fail(fault, function="riveredge-kernel-fire", times=1)
    engine.fail(fault, function="riveredge-scheduling-execute", times=1)
    engine.advance(minutes=2)
    for task in (light, heavy):
        done = [item for item in history.all(task) if item["finished_at"]]
        assert states(done) == ["succeeded", "succeeded"]
        assert len({item["nominal_at"] for item in done}) == 2
    assert len(LAB.runs[heavy["key"]]) >= 2


def test_an_engine_that_forgot_everything_loses_no_fire(
    make: Make, history: History, engine: EngineControl, time_machine: TimeMachine
) -> None:
    task = make(trigger=MINUTELY, catch_up="fire_all")
    planned = len(history.all(task))
    assert planned >= 1
    engine.forget()
    engine.advance(minutes=3)
    done = history.ended(task, 3)
    assert set(states(done)) == {"succeeded"}
    assert len({item["nominal_at"] for item in done}) == len(done)


@pytest.mark.parametrize("tick_first", [True, False])
def test_what_was_planned_and_what_was_missed_run_once_together(
    make: Make, history: History, engine: EngineControl, time_machine: TimeMachine, tick_first: bool
) -> None:
    """The platform was away for five minutes: some fires had been handed over, others had not been made."""
    light, heavy = (make(trigger=MINUTELY, action=action) for action in ("lab.light", "lab.work"))
    engine.forget()
    time_machine.jump_to(time_machine.now() + timedelta(minutes=5))
    if tick_first:
        time_machine.claim()
    # Sends again what the engine has forgotten.
    time_machine.reconcile()
    engine.advance(seconds=20)
    for task in (light, heavy):
        due = [item for item in history.all(task) if at(item["nominal_at"]) <= engine.now() - timedelta(seconds=60)]
        assert len(LAB.runs[task["key"]]) == 1
        (ran,) = [item for item in history.all(task) if item["state"] == "succeeded"]
        others = [item for item in due if item["id"] != ran["id"]]
        assert set(states(others)) == {"skipped_misfire"}
        # The one that was planned counts if its event came before the other had run.
        assert ran["missed_count"] in {3, 4}
        assert {item["reason"] for item in others} == {"later_runs"}


@pytest.mark.parametrize("change", ["edit", "pause", "delete"])
def test_what_is_changed_between_claim_and_fire_does_not_run(
    client: ApiClient, make: Make, history: History, engine: EngineControl, change: str
) -> None:
    task = make(trigger=MINUTELY)
    planned = [item["id"] for item in history.all(task)]
    assert planned
    place, version = f"{TASKS}/{task['id']}", {"If-Match": '"1"'}
    if change == "edit":
        trigger = {"kind": "cron", "expression": "0 0 1 1 *"}
        assert client.patch(place, json={"trigger": trigger}, headers=version).json()["revision"] == 2
    elif change == "pause":
        assert client.post(f"{place}/pause", json={"note": "x"}).status_code == 200
    else:
        assert client.delete(place, headers=version).status_code == 204
    engine.advance(minutes=3)
    found = [item for item in history.all(task) if item["id"] in planned]
    expected = {"edit": "superseded", "pause": "skipped_paused", "delete": "superseded"}[change]
    assert set(states(found)) == {expected}
    assert all(item["why"] for item in found)
    assert LAB.arrived[task["key"]] == []


def test_a_changed_parameter_counts_at_once(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    task = make(action="lab.light", params={"note": "old"}, trigger=MINUTELY)
    changed = client.patch(f"{TASKS}/{task['id']}", json={"params": {"note": "new"}}, headers={"If-Match": '"1"'})
    assert changed.json()["revision"] == 2
    engine.advance(minutes=2)
    done = [item for item in history.all(task) if item["finished_at"]]
    ran = [item for item in done if item["state"] == "succeeded"]
    assert [item["result"] for item in ran] == ["new"] * len(ran)
    assert {item["nominal_at"] for item in done if item["state"] == "superseded"} <= {
        item["nominal_at"] for item in ran
    }


def test_a_pause_is_noted_in_one_row_and_not_made_up_for(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    task = make(trigger=MINUTELY, paused=True, catch_up="fire_all")
    engine.advance(minutes=5)
    assert history.all(task) == []
    assert client.post(f"{TASKS}/{task['id']}/resume").status_code == 200
    skipped = [item for item in history.all(task) if item["finished_at"]]
    assert states(skipped) == ["skipped_paused"]
    assert skipped[0]["missed_count"] == 4
    engine.advance(minutes=1)
    assert "succeeded" in states(history.all(task))


def test_a_failure_is_tried_again(make: Make, history: History, engine: EngineControl) -> None:
    task = make(action="lab.work", params={"failures": 2}, trigger=MINUTELY, max_runs=1, retries=2, retry_delay_s=5)
    engine.advance(minutes=3)
    fire = history.all(task)[0]
    assert (fire["state"], fire["attempt"]) == ("succeeded", 3)
    assert len({run.fire_id for run in LAB.runs[task["key"]]}) == 1
    assert [run.attempt for run in LAB.runs[task["key"]]] == [1, 2, 3]


def test_what_waits_for_another_attempt_ends_with_its_schedule(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    for action in ("lab.work", "lab.light"):
        task = make(action=action, params={"failures": 9}, retries=3, retry_delay_s=600)
        client.post(f"{TASKS}/{task['id']}/run")
        history.until(task, lambda items: states(items) == ["retrying"])
        assert client.delete(f"{TASKS}/{task['id']}", headers={"If-Match": '"1"'}).status_code == 204
        engine.advance(minutes=11)
        (fire,) = history.ended(task, 1)
        assert (fire["state"], fire["reason"], fire["attempt"]) == ("failed", "deleted", 1)
        assert "It is to fail." in fire["error"]
        assert len(LAB.runs[task["key"]]) == 1


def test_what_runs_when_its_schedule_is_deleted_ends_as_it_would_have(
    client: ApiClient, make: Make, history: History, time_machine: TimeMachine
) -> None:
    task = make(action="lab.work", params={"hold": True, "note": "kept"}, overlap="buffer_one")
    with held(task["key"]):
        for expected in (["running"], ["running", "buffered"]):
            client.post(f"{TASKS}/{task['id']}/run")

            def reached(items: list[dict[str, Any]], wanted: list[str] = expected) -> bool:
                return states(items) == wanted

            history.until(task, reached)
        assert client.delete(f"{TASKS}/{task['id']}", headers={"If-Match": '"1"'}).status_code == 204
    history.until(task, lambda items: items[0]["state"] == "succeeded" and items[0]["result"] == {"note": "kept"})
    # What waited behind it is taken back.
    time_machine.reconcile()
    assert [(item["state"], item["reason"]) for item in history.all(task)][1:] == [("superseded", "deleted")]


def test_what_cannot_succeed_is_not_tried_again(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    params = {"failures": 9, "final": True}
    task = make(action="lab.work", params=params, trigger=MINUTELY, max_runs=1, retries=5, alarm_after_failures=1)
    engine.advance(minutes=2)
    fire = history.all(task)[0]
    assert (fire["state"], fire["attempt"], fire["error"]) == ("failed", 1, "It is to fail.")
    assert inbox(client, "Failed") == ["Failed: A task"]


def test_failing_again_and_again_pauses(client: ApiClient, make: Make, history: History, engine: EngineControl) -> None:
    for action in ("lab.light", "lab.work"):
        task = make(action=action, params={"failures": 9}, trigger=MINUTELY, pause_after_failures=2, title=action)
        engine.advance(minutes=4)
        read = client.get(f"{TASKS}/{task['id']}").json()
        assert (read["status"], read["pause_reason"], read["failures"]) == ("paused", "failures", 2)
        assert states([item for item in history.all(task) if item["state"] == "failed"]) == ["failed", "failed"]
        assert inbox(client, f"Paused: {action}")
        assert client.post(f"{TASKS}/{task['id']}/resume").json()["failures"] == 0


def test_one_failure_leaves_the_others_of_its_transaction(make: Make, history: History, engine: EngineControl) -> None:
    good = [make(trigger=MINUTELY, action="scheduling.emit_event", params={"name": "lab"}) for _ in range(5)]
    bad = make(trigger=MINUTELY, action="lab.light", params={"failures": 99})
    engine.advance(minutes=2)
    for task in good:
        done = [item for item in history.all(task) if item["finished_at"]]
        assert states(done) == ["succeeded", "succeeded"]
        assert sorted(LAB.arrived[task["key"]]) == sorted(item["id"] for item in done)
    assert states([item for item in history.all(bad) if item["finished_at"]]) == ["failed", "failed"]


def test_a_run_that_takes_too_long_is_broken_off(client: ApiClient, make: Make, history: History) -> None:
    task = make(action="lab.work", params={"seconds": 60}, timeout_s=1)
    client.post(f"{TASKS}/{task['id']}/run", json={})
    (fire,) = history.ended(task, 1)
    assert (fire["state"], fire["error"]) == ("failed", "It did not end within 1 s.")


def test_a_fixed_delay_counts_from_the_end(make: Make, history: History, engine: EngineControl) -> None:
    task = make(trigger={"kind": "fixed_delay", "every_s": 60}, action="lab.light")
    engine.advance(minutes=4)
    done = [item for item in history.all(task) if item["finished_at"]]
    assert len(done) >= 3
    for earlier, later in pairwise(done):
        assert datetime.fromisoformat(later["nominal_at"]) > datetime.fromisoformat(earlier["finished_at"])


def test_a_backfill_runs_the_past_in_its_order(
    client: ApiClient, make: Make, history: History, time_machine: TimeMachine
) -> None:
    task = make(trigger={"kind": "cron", "expression": "0 12 * * *"}, action="lab.work", overlap="skip")
    place = f"{TASKS}/{task['id']}/backfill"
    end = time_machine.now()
    span = {"start": (end - timedelta(days=5)).isoformat(), "end": end.isoformat()}
    looked = client.post(f"{place}/preview", json=span).json()
    assert (looked["batch"], looked["count"]) == (None, 5)
    started = client.post(place, json=span).json()
    assert started["count"] == 5
    done = history.ended(task, 5)
    assert states(done) == ["succeeded"] * 5
    assert {item["kind"] for item in done} == {"backfill"}
    ran = [run.nominal_at for run in LAB.runs[task["key"]]]
    assert ran == sorted(ran)
    future = span | {"end": (end + timedelta(days=2)).isoformat()}
    assert client.post(place, json=future).status_code == 422
    far = span | {"start": (end - timedelta(days=5000)).isoformat()}
    assert "too_many" in client.post(place, json=far).text


def test_what_is_left_of_a_backfill_is_cancelled(
    client: ApiClient, make: Make, history: History, time_machine: TimeMachine
) -> None:
    task = make(trigger={"kind": "cron", "expression": "0 12 * * *"}, action="lab.work", params={"hold": True})
    end = time_machine.now()
    span = {"start": (end - timedelta(days=5)).isoformat(), "end": end.isoformat()}
    with held(task["key"]):
        batch = client.post(f"{TASKS}/{task['id']}/backfill", json=span).json()["batch"]
        history.until(task, lambda items: "running" in states(items))
        cancelled = client.post(f"/api/v1/scheduling/backfills/{batch}/cancel").json()
        assert cancelled == {"cancelled": 4}
    assert sorted(states(history.ended(task, 5))) == [*["cancelled"] * 4, "succeeded"]


def test_late_starts_and_missing_successes_raise_alarms(
    client: ApiClient, make: Make, history: History, engine: EngineControl, time_machine: TimeMachine
) -> None:
    task = make(trigger=MINUTELY, alarm_late_s=20, misfire_grace_s=3600, title="Late one", max_runs=1)
    time_machine.jump_to(time_machine.now() + timedelta(minutes=5))
    engine.advance(seconds=1)
    history.ended(task, 1)
    engine.advance(seconds=1)
    assert inbox(client, "Late")[:1] == ["Late: Late one"]

    dead = make(expect_success_within_s=600, title="Dead one")
    engine.advance(minutes=5)
    client.post(f"{TASKS}/{dead['id']}/run", json={})
    history.ended(dead, 1)
    engine.advance(minutes=7)
    assert inbox(client, "No success") == []
    engine.advance(minutes=4)
    assert inbox(client, "No success") == ["No success: Dead one"]


def test_a_switched_off_plugin_misses_and_catches_up(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    task = make(trigger=MINUTELY, catch_up="fire_once")
    engine.advance(minutes=1)
    before = len([item for item in history.all(task) if item["state"] == "succeeded"])
    off = client.put("/api/v1/plugins/scheduling", json={"enabled": False})
    assert off.status_code < 300, off.text
    engine.advance(minutes=10)
    assert client.get(TASKS).status_code == 404
    on = client.put("/api/v1/plugins/scheduling", json={"enabled": True})
    assert on.status_code < 300, on.text
    engine.advance(minutes=8)
    found = history.all(task)
    late = [item for item in found if item["kind"] == "catch_up"]
    assert states(late) == ["succeeded"]
    assert late[0]["missed_count"] >= 4
    assert len([item for item in found if item["state"] == "succeeded"]) < before + 12


def test_claimers_side_by_side_make_no_row_twice(
    make: Make, platform: ThreadedPlatform, tenant: TestTenant, time_machine: TimeMachine
) -> None:
    start = time_machine.next_minute(minutes=10)
    for _ in range(12):
        make(trigger=MINUTELY, starts_at=start.isoformat(), params={"name": "quiet"})

    async def claim() -> int:
        source = Schedules()
        with use_context(platform.platform.tick.context()):
            until = start + timedelta(minutes=2) + HORIZON
            counts = await asyncio.gather(*(source.claim(until, 3) for _ in range(8)))
        return sum(counts)

    assert platform.run(claim()) >= 12

    async def count() -> tuple[int, int]:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            mine = col(Fire.tenant_id) == tenant.id
            rows = (await session.exec(select(func.count()).select_from(Fire).where(mine))).one()
            keys = select(Fire.task_id, Fire.nominal_at).where(mine).distinct()
            return rows, len((await session.exec(keys)).all())

    rows, distinct = platform.run(count())
    assert rows == distinct
    assert rows >= 12


def test_a_lease_that_ran_out_is_tried_again(
    client: ApiClient, make: Make, history: History, platform: ThreadedPlatform, time_machine: TimeMachine
) -> None:
    task = make(action="lab.work", params={"hold": True}, retries=1, retry_delay_s=1, timeout_s=3600)
    with held(task["key"]):
        client.post(f"{TASKS}/{task['id']}/run", json={})
        (fire,) = history.until(task, lambda items: states(items) == ["running"])

        async def expire() -> None:
            async with platform.platform.database.system("test", platform.platform.runtime) as session:
                past = time_machine.now() - timedelta(seconds=1)
                await session.exec(update(Fire).where(col(Fire.id) == UUID(fire["id"])).values(lease_until=past))

        platform.run(expire())
        time_machine.reconcile()
        history.until(task, lambda items: items[0]["attempt"] == 2 and items[0]["state"] == "running")
    (done,) = history.ended(task, 1)
    assert (done["state"], done["attempt"]) == ("succeeded", 2)


def test_changed_rules_of_a_zone_are_followed(
    client: ApiClient, make: Make, platform: ThreadedPlatform, engine: EngineControl
) -> None:
    task = make(trigger={"kind": "date", "at": f"{engine.now().year + 2}-06-01T12:00:00"}, zone="Europe/Berlin")
    right = task["next_nominal_at"]

    async def outdate() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            later = engine.now() + timedelta(days=300)
            wrong = {"rules": "1999a", "next_nominal_at": later, "next_fire_at": later}
            await session.exec(update(ScheduledTask).where(col(ScheduledTask.id) == UUID(task["id"])).values(**wrong))

    platform.run(outdate())
    engine.advance(days=1, minutes=5)
    assert client.get(f"{TASKS}/{task['id']}").json()["next_nominal_at"] == right
    asked = {"conditions": [{"field": "action", "op": "eq", "value": "scheduling.task.follow_rules"}]}
    (told,) = client.get("/api/v1/audit", params={"filter": json.dumps(asked)}).json()["items"]
    assert (told["object_id"], told["details"]["rules"]["before"]) == (task["id"], "1999a")
    assert at(told["details"]["next_nominal_at"]["now"]) == at(right)


def test_a_day_off_leaves_a_row_that_says_why(
    client: ApiClient, make: Make, history: History, engine: EngineControl
) -> None:
    tomorrow = engine.now() + timedelta(days=1)
    body = {
        "key": f"founded-{tomorrow:%Y-%m-%d}",
        "title": "Ours",
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "days": [{"date": f"{tomorrow:%Y-%m-%d}", "name": "Founders' Day"}],
    }
    calendar = client.post("/api/v1/scheduling/calendars", json=body).json()
    noon = {"kind": "cron", "expression": "0 12 * * *"}
    task = make(trigger=noon, calendar_id=calendar["id"], on_holiday="skip")
    engine.advance(days=3)
    found = {item["nominal_at"][:10]: item for item in history.all(task) if item["finished_at"]}
    off = found.pop(f"{tomorrow:%Y-%m-%d}")
    assert (off["state"], off["why"]) == ("skipped_holiday", "No workday (Founders' Day): 1 left out on this day.")
    assert set(states(list(found.values()))) == {"succeeded"}
    assert len(found) >= 2


def test_no_more_run_at_once_than_the_organisation_may(
    client: ApiClient, make: Make, history: History, engine: EngineControl, limit: Limit
) -> None:
    limit("scheduling.running", 1)
    first, second = (make(action="lab.work", params={"hold": True}) for _ in range(2))
    with held(first["key"]), held(second["key"]):
        client.post(f"{TASKS}/{first['id']}/run", json={})
        history.until(first, lambda items: states(items) == ["running"])
        client.post(f"{TASKS}/{second['id']}/run", json={})
        (waiting,) = history.until(second, lambda items: items[0]["reason"] == "quota")
        assert (waiting["state"], waiting["why"]) == ("planned", "Waits: 1 actions of the organisation run already.")
    history.ended(first, 1)
    engine.advance(seconds=15)
    assert states(history.ended(second, 1)) == ["succeeded"]
