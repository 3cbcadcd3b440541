"""Reading: runs, steps, traces, metrics, the stream of changes; signals; inference steps; retention."""

from __future__ import annotations

import asyncio
import datetime
import json
from typing import Any

import inngest
import pytest

from riveredge_engine import Engine, Keep, MovableClock

HOUR = datetime.timedelta(hours=1)


def worker(world: Any) -> Any:
    @world.on("work", retries=0)
    async def work(ctx: inngest.Context) -> list[int]:
        async def numbers() -> list[int]:
            return [1, 2]

        async def fail() -> None:
            raise ValueError("broken")

        found = await ctx.step.run("numbers", numbers)
        await ctx.step.sleep("nap", HOUR)
        if ctx.event.data.get("fail"):
            await ctx.step.run("fail", fail)
        return found

    return work


async def ask(world: Any, query: str, **variables: Any) -> Any:
    answer = await world.http.post(f"{world.url}/v0/gql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


RUN = "query GetRun($run_id: String!) { run(runID: $run_id) { output status } runTrigger(runID: $run_id) { payloads } }"
TRACE = "query GetHistory($run_id: String!) { run(runID: $run_id) { trace { childrenSpans { name outputID } } } }"
OUTPUT = (
    "query GetHistory($output_id: String!) "
    "{ runTraceSpanOutputByID(outputID: $output_id) { data error { message name stack } } }"
)
FROM_EVENT = "query GetRunFromEventID($event_id: ID!) { event(query: {eventId: $event_id}) { functionRuns { id } } }"


async def test_traces(world: Any) -> None:
    await world.serve(worker(world))
    event = await world.send("work", {"k": 1})
    await world.idle()
    run_id = (await ask(world, FROM_EVENT, event_id=event))["event"]["functionRuns"][0]["id"]
    asleep = await ask(world, RUN, run_id=run_id)
    assert asleep["run"] == {"output": None, "status": "RUNNING"}
    assert json.loads(asleep["runTrigger"]["payloads"][0])["data"] == {"k": 1}
    await world.engine.advance(2 * HOUR)
    assert (await ask(world, RUN, run_id=run_id))["run"] == {"output": "[1,2]", "status": "COMPLETED"}
    spans = (await ask(world, TRACE, run_id=run_id))["run"]["trace"]["childrenSpans"]
    assert [span["name"] for span in spans] == ["numbers", "nap", "function success"]
    assert spans[1]["outputID"] is None
    for span in (spans[0], spans[2]):
        output = (await ask(world, OUTPUT, output_id=span["outputID"]))["runTraceSpanOutputByID"]
        assert output == {"data": "[1, 2]", "error": None}


async def test_traces_of_a_failure(world: Any) -> None:
    await world.serve(worker(world))
    event = await world.send("work", {"fail": True})
    await world.idle()
    await world.engine.advance(2 * HOUR)
    run = await world.run(event)
    assert (await ask(world, RUN, run_id=run["run_id"]))["run"]["status"] == "FAILED"
    spans = (await ask(world, TRACE, run_id=run["run_id"]))["run"]["trace"]["childrenSpans"]
    assert [span["name"] for span in spans] == ["numbers", "nap", "fail", "function error"]
    output = (await ask(world, OUTPUT, output_id=spans[2]["outputID"]))["runTraceSpanOutputByID"]
    assert (output["data"], output["error"]["message"]) == (None, "broken")


async def test_traces_of_nothing(world: Any) -> None:
    assert (await ask(world, RUN, run_id="x"))["run"] is None
    assert (await ask(world, TRACE, run_id="x"))["run"] is None
    assert (await ask(world, OUTPUT, output_id="x.y"))["runTraceSpanOutputByID"] is None
    answer = await world.http.post(f"{world.url}/v0/gql", json={"query": "{ apps { id } }"})
    assert answer.status_code == 400


async def test_listing_runs_and_what_is_queued_for_them(world: Any) -> None:
    await world.serve(worker(world))
    events = [await world.send("work", {"n": n}) for n in range(5)]
    await world.idle()
    run = await world.run(events[0])
    (job,) = await world.get(f"/v1/runs/{run['run_id']}/jobs")
    assert job["kind"] == "sleep"
    listed = await world.get("/v1/runs?function=app-work&status=Running&limit=2")
    older = await world.get(f"/v1/runs?cursor={listed[1]['run_id']}")
    assert len({one["run_id"] for one in listed + older}) == 5
    assert (await world.get(f"/v1/runs/{run['run_id']}"))["event_id"] == events[0]
    for path in ("/v1/runs/unknown", "/v1/runs?function=unknown", "/v1/runs/unknown/steps", "/nowhere"):
        answer = await world.http.get(world.url + path)
        assert (answer.status_code, bool(answer.json()["error"])) == (404, True)
    await world.engine.advance(2 * HOUR)
    for kind in ("batch", "actions"):
        assert (await world.http.get(f"{world.url}/v0/runs/{run['run_id']}/{kind}")).status_code == 410


async def test_metrics_and_health(world: Any) -> None:
    await world.serve(worker(world))
    await world.send("work")
    await world.idle()
    text = (await world.http.get(f"{world.url}/metrics")).text
    assert 'riveredge_engine_runs{status="running"} 1' in text
    assert "riveredge_engine_queue_items 1" in text
    assert "riveredge_engine_functions 1" in text
    assert 'riveredge_engine_calls_total{answer="206"} 2' in text
    assert "riveredge_engine_call_delay_seconds_count 2" in text
    assert "riveredge_engine_events_total 1" in text
    assert (await world.http.get(f"{world.url}/health")).json()["apps"] == 1


async def test_the_stream_of_changes(world: Any) -> None:
    await world.serve(worker(world))
    seen: list[dict[str, Any]] = []
    listening = asyncio.Event()

    async def listen() -> None:
        async for change in world.engine.core.changes.listen():
            seen.append(change._asdict())
            if change.status == "Completed":
                return

    async def stream() -> list[str]:
        lines = []
        async with world.http.stream("GET", f"{world.url}/v1/runs/changes") as answer:
            listening.set()
            async for line in answer.aiter_lines():
                lines.append(json.loads(line)["status"])
                if lines[-1] == "Completed":
                    break
        return lines

    tasks = [asyncio.create_task(listen()), asyncio.create_task(stream())]
    await asyncio.wait_for(listening.wait(), 10)
    await world.send("work")
    await world.idle()
    await world.engine.advance(2 * HOUR)
    _, lines = await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert lines == ["Running", "Completed"]
    assert [change["status"] for change in seen] == lines


async def test_nothing_is_answered_while_the_engine_is_not_running(serve_asgi: Any) -> None:
    import httpx2

    engine = Engine()
    async with serve_asgi(engine.asgi) as url, httpx2.AsyncClient() as http:
        for path in ("/health", "/v1/runs"):
            assert (await http.get(url + path)).status_code == 503
        assert (await http.post(f"{url}/e/k", content=b"{}")).status_code == 503
        await engine.start()
        assert (await http.get(f"{url}/health")).status_code == 200
        await engine.stop()
        assert (await http.get(f"{url}/health")).status_code == 503


async def test_signals_wake_the_run_that_waits_for_one(world: Any, serve_asgi: Any) -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(request: Request) -> JSONResponse:
        steps = (await request.json())["steps"]
        headers = {"x-inngest-sdk": "js:v3"}
        if steps:
            return JSONResponse(steps["s"]["data"], headers=headers)
        op = {"op": "WaitForSignal", "id": "s", "name": "s", "opts": {"signal": "door-1", "timeout": "1h"}}
        return JSONResponse([op], status_code=206, headers=headers)

    async with serve_asgi(Starlette(routes=[Route("/api", answer, methods=["POST"])])) as url:
        step = {"id": "step", "name": "step", "runtime": {"type": "http", "url": f"{url}/api"}}
        function = {"id": "js-f", "name": "f", "steps": {"step": step}, "triggers": [{"event": "wait"}]}
        await world.http.post(f"{world.url}/fn/register", json={"appName": "js", "url": url, "functions": [function]})
        event = await world.send("wait")
        await world.idle()
        missed = await world.http.post(f"{world.url}/v1/signals", json={"signal": "door-2"})
        assert (missed.status_code, missed.json()["error"]) == (404, "No signal found")
        assert (await world.http.post(f"{world.url}/v1/signals", json={"signal": 1})).status_code == 400
        woken = await world.http.post(f"{world.url}/v1/signals", json={"signal": "door-1", "data": {"open": True}})
        run = await world.ended(event)
    assert woken.json()["data"]["run_id"] == run["run_id"]
    assert run["output"] == {"signal": "door-1", "data": {"open": True}}


@pytest.mark.parametrize(
    ("style", "header"), [("openai-chat", "authorization"), ("anthropic", "x-api-key"), ("gemini", "")]
)
async def test_inference_steps_call_a_model(world: Any, serve_asgi: Any, style: str, header: str) -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    asked: list[tuple[str, dict[str, Any]]] = []

    async def model(request: Request) -> JSONResponse:
        key = request.headers.get(header) if header else request.query_params.get("key")
        asked.append((str(key), await request.json()))
        return JSONResponse({"error": "busy"}, 503) if len(asked) == 1 else JSONResponse({"text": "hello"})

    async with serve_asgi(Starlette(routes=[Route("/infer", model, methods=["POST"])])) as url:

        class Adapter:
            def auth_key(self) -> str:
                return "secret"

            def format(self) -> str:
                return style

            def headers(self) -> dict[str, str]:
                return {}

            def on_call(self, body: dict[str, object]) -> None:
                body["model"] = "small"

            def url_infer(self) -> str:
                return f"{url}/infer"

        @world.on("infer")
        async def infer(ctx: inngest.Context) -> Any:
            return await ctx.step.ai.infer("ask", adapter=Adapter(), body={"prompt": "hi"})

        await world.serve(infer)
        run = await world.ended(await world.send("infer"))
    assert run["output"] == {"text": "hello"}
    assert [body for _, body in asked] == [{"prompt": "hi", "model": "small"}] * 2
    assert "secret" in asked[0][0]


async def test_an_inference_step_that_is_refused_fails_at_once(world: Any, serve_asgi: Any) -> None:
    from starlette.applications import Starlette

    class Adapter:
        url = ""

        def auth_key(self) -> str:
            return ""

        def format(self) -> str:
            return "openai-chat"

        def headers(self) -> dict[str, str]:
            return {"X-Team": "a"}

        def on_call(self, body: dict[str, object]) -> None:
            pass

        def url_infer(self) -> str:
            return self.url

    adapter = Adapter()

    @world.on("infer")
    async def infer(ctx: inngest.Context) -> str:
        try:
            await ctx.step.ai.infer("ask", adapter=adapter, body={})
        except inngest.StepError as error:
            return error.message
        return "unreachable"

    async with serve_asgi(Starlette()) as url:
        adapter.url = url
        await world.serve(infer)
        run = await world.ended(await world.send("infer"))
    assert "status 404" in run["output"]


async def test_old_runs_and_events_are_forgotten(make_world: Any) -> None:
    world = await make_world(keep=Keep(age=datetime.timedelta(days=2), runs=3))

    @world.on("quick")
    async def quick(ctx: inngest.Context) -> None:
        if ctx.event.data.get("sleep"):
            await ctx.step.sleep("long", datetime.timedelta(days=30))

    await world.serve(quick)
    sleeping = await world.send("quick", {"sleep": True})
    events = [await world.send("quick") for _ in range(5)]
    await world.idle()
    retention = world.engine._retention
    assert await retention.sweep() == 2
    assert len(await world.get("/v1/runs")) == 4
    await world.engine.advance(datetime.timedelta(days=4))
    assert await retention.sweep() == 8
    assert [run["event_id"] for run in await world.get("/v1/runs")] == [sleeping]
    assert [event["internal_id"] for event in await world.get("/v1/events")] == [sleeping]
    assert events
    await world.engine.advance(datetime.timedelta(days=30))
    assert (await world.run(sleeping))["status"] == "Completed"


async def test_a_state_in_a_file_outlives_its_engine(tmp_path: Any, make_world: Any) -> None:
    clock = MovableClock()
    first = await make_world(store=tmp_path / "engine.db", clock=clock)
    await first.serve(worker(first))
    event = await first.send("work", id="once")
    await first.idle()
    await first.engine.stop()
    second = await make_world(store=tmp_path / "engine.db", clock=clock)
    assert (await second.run(event))["status"] == "Running"
    await second.send("work", id="once")
    await second.engine.advance(2 * HOUR)
    assert (await second.ended(event))["output"] == [1, 2]
    assert len(await second.get("/v1/runs")) == 1
