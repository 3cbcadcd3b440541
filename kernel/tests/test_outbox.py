"""What an engine forgets, it is sent again."""

import time
from datetime import timedelta

import pytest
from sqlmodel import col, select

from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Fault, TestTenant


def states(platform: ThreadedPlatform, tenant: TestTenant, name: str) -> list[str]:
    """The states of the tenant's events of this name."""

    async def read() -> list[str]:
        async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as session:
            query = select(OutboxEvent.state).where(
                col(OutboxEvent.tenant_id) == tenant.id, col(OutboxEvent.name) == name
            )
            return list((await session.exec(query)).all())

    return platform.run(read())


def wait_for(platform: ThreadedPlatform, tenant: TestTenant, name: str, state: str) -> None:
    """Return when the tenant's only event of this name is in this state."""
    deadline = time.monotonic() + 20
    while states(platform, tenant, name) != [state]:
        assert time.monotonic() < deadline, states(platform, tenant, name)
        time.sleep(0.02)


@pytest.mark.database
def test_an_engine_that_forgets_what_it_acknowledged_is_sent_it_again(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    due = engine.now() + timedelta(seconds=2)
    made = client.post("/api/v1/example/notes", json={"title": "Remember", "remind_at": due.isoformat()})
    assert made.status_code == 201
    wait_for(platform, tenant, "example/reminder.due", "sent")
    engine.forget()
    wait_for(platform, tenant, "example/reminder.due", "confirmed")
    engine.run_until_idle()
    note = client.get(f"/api/v1/example/notes/{made.json()['id']}").json()
    assert note["reminders"] == 1


@pytest.mark.database
def test_an_event_of_a_request_that_failed_is_never_sent(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient
) -> None:
    answer = client.post("/api/v1/example/notes/import", json=[{"title": "a"}, {"title": "b", "colour": "red"}])
    assert answer.status_code == 422
    assert states(platform, tenant, "example/note.written") == []


@pytest.mark.parametrize("fault", ["unreachable", "failed", "lost-request", "lost-answer", "timeout", "twice"])
def test_calls_that_go_wrong_are_made_good(
    fault: Fault, platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    engine.fail(fault, function="riveredge-example-trim")
    note = client.post("/api/v1/example/notes", json={"title": "Tidy", "text": "me  \n"}).json()
    place = f"/api/v1/example/notes/{note['id']}"
    wait_for(platform, tenant, "example/note.written", "confirmed")
    deadline = time.monotonic() + 30
    while [run["status"] for run in client.get("/api/v1/runs").json()["items"]] != ["completed"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get(place).json()["text"] == "me"
    (run,) = client.get("/api/v1/runs").json()["items"]
    assert [call.function for call in engine.calls if call.run_id == run["run_id"]][-1] == "riveredge-example-trim"


def test_days_pass_at_once(client: ApiClient, engine: EngineControl) -> None:
    due = engine.now() + timedelta(milliseconds=200)
    made = client.post("/api/v1/example/notes", json={"title": "Later", "remind_at": due.isoformat()}).json()
    place = f"/api/v1/example/notes/{made['id']}"
    deadline = time.monotonic() + 20
    while client.get(place).json()["reminders"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engine.run_until_idle()
    engine.advance(days=2)
    assert client.get(place).json()["reminders"] == 1
    engine.kill()
    engine.advance(timedelta(days=2))
    engine.run_until_idle()
    assert client.get(place).json()["reminders"] == 2
    runs = client.get("/api/v1/runs", params={"limit": 200}).json()["items"]
    (run,) = [run for run in runs if run["function"] == "example.remind"]
    assert run["status"] == "completed"
    detail = client.get(f"/api/v1/runs/{run['run_id']}").json()
    assert [(step["step"], step["status"]) for step in detail["steps"]] == [
        ("first", "completed"),
        ("wait", "completed"),
        ("second", "completed"),
    ]
