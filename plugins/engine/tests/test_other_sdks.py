"""What SDKs of other languages send and expect where it differs from Python's, played by an app like theirs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from riveredge_engine.signing import bearers, hash_key

HEADERS = {"x-inngest-sdk": "js:v4.24.0"}
# Of the body of a call: the next steps.
Behaviour = Callable[[dict[str, Any]], Awaitable[list[dict[str, Any]]]]


@contextlib.asynccontextmanager
async def played(world: Any, serve_asgi: Any, behaviour: Behaviour) -> AsyncIterator[None]:
    """A registered app with one function, triggered by the event `js/go`."""

    async def answer(request: Request) -> JSONResponse:
        return JSONResponse(await behaviour(await request.json()), status_code=206, headers=HEADERS)

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
    async def behaviour(call: dict[str, Any]) -> list[dict[str, Any]]:
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

    async def behaviour(call: dict[str, Any]) -> list[dict[str, Any]]:
        if steps := call["steps"]:
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
    async def behaviour(call: dict[str, Any]) -> list[dict[str, Any]]:
        if len(steps := call["steps"]) == 2:
            return [complete(steps)]
        error = {"name": "TypeError", "message": "bad", "cause": {"name": "Error", "message": "why"}}
        failed = {"op": "StepFailed", "id": "h1", "displayName": "a", "error": error}
        return [failed, {"op": "InvokeFunction", "id": "h2", "displayName": "b", "opts": {"function_id": "none"}}]

    async with played(world, serve_asgi, behaviour):
        run = await world.ended(await world.send("js/go"))
    first, second = run["output"]["h1"]["error"], run["output"]["h2"]["error"]
    assert first == {"name": "TypeError", "message": "bad", "cause": {"name": "Error", "message": "why"}}
    assert "stack" not in second


def ran(step: str, data: Any) -> dict[str, Any]:
    return {"op": "StepRun", "id": step, "name": "", "displayName": step, "data": data}


async def test_steps_that_were_told_of_in_a_call_are_not_run_again(world: Any, serve_asgi: Any) -> None:
    known: list[list[str]] = []

    async def behaviour(call: dict[str, Any]) -> list[dict[str, Any]]:
        known.append(list(call["steps"]))
        for step in ("a", "b"):
            if step not in call["steps"]:
                told = {"qi_id": call["ctx"]["qi_id"], "steps": [ran(step, step * 2)]}
                answer = await world.http.post(f"{world.url}/v1/checkpoint/{call['ctx']['run_id']}/async", json=told)
                assert answer.status_code == 200, answer.text
        return [ran("c", 3), complete("done")]

    world.engine.faults.inject("lost-answer")
    async with played(world, serve_asgi, behaviour):
        run = await world.ended(await world.send("js/go"))
    assert (run["output"], known) == ("done", [[], ["a", "b"]])
    assert await world.steps(run["run_id"]) == ["a", "b", "c"]
    steps = await world.get(f"/v1/runs/{run['run_id']}/steps")
    assert [step["output"] for step in steps] == [{"data": "aa"}, {"data": "bb"}, {"data": 3}]


async def test_what_cannot_be_told_in_a_call_is_refused(world: Any, serve_asgi: Any) -> None:
    answers: list[int] = []

    async def behaviour(call: dict[str, Any]) -> list[dict[str, Any]]:
        url, current = f"{world.url}/v1/checkpoint/{call['ctx']['run_id']}/async", call["ctx"]["qi_id"]
        stale = f"{current.partition('.')[0]}.7"
        bodies: list[dict[str, Any]] = [
            {"qi_id": stale, "steps": [ran("a", 1)]},
            {"qi_id": "\u00b2.\u00b2", "steps": [ran("a", 1)]},
            {"steps": [ran("a", 1)]},
            {"qi_id": current, "steps": [{"op": "Sleep", "id": "s", "name": "1h"}]},
            {"qi_id": current, "steps": 1},
            {"qi_id": current, "steps": [{}]},
            {"qi_id": current, "steps": [ran(f"s{number}", 1) for number in range(1_001)]},
        ]
        answers.extend([(await world.http.post(url, json=body)).status_code for body in bodies])
        elsewhere = f"{world.url}/v1/checkpoint/unknown/async"
        answers.append((await world.http.post(elsewhere, json={"qi_id": current, "steps": []})).status_code)
        return [complete("done")]

    async with played(world, serve_asgi, behaviour):
        run = await world.ended(await world.send("js/go"))
    assert answers == [409, 409, 409, 400, 400, 400, 400, 409]
    assert await world.steps(run["run_id"]) == []


@pytest.mark.parametrize("key", ["signkey-prod-" + "ab" * 32, "cd" * 32])
async def test_a_hashed_key_may_keep_its_prefix(make_world: Any, key: str) -> None:
    world = await make_world(signing_key=key, event_keys=["any"])
    assert {hash_key(key), key} <= set(bearers(key))
    for bearer in bearers(key):
        headers = {"authorization": f"Bearer {bearer}"}
        assert (await world.http.get(f"{world.url}/v1/runs", headers=headers)).status_code == 200
    wrong = {"authorization": f"Bearer signkey-test-{hash_key(key)}"}
    assert (await world.http.get(f"{world.url}/v1/runs", headers=wrong)).status_code == 401
