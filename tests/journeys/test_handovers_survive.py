"""The platform is killed while tasks are handed over, and while it goes on without who has left: each goes on once."""

from collections import Counter
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlmodel import col, select

from riveredge_approvals.models import Task

from .rows import Rows

pytestmark = [pytest.mark.database, pytest.mark.slow]

BASE = "/api/v1/approvals"
REQUESTS = 30


def drawn(asked: str) -> dict[str, Any]:
    """Somebody is asked."""
    people = {"assignees": [{"type": "user", "value": asked}]}
    nodes: list[tuple[str, str, dict[str, Any]]] = [
        ("start", "start", {}),
        ("ask", "approver", people),
        ("end", "end", {}),
    ]
    return {
        "schema": "flow/1",
        # Messages would be most of the work.
        "settings": {"notify": dict.fromkeys(("started", "assigned", "decided", "finished"), False)},
        "nodes": [
            {"id": name, "type": kind, "position": {"x": 0, "y": 0}, "data": {"label": name, **data}}
            for name, kind, data in nodes
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "ask"},
            {"id": "e2", "source": "ask", "target": "end"},
        ],
    }


def runs(client: httpx2.Client, function: str) -> list[dict[str, Any]]:
    """The runs of a function."""
    items = client.get("/api/v1/runs", params={"limit": 200}).json()["items"]
    return [run for run in items if run["function"] == function]


def test_each_task_goes_over_once_however_often_the_platform_is_killed(any_world: Any, rows: Rows, wait: Any) -> None:
    world = any_world
    world.engine_away()
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    for name in ("li", "wang"):
        world.run("user", "add", "acme", f"{name}@acme.example", "--generate")
    members = {each["email"]: each for each in client.get("/api/v1/members").json()["items"]}
    li, wang = (members[f"{name}@acme.example"]["user_id"] for name in ("li", "wang"))
    process = client.post(f"{BASE}/processes", json={"key": "buy", "title": "Buy"}).json()
    url = f"{BASE}/processes/{process['id']}"
    draft = {"revision": 1, "diagram": drawn(li), "form_schema": {"type": "object"}}
    assert client.put(f"{url}/draft", json=draft).status_code == 200
    made = client.post(f"{url}/publish", json={"revision": 2, "acknowledge": "all"})
    assert made.status_code == 201, made.text
    requests = [client.post(f"{BASE}/instances", json={"process": "buy"}).json()["id"] for _ in range(REQUESTS)]

    def asked(user: str, *states: str) -> int:
        """How many tasks of somebody are in these states."""
        return len(rows.find(select(Task.id).where(col(Task.assignee_id) == UUID(user), col(Task.state).in_(states))))

    def killed_while(user: str) -> None:
        """Kill the platform as soon as somebody is asked instead, and start it again."""
        wait(lambda: asked(user, "pending"), what="the first task")
        world.kill(world.platform)
        assert asked(user, "pending") < REQUESTS, "all was done before the platform was killed"
        world.start_platform()

    wait(lambda: asked(li, "pending") == REQUESTS, what="every task", timeout=60)
    begun = client.post(f"{BASE}/handovers", json={"user_id": li, "to_id": wang})
    assert begun.status_code == 202, begun.text
    killed_while(wang)
    at = f"{BASE}/handovers/{begun.json()['id']}"
    done = wait(lambda: (found := client.get(at).json())["finished_at"] and found, what="its end", timeout=120)
    assert (done["status"], done["total"], done["done"], done["refused"]) == ("completed", REQUESTS, REQUESTS, 0)
    assert (asked(li, "transferred"), asked(wang, "pending")) == (REQUESTS, REQUESTS)

    place = f"/api/v1/members/{members['wang@acme.example']['id']}"
    gone = client.patch(place, json={"active": False}, headers={"If-Match": client.get(place).headers["ETag"]})
    assert gone.status_code == 200, gone.text
    # It comes back to whom she had it from.
    killed_while(li)
    wait(lambda: asked(li, "pending") == REQUESTS, what="every task", timeout=120)
    wait(lambda: "running" not in {run["status"] for run in runs(client, "approvals.member_left")}, what="its end")
    # Three tasks of each request, one after the other, and no more.
    names = {UUID(li): "li", UUID(wang): "wang"}
    found: dict[UUID, Counter[str]] = {}
    for instance, user, state in rows.find(select(Task.instance_id, Task.assignee_id, Task.state)):
        found.setdefault(instance, Counter())[f"{names[user]} {state}"] += 1
    assert list(found.values()) == [{"li transferred": 1, "wang closed": 1, "li pending": 1}] * REQUESTS
    for request in requests[:3]:
        assert client.get(f"{BASE}/instances/{request}/history/verification").json()["intact"] is True
