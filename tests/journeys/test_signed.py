"""With keys: only who knows them sends events, calls functions or registers."""

from typing import Any

import httpx2
import pytest

SIGNING_KEY = "signkey-test-" + "ab" * 32
EVENT_KEY = "event-key-for-tests"


@pytest.mark.slow
def test_a_platform_with_keys_works_and_keeps_strangers_out(world: Any, wait: Any) -> None:
    world.environment["RIVEREDGE_INNGEST__SIGNING_KEY"] = SIGNING_KEY
    world.environment["RIVEREDGE_INNGEST__EVENT_KEY"] = EVENT_KEY
    world.start_engine("--signing-key", SIGNING_KEY, "--event-key", EVENT_KEY)
    world.start_platform()
    client = world.sign_in()
    assert client.post("/api/v1/example/notes", json={"title": "Signed"}).status_code == 201

    def done() -> bool:
        items = client.get("/api/v1/runs").json()["items"]
        return [run["status"] for run in items] == ["completed"]

    wait(done, what="a signed run")
    engine = f"http://127.0.0.1:{world.engine_port}"
    assert httpx2.post(f"{engine}/e/wrong", json={"name": "example/note.written", "data": {}}).status_code == 401
    assert httpx2.get(f"{engine}/v1/runs").status_code == 401
    unsigned = {"ctx": {"run_id": "x", "attempt": 0}, "event": {"name": "x", "data": {}}, "steps": {}}
    forged = client.post("/api/inngest", params={"fnId": "riveredge-example-trim", "stepId": "step"}, json=unsigned)
    assert forged.status_code in {401, 403}, forged.text
