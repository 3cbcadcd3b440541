"""What SDKs of other languages send and expect where it differs from Python's, played by an app like theirs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from riveredge_engine.signing import bearers, hash_key

HEADERS = {"x-inngest-sdk": "js:v4.24.0"}
# Of the memos of the steps so far: the next steps.
Behaviour = Callable[[dict[str, Any]], list[dict[str, Any]]]


@contextlib.asynccontextmanager
async def played(world: Any, serve_asgi: Any, behaviour: Behaviour) -> AsyncIterator[None]:
    """A registered app with one function, triggered by the event `js/go`."""

    async def answer(request: Request) -> JSONResponse:
        return JSONResponse(behaviour((await request.json())["steps"]), status_code=206, headers=HEADERS)

    async with serve_asgi(Starlette(routes=[Route("/api", answer, methods=["POST"])])) as url:
        runtime = {"type": "http", "url": f"{url}/api"}
        step = {"id": "step", "name": "step", "retries": {"attempts": 1}, "runtime": runtime}
        function = {"id": "js-f", "name": "f", "steps": {"step": step}, "triggers": [{"event": "js/go"}]}
        registration = {"appName": "js", "deployType": "ping", "url": url, "functions": [function]}
        assert (await world.http.post(f"{world.url}/fn/register", json=registration)).status_code == 200
        yield


def complete(data: Any) -> dict[str, Any]:
    return {"op": "RunComplete", "id": "complete", "data": data}


async def test_a_run_can_end_with_its_last_steps(world: Any, serve_asgi: Any) -> None:
    def behaviour(steps: dict[str, Any]) -> list[dict[str, Any]]:
        ran = {"op": "StepRun", "id": "h1", "name": "", "displayName": "a", "data": 1}
        return [ran, complete({"a": [1, None]})]

    async with played(world, serve_asgi, behaviour):
        run = await world.ended(await world.send("js/go"))
    assert (run["status"], run["output"]) == ("Completed", {"a": [1, None]})
    assert await world.steps(run["run_id"]) == ["a"]


async def test_the_engine_makes_requests_for_a_step(world: Any, serve_asgi: Any) -> None:
    seen: list[tuple[str, str | None, bytes]] = []

    async def target(request: Request) -> JSONResponse:
        seen.append((request.method, request.headers.get("x-team"), await request.body()))
        return JSONResponse({"made": True}, status_code=201, headers={"x-answer": "yes"})

    def behaviour(steps: dict[str, Any]) -> list[dict[str, Any]]:
        if steps:
            return [complete(steps)]
        opts = {"url": f"{url}/made", "method": "PUT", "headers": {"X-Team": "a"}, "body": "hello"}
        refused = {"url": "http://127.0.0.1:9/", "method": "GET", "headers": {}}
        odd = {"url": f"{url}/made", "method": "A B"}
        requests = [("h1", opts), ("h2", refused), ("h3", odd)]
        return [{"op": "Gateway", "id": step, "displayName": step, "opts": options} for step, options in requests]

    route = Route("/made", target, methods=["PUT"])
    async with serve_asgi(Starlette(routes=[route])) as url, played(world, serve_asgi, behaviour):
        run = await world.ended(await world.send("js/go"))
    made = run["output"]["h1"]["data"]
    assert (made["status_code"], made["headers"]["x-answer"], made["body"]) == (201, "yes", '{"made":true}')
    assert seen == [("PUT", "a", b"hello")]
    assert "did not answer" in run["output"]["h2"]["error"]["message"]
    assert "error" in run["output"]["h3"]


async def test_errors_have_no_empty_stack_and_keep_their_cause(world: Any, serve_asgi: Any) -> None:
    def behaviour(steps: dict[str, Any]) -> list[dict[str, Any]]:
        if len(steps) == 2:
            return [complete(steps)]
        error = {"name": "TypeError", "message": "bad", "cause": {"name": "Error", "message": "why"}}
        failed = {"op": "StepFailed", "id": "h1", "displayName": "a", "error": error}
        return [failed, {"op": "InvokeFunction", "id": "h2", "displayName": "b", "opts": {"function_id": "none"}}]

    async with played(world, serve_asgi, behaviour):
        run = await world.ended(await world.send("js/go"))
    first, second = run["output"]["h1"]["error"], run["output"]["h2"]["error"]
    assert first == {"name": "TypeError", "message": "bad", "cause": {"name": "Error", "message": "why"}}
    assert "stack" not in second


@pytest.mark.parametrize("key", ["signkey-prod-" + "ab" * 32, "cd" * 32])
async def test_a_hashed_key_may_keep_its_prefix(make_world: Any, key: str) -> None:
    world = await make_world(signing_key=key, event_keys=["any"])
    assert {hash_key(key), key} <= set(bearers(key))
    for bearer in bearers(key):
        headers = {"authorization": f"Bearer {bearer}"}
        assert (await world.http.get(f"{world.url}/v1/runs", headers=headers)).status_code == 200
    wrong = {"authorization": f"Bearer signkey-test-{hash_key(key)}"}
    assert (await world.http.get(f"{world.url}/v1/runs", headers=wrong)).status_code == 401
