"""Functions of a plugin that is switched off for a tenant: their runs end, visibly, and their events are done with."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient, EngineControl


def run_of(client: ApiClient, function: str, status: str) -> dict[str, Any]:
    """The only run of this function, once it has the status."""
    found: list[dict[str, Any]] = []
    for _ in range(1200):
        found = [run for run in client.get("/api/v1/runs").json()["items"] if run["function"] == function]
        if found and found[0]["status"] == status:
            break
        time.sleep(0.05)
    (run,) = found
    assert run["status"] == status
    return run


@pytest.mark.database
def test_a_run_that_sleeps_meanwhile_is_cancelled(client: ApiClient, engine: EngineControl) -> None:
    note = {"title": "Milk", "remind_at": datetime.now(UTC).isoformat()}
    assert client.post("/api/v1/example/notes", json=note).status_code == 201
    assert run_of(client, "example.remind", "running")["error"] is None
    engine.run_until_idle()
    assert client.put("/api/v1/plugins/example", json={"enabled": False}).status_code == 200
    engine.advance(days=3)
    run = run_of(client, "example.remind", "cancelled")
    assert "switched off" in run["error"]
    assert run["ended_at"] is not None
    steps = client.get(f"/api/v1/runs/{run['run_id']}").json()["steps"]
    assert [(step["step"], step["status"]) for step in steps] == [("first", "completed"), ("wait", "cancelled")]
