"""The process dies while another system does what an approval has asked it to: it is asked again, and goes on once."""

from typing import Any

import pytest

from riveredge_sdk.testing.http import HttpPeer, Reply

pytestmark = pytest.mark.slow

BASE = "/api/v1/approvals"
FLOW: dict[str, Any] = {
    "schema": "flow/1",
    "settings": {},
    "nodes": [
        {"id": "start", "type": "start", "position": {"x": 0, "y": 0}, "data": {"label": "Start"}},
        {
            "id": "order",
            "type": "webhook",
            "position": {"x": 0, "y": 1},
            "data": {"label": "Order it", "connection": "erp", "save": {"order": "/order"}},
        },
        {"id": "end", "type": "end", "position": {"x": 0, "y": 2}, "data": {"label": "End"}},
    ],
    "edges": [
        {"id": "e1", "source": "start", "target": "order"},
        {"id": "e2", "source": "order", "target": "end"},
    ],
}
FORM = {"type": "object", "properties": {"order": {"type": "string"}}}


def test_a_call_that_was_under_way_is_made_again_with_the_same_key(world: Any, wait: Any) -> None:
    world.engine_away()
    world.environment["RIVEREDGE_OUTBOUND__ALLOW"] = '["127.0.0.0/8"]'
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    orders: dict[str, str] = {}

    def order(call: Any) -> Reply:
        key = call.headers["idempotency-key"]
        again = key in orders
        orders.setdefault(key, f"PO-{len(orders) + 1}")
        if not again:
            # The order is there; whoever asked for it does not live to read the answer.
            world.kill(world.platform)
        return Reply(201, {"order": orders[key]})

    with HttpPeer() as peer:
        peer.reply = order
        made = client.post(f"{BASE}/connections", json={"key": "erp", "title": "ERP", "base_url": peer.url})
        assert made.status_code == 201, made.text
        process = client.post(f"{BASE}/processes", json={"key": "buy", "title": "Buy"}).json()
        url = f"{BASE}/processes/{process['id']}"
        draft = {"revision": 1, "diagram": FLOW, "form_schema": FORM}
        assert client.put(f"{url}/draft", json=draft).status_code == 200
        assert client.post(f"{url}/publish", json={"revision": 2}).status_code == 201
        request = client.post(f"{BASE}/instances", json={"process": "buy"})
        assert request.status_code == 201, request.text
        at = f"{BASE}/instances/{request.json()['id']}"
        wait(lambda: peer.calls, what="a call", timeout=60)
        world.platform.wait()
        world.start_platform()

        def ended() -> Any:
            found = client.get(at).json()
            return found if found["status"] != "running" else None

        found = wait(ended, what="the request's end", timeout=90)
    assert (found["status"], found["form"]) == ("approved", {"order": "PO-1"})
    assert len(peer.calls) == 2
    assert len(orders) == 1
    history = client.get(f"{at}/history", params={"limit": 100}).json()["items"]
    kinds = [entry["kind"] for entry in history]
    assert kinds.count("instance.approved") == 1
    assert [entry["node"] for entry in history if entry["kind"] == "visit.passed"] == ["start", "order", "end"]
    assert client.get(f"{at}/history/verification").json()["intact"] is True
