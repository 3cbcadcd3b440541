"""Requests over REST, as the tests of approvals make them."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from riveredge_sdk.testing.platform import ApiClient

from .drawings import flow

API = "/api/v1/approvals"
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "note": {"type": "string"},
        "day": {"type": "string", "format": "date"},
    },
}
Publish = Callable[..., str]


def publish(client: ApiClient, *steps: Any, form: dict[str, Any] = FORM, **settings: Any) -> str:
    """A process of these steps that can be started; its key. Settings by name."""
    return publish_drawing(client, flow(*steps, settings=settings), form=form)


def publish_drawing(client: ApiClient, drawing: dict[str, Any], *, form: dict[str, Any] = FORM) -> str:
    """A process of this drawing that can be started; its key."""
    key = f"p{uuid4().hex[:10]}"
    made = client.post(f"{API}/processes", json={"key": key, "title": key})
    assert made.status_code == 201, made.text
    url = f"{API}/processes/{made.json()['id']}"
    draft = {"revision": 1, "diagram": drawing, "form_schema": form}
    kept = client.put(f"{url}/draft", json=draft)
    assert kept.status_code == 200, kept.text
    done = client.post(f"{url}/publish", json={"revision": kept.json()["revision"], "acknowledge": "all"})
    assert done.status_code == 201, done.text
    return key


def wait(look: Callable[[], Any], what: str) -> Any:
    """What `look` finds, once it is something. Most of the time is left to what it waits for."""
    deadline = time.monotonic() + 60
    while True:
        began = time.monotonic()
        if found := look():
            return found
        looked = time.monotonic()
        assert looked < deadline, what
        time.sleep(max(0.02, 4 * (looked - began)))


def todo(who: ApiClient, node: str | None = None) -> dict[str, Any]:
    """What somebody is asked, once she is."""

    def look() -> Any:
        answer = who.get(f"{API}/tasks")
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return next((item for item in items if node in {None, item["node"]}), None)

    task: dict[str, Any] = wait(look, f"no task on {node}")
    return task


def submit(who: ApiClient, process: str, **body: Any) -> dict[str, Any]:
    """A new request."""
    answer = who.post(f"{API}/instances", json={"process": process, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def decide(who: ApiClient, task: dict[str, Any], act: str = "approve", **body: Any) -> Any:
    """A decision; the answer."""
    return who.post(f"{API}/tasks/{task['id']}/{act}", json=body)


def ended(who: ApiClient, request: dict[str, Any], status: str) -> dict[str, Any]:
    """The request, once it stands so."""

    def look() -> Any:
        found = who.get(f"{API}/instances/{request['id']}").json()
        return found if found["status"] == status else None

    found: dict[str, Any] = wait(look, f"never {status}")
    return found


def user_of(client: ApiClient) -> UUID:
    """Who a client is signed in as."""
    assert client.user is not None
    return client.user.id
