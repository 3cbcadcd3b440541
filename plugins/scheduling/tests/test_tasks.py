"""Schedules over the API: making, changing, listing, previewing; what is refused, and how that is told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_scheduling.models import Fire, ScheduledTask
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .conftest import TASKS, Limit, Make

pytestmark = pytest.mark.database

EVERYTHING = {"scheduling.task.read", "scheduling.task.write", "scheduling.task.run", "scheduling.calendar.write"}
NEW_YEAR = {"kind": "cron", "expression": "0 0 1 1 *"}


def refused(client: ApiClient, field: str, code: str | None = None, **fields: Any) -> str:
    """The message with which a schedule is refused."""
    body = {
        "key": "refused",
        "title": "x",
        "action": "scheduling.emit_event",
        "params": {"name": "test"},
        "trigger": NEW_YEAR,
        **fields,
    }
    answer = client.post(TASKS, json=body)
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors] == [field], errors
    if code is not None:
        assert errors[0]["code"] == code
    return str(errors[0]["message"])


def test_a_schedule_is_made_read_changed_and_deleted(client: ApiClient, make: Make) -> None:
    assert client.user is not None
    task = make(key="reports.daily", title="Daily report", trigger={"kind": "cron", "expression": "30 9 * * mon-fri"})
    assert task["trigger"] == {"kind": "cron", "expression": "30 9 * * MON-FRI"}
    assert (task["status"], task["owner_id"], task["version"], task["zone"]) == (
        "active",
        str(client.user.id),
        1,
        "UTC",
    )
    read = client.get(f"{TASKS}/{task['id']}")
    assert read.headers["ETag"] == '"1"'
    assert read.json() == task

    place = f"{TASKS}/{task['id']}"
    assert client.patch(place, json={"title": "New"}).status_code == 428
    changed = client.patch(place, json={"title": "New", "max_runs": 3}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["title"], changed.json()["max_runs"]) == (200, "New", 3)
    assert (changed.json()["version"], changed.json()["revision"]) == (2, 1)
    assert client.patch(place, json={"title": "Old"}, headers={"If-Match": '"1"'}).status_code == 412
    cleared = client.patch(place, json={"max_runs": None}, headers={"If-Match": '"2"'})
    assert cleared.json()["max_runs"] is None
    nulled = client.patch(place, json={"title": None}, headers={"If-Match": '"3"'})
    assert (nulled.status_code, nulled.json()["errors"][0]["field"]) == (422, "title")

    timed = client.patch(
        place, json={"trigger": {"kind": "cron", "expression": "0 8 * * *"}}, headers={"If-Match": '"3"'}
    )
    assert (timed.json()["revision"], timed.json()["version"]) == (2, 4)
    assert timed.json()["next_nominal_at"].endswith("T08:00:00Z")

    assert client.delete(place, headers={"If-Match": '"4"'}).status_code == 204
    assert client.get(place).status_code == 404


def test_a_key_is_unique_in_an_organisation(client: ApiClient, make: Make) -> None:
    make(key="mine")
    body = {
        "key": "mine",
        "title": "x",
        "action": "scheduling.emit_event",
        "params": {"name": "a"},
        "trigger": NEW_YEAR,
    }
    taken = client.post(TASKS, json=body)
    assert (taken.status_code, taken.json()["errors"][0]["field"]) == (409, "key")
    other = make(key="other")
    renamed = client.patch(f"{TASKS}/{other['id']}", json={"key": "mine"}, headers={"If-Match": '"1"'})
    assert (renamed.status_code, renamed.json()["errors"][0]["code"]) == (409, "taken")
    same = client.patch(f"{TASKS}/{other['id']}", json={"key": "other", "title": "New"}, headers={"If-Match": '"1"'})
    assert same.status_code == 200, same.text


def test_lists_filter_and_sort(client: ApiClient, make: Make) -> None:
    for key in ("b", "a", "c"):
        make(key=key, paused=key == "c")
    found = client.get(TASKS, params={"filter": '{"conditions": [{"field": "status", "op": "eq", "value": "active"}]}'})
    assert [item["key"] for item in found.json()["items"]] == ["a", "b"]
    page = client.get(TASKS, params={"limit": 2, "sort": "-key"}).json()
    assert [item["key"] for item in page["items"]] == ["c", "b"]
    rest = client.get(TASKS, params={"limit": 2, "sort": "-key", "cursor": page["next"]}).json()
    assert [item["key"] for item in rest["items"]] == ["a"]


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "60 * * * *", "@daily", "", "* * * *"])
def test_what_is_no_cron_is_refused_with_the_field(client: ApiClient, expression: str) -> None:
    refused(client, "trigger.expression", trigger={"kind": "cron", "expression": expression})


def test_triggers_are_refused_by_the_names_of_their_fields(client: ApiClient) -> None:
    assert "'interval'" in refused(client, "trigger.kind", trigger={"kind": "daily", "at": "09:00"})
    refused(client, "trigger.kind", trigger={"expression": "0 9 * * *"})
    refused(client, "trigger.expression", "missing", trigger={"kind": "cron"})
    assert "0 to 23" in refused(client, "trigger.expression", trigger={"kind": "cron", "expression": "0 25 * * *"})
    assert "no Z" in refused(client, "trigger.at", trigger={"kind": "date", "at": "2030-01-01T00:00:00Z"})


def test_what_never_fires_is_refused(client: ApiClient) -> None:
    past = {"kind": "date", "at": "2020-01-01T00:00:00"}
    assert "passed" in refused(client, "trigger", "never_fires", trigger=past)
    ends = refused(client, "trigger", "never_fires", ends_at="2020-01-01T00:00:00Z")
    assert "end has passed" in ends


def test_a_plan_denser_than_allowed_is_refused_with_its_rate(client: ApiClient) -> None:
    message = refused(client, "trigger", "too_often", trigger={"kind": "interval", "every_s": 10})
    assert "every 10 s" in message
    assert "360 times an hour" in message
    refused(client, "trigger.expression", "seconds", trigger={"kind": "cron", "expression": "*/30 * * * * *"})
    refused(client, "trigger.every_s", "too_often", trigger={"kind": "fixed_delay", "every_s": 5})


def test_operators_limit_an_organisation(
    client: ApiClient, make: Make, limit: Limit, as_user: AsUser, other_tenant: TestTenant
) -> None:
    every_5s = {"kind": "cron", "expression": "*/5 * * * * *"}
    limit("scheduling.min_interval_s", 5)
    make(trigger=every_5s, paused=True)
    refused(client, "trigger", "too_often", trigger={"kind": "cron", "expression": "* * * * * *"})
    refused(as_user(EVERYTHING, tenant=other_tenant), "trigger.expression", "seconds", trigger=every_5s)

    limit("scheduling.tasks", 1)
    body = {"key": "more", "title": "x", "action": "scheduling.emit_event", "params": {"name": "a"}}
    answer = client.post(TASKS, json={**body, "trigger": NEW_YEAR})
    assert (answer.status_code, answer.json()["quota"]) == (403, "scheduling.tasks")
    brought = client.post("/api/v1/scheduling/import", json={"tasks": [{**body, "trigger": NEW_YEAR}]})
    assert (brought.status_code, brought.json()["quota"]) == (403, "scheduling.tasks")
    seen = {quota["id"]: (quota["limit"], quota["used"]) for quota in client.get("/api/v1/quotas").json()}
    assert seen["scheduling.tasks"] == (1, 1)
    assert seen["scheduling.running"] == (50, 0)
    assert seen["scheduling.min_interval_s"] == (5, None)


def test_zones_actions_parameters_and_people_are_looked_up(client: ApiClient) -> None:
    refused(client, "zone", zone="Mars/Olympus")
    refused(client, "zone", zone="../../etc/passwd")
    refused(client, "action", action="nobody.knows")
    refused(client, "params.name", params={})
    refused(client, "params.name", params={"name": "Not a name"})
    refused(client, "params.extra", params={"name": "a", "extra": 1})
    refused(client, "alarm_to.0", alarm_to=["00000000-0000-7000-8000-000000000000"])
    refused(client, "calendar_id", on_holiday="skip")
    refused(client, "calendar_id", calendar_id="00000000-0000-7000-8000-000000000000")
    refused(client, "ends_at", starts_at="2030-01-02T00:00:00Z", ends_at="2030-01-01T00:00:00Z")


def test_an_action_s_permission_is_asked_of_its_owner(client: ApiClient, as_user: AsUser, make: Make) -> None:
    weak = as_user(EVERYTHING)
    body = {
        "key": "note",
        "title": "x",
        "action": "example.write_note",
        "params": {"title": "Hi"},
        "trigger": NEW_YEAR,
    }
    answer = weak.post(TASKS, json=body)
    assert (answer.status_code, answer.json()["permission"]) == (403, "example.note.write")
    offered = {action["id"]: action for action in weak.get("/api/v1/scheduling/actions").json()}
    assert offered["example.write_note"]["allowed"] is False
    assert offered["scheduling.emit_event"]["allowed"] is True
    assert offered["example.write_note"]["params_schema"]["required"] == ["title"]

    # Somebody else's schedule runs with their rights, so nobody else says what it does.
    mine = make(action="example.write_note", params={"title": "Mine"})
    place, version = f"{TASKS}/{mine['id']}", {"If-Match": '"1"'}
    assert weak.patch(place, json={"params": {"title": "Theirs"}}, headers=version).status_code == 403
    assert weak.patch(place, json={"take_over": True}, headers=version).status_code == 403
    assert weak.post(f"{place}/run", json={"params": {"title": "Theirs"}}).status_code == 403
    assert weak.patch(place, json={"title": "Renamed"}, headers=version).status_code == 200
    strong = as_user({*EVERYTHING, "example.note.write"})
    taken = strong.patch(place, json={"take_over": True, "params": {"title": "Ours"}}, headers={"If-Match": '"2"'})
    assert strong.user is not None
    assert (taken.status_code, taken.json()["owner_id"]) == (200, str(strong.user.id))


def test_pause_and_resume_say_who_and_why(client: ApiClient, make: Make) -> None:
    assert client.user is not None
    task = make()
    place = f"{TASKS}/{task['id']}"
    paused = client.post(f"{place}/pause", json={"note": "Holidays"}).json()
    assert (paused["status"], paused["pause_note"], paused["paused_by"], paused["next_nominal_at"]) == (
        "paused",
        "Holidays",
        str(client.user.id),
        None,
    )
    assert paused["next_fire_at"] is None
    # By hand it runs all the same.
    assert client.post(f"{place}/run").status_code == 202
    assert client.post(f"{place}/pause").status_code == 409
    resumed = client.post(f"{place}/resume", json={"note": "Back again"}).json()
    assert (resumed["status"], resumed["pause_note"], resumed["paused_by"]) == ("active", None, None)
    assert (resumed["resume_note"], resumed["resumed_by"]) == ("Back again", str(client.user.id))
    assert resumed["next_nominal_at"] is not None
    assert client.post(f"{place}/resume").status_code == 409


def test_skipping_the_next_fire_moves_on_and_leaves_a_row(client: ApiClient, make: Make) -> None:
    task = make()
    place = f"{TASKS}/{task['id']}"
    assert client.post(f"{place}/run").json()["kind"] == "manual"
    assert client.get(place).json()["next_fire_at"] == task["next_fire_at"], "a run by hand moves nothing"
    skipped = client.post(f"{place}/skip-next").json()
    assert (skipped["state"], skipped["nominal_at"]) == ("skipped_requested", task["next_nominal_at"])
    assert skipped["why"] == "Somebody asked to skip it."
    following = client.get(place).json()["next_nominal_at"]
    assert int(following[:4]) == int(task["next_nominal_at"][:4]) + 1


# -- previews -------------------------------------------------------------------------------------------------------


def preview(client: ApiClient, **body: Any) -> list[tuple[str, bool, list[str]]]:
    """Local time, whether it fires, and the codes of its notes."""
    answer = client.post("/api/v1/scheduling/preview", json=body)
    assert answer.status_code == 200, answer.text
    return [
        (item["local"][:16], item["fires"], [note["code"] for note in item["notes"]]) for item in answer.json()["items"]
    ]


def test_a_preview_tells_of_clocks_that_change(client: ApiClient, engine: EngineControl) -> None:
    year = engine.now().year + 1
    plan = {"trigger": {"kind": "cron", "expression": "30 2 * 3 *"}, "zone": "Europe/Berlin", "count": 31}
    march = preview(client, **plan, after=f"{year}-02-28T12:00:00Z")
    (gap,) = [item for item in march if item[2]]
    assert (gap[0][11:], gap[2]) == ("03:00", ["gap"])
    plan = {"trigger": {"kind": "cron", "expression": "30 2 * 10 *"}, "zone": "Europe/Berlin", "count": 31}
    (fold,) = [item for item in preview(client, **plan, after=f"{year}-09-30T12:00:00Z") if item[2]]
    assert (fold[0][11:], fold[2]) == ("02:30", ["fold"])
    plan = {"trigger": {"kind": "cron", "expression": "*/30 * * * *"}, "zone": "Europe/Berlin", "count": 100}
    repeated = [
        item
        for day in range(25, 32)
        for item in preview(client, **plan, after=f"{year}-10-{day}T00:00:00Z")
        if item[2] == ["fold_repeat"]
    ]
    assert {item[0][11:] for item in repeated} == {"02:00", "02:30"}


def test_a_preview_speaks_the_reader_s_language(client: ApiClient) -> None:
    body = {
        "trigger": {"kind": "cron", "expression": "30 2 * 3 *"},
        "zone": "Europe/Berlin",
        "count": 40,
        "after": "2030-02-28T12:00:00Z",
    }
    chinese = {"Accept-Language": "zh-CN"}
    notes = [
        note["text"]
        for item in client.post("/api/v1/scheduling/preview", json=body, headers=chinese).json()["items"]
        for note in item["notes"]
    ]
    assert notes == ["当天不存在 02:30（时钟前跳），跳变后立即运行一次。"]


def test_a_preview_of_a_fixed_delay_says_that_there_is_no_plan(client: ApiClient) -> None:
    looked = client.post("/api/v1/scheduling/preview", json={"trigger": {"kind": "fixed_delay", "every_s": 300}}).json()
    assert (looked["items"], [note["code"] for note in looked["warnings"]]) == ([], ["no_plan"])


def test_a_preview_shows_holidays(client: ApiClient) -> None:
    days = [{"date": "2030-12-25", "name": "Christmas", "yearly": True}]
    calendar = client.post("/api/v1/scheduling/calendars", json={"key": "de", "title": "Germany", "days": days}).json()
    plan = {
        "trigger": {"kind": "cron", "expression": "0 9 * * *"},
        "zone": "Europe/Berlin",
        "calendar_id": calendar["id"],
        "after": "2030-12-24T00:00:00Z",
        "count": 3,
    }
    skipped = preview(client, **plan)
    assert [(local[8:10], fires) for local, fires, _ in skipped] == [
        ("24", True),
        ("25", False),
        ("26", True),
        ("27", True),
    ]
    monthly = plan | {"trigger": {"kind": "cron", "expression": "0 9 25 * *"}, "count": 1}
    ((local, _, notes),) = preview(client, **monthly, on_holiday="previous_workday")
    assert (local, notes) == ("2030-12-24T09:00", ["moved"])


def test_the_preview_of_a_saved_schedule(client: ApiClient, make: Make) -> None:
    task = make(trigger={"kind": "cron", "expression": "0 * * * *"}, jitter_s=600)
    found = client.get(f"{TASKS}/{task['id']}/preview", params={"count": 5}).json()
    assert len(found["items"]) == 5
    assert found["min_gap_s"] == 3600
    for item in found["items"]:
        assert item["nominal_at"] <= item["fire_at"]


def test_a_preview_warns_of_runs_that_meet_and_of_crowds(
    client: ApiClient, make: Make, platform: ThreadedPlatform
) -> None:
    task = make(trigger={"kind": "cron", "expression": "*/5 * * * *"})
    alone = make()
    for each in (task, alone):
        assert client.get(f"{TASKS}/{each['id']}/preview").json()["warnings"] == []

    async def remember() -> None:
        """Runs of nine minutes each, and fifty schedules more for the same minute."""
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            ids = [UUID(each["id"]) for each in (task, alone)]
            query = select(ScheduledTask).where(col(ScheduledTask.id).in_(ids)).order_by(col(ScheduledTask.id))
            row, other = (await session.exec(query)).all()
            began, same = platform.now() - timedelta(hours=1), {"tenant_id": row.tenant_id, "action": row.action}
            for number in range(3):
                nominal = began + timedelta(minutes=5 * number)
                times = dict.fromkeys(("nominal_at", "fire_at", "sent_at", "started_at"), nominal)
                ended: dict[str, Any] = {"state": "succeeded", "finished_at": nominal + timedelta(minutes=9)}
                named: dict[str, Any] = {"task_id": row.id, "task_key": row.key, "revision": 1, "kind": "scheduled"}
                session.add(Fire(**{**same, **named, **times, **ended}))
            kept = other.model_dump(exclude={"id", "key", "created_at", "updated_at", "version"})
            session.add_all(ScheduledTask(**kept, key=f"crowd-{number}") for number in range(50))

    platform.run(remember())
    (meets,) = client.get(f"{TASKS}/{task['id']}/preview").json()["warnings"]
    assert (meets["code"], meets["text"][:24]) == ("self_overlap", "It usually takes 540 s, ")
    (crowd,) = client.get(f"{TASKS}/{alone['id']}/preview").json()["warnings"]
    assert (crowd["code"], crowd["text"][:24]) == ("crowded", "50 other schedules fire ")


# -- calendars ------------------------------------------------------------------------------------------------------


def test_calendars(client: ApiClient, make: Make) -> None:
    body = {"key": "de", "title": "Germany", "weekdays": [1, 2, 3]}
    made = client.post("/api/v1/scheduling/calendars", json=body)
    assert client.post("/api/v1/scheduling/calendars", json=body).json()["errors"][0]["field"] == "key"
    calendar = made.json()
    place = f"/api/v1/scheduling/calendars/{calendar['id']}"
    task = make(
        trigger={"kind": "cron", "expression": "0 9 24 12 *"}, calendar_id=calendar["id"], on_holiday="next_workday"
    )
    assert client.delete(place, headers={"If-Match": '"1"'}).status_code == 409
    every_day = {"weekdays": [], "days": [{"date": "2030-01-01", "kind": "workday", "yearly": True}]}
    assert client.patch(place, json=every_day, headers={"If-Match": '"1"'}).status_code == 422
    changed = client.patch(place, json={"weekdays": []}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    # Nobody works any more: the schedule that follows it has nothing left to fire.
    assert client.get(f"{TASKS}/{task['id']}").json()["next_nominal_at"] is None
    again = client.patch(place, json={"weekdays": [1, 2, 3, 4, 5, 6, 7]}, headers={"If-Match": '"2"'})
    assert again.status_code == 200, again.text
    revived = client.get(f"{TASKS}/{task['id']}").json()
    assert (revived["status"], revived["next_nominal_at"][5:16]) == ("active", "12-24T09:00")
    version = revived["version"]

    def follow(calendar_id: str | None, version: int) -> Any:
        headers = {"If-Match": f'"{version}"'}
        return client.patch(f"{TASKS}/{task['id']}", json={"calendar_id": calendar_id}, headers=headers).json()

    # Nothing is said about days off: without a calendar there are none, and with one they count.
    assert follow(None, version)["on_holiday"] == "ignore"
    assert follow(calendar["id"], version + 1)["on_holiday"] == "skip"
    assert follow(None, version + 2)["calendar_id"] is None
    assert client.delete(place, headers={"If-Match": '"3"'}).status_code == 204
    dense = {"kind": "cron", "expression": "0 * * * *"}
    other = client.post("/api/v1/scheduling/calendars", json={"key": "x", "title": "X"}).json()
    refused(client, "on_holiday", trigger=dense, calendar_id=other["id"], on_holiday="next_workday")


# -- export and import ----------------------------------------------------------------------------------------------


def test_a_document_moves_schedules_between_organisations(
    client: ApiClient, make: Make, as_user: AsUser, platform: PlatformUnderTest, other_tenant: Any
) -> None:
    calendar = client.post("/api/v1/scheduling/calendars", json={"key": "de", "title": "Germany"}).json()
    make(key="a", calendar_id=calendar["id"], on_holiday="next_workday", description="First")
    make(key="b", trigger={"kind": "interval", "every_s": 7200}, paused=True)
    document = client.get("/api/v1/scheduling/export").json()
    assert [task["key"] for task in document["tasks"]] == ["a", "b"]
    assert document["tasks"][0]["calendar"] == "de"

    other = as_user(platform.permissions, tenant=other_tenant)
    looked = other.post("/api/v1/scheduling/import", params={"dry_run": True}, json=document)
    assert looked.status_code == 200, looked.text
    assert {item["outcome"] for item in looked.json()["items"]} == {"created"}
    assert other.get(TASKS).json()["items"] == []

    assert other.post("/api/v1/scheduling/import", json=document).status_code == 200
    there = {task["key"]: task for task in other.get(TASKS).json()["items"]}
    assert (there["a"]["description"], there["b"]["status"]) == ("First", "paused")
    assert other.user is not None
    assert there["a"]["owner_id"] == str(other.user.id)
    again = other.post("/api/v1/scheduling/import", json=document).json()
    assert {item["outcome"] for item in again["items"]} == {"unchanged"}
    document["tasks"][0]["description"] = "Second"
    changed = other.post("/api/v1/scheduling/import", json=document).json()
    assert {item["key"]: item["outcome"] for item in changed["items"]} == {
        "de": "unchanged",
        "a": "changed",
        "b": "unchanged",
    }


def test_an_import_is_all_or_nothing(client: ApiClient, make: Make) -> None:
    make(key="a")
    document = client.get("/api/v1/scheduling/export").json()
    good = document["tasks"][0] | {"key": "good"}
    bad = document["tasks"][0] | {"key": "bad", "action": "nobody.knows", "calendar": None}
    document["tasks"] = [good, bad]
    answer = client.post("/api/v1/scheduling/import", json=document)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["tasks.1.action"]
    assert [task["key"] for task in client.get(TASKS).json()["items"]] == ["a"]
