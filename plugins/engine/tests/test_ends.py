"""How runs end: on_failure, the engine's own events, apps that cannot be reached, answers that are lost or doubled."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import inngest
import pytest

HOUR = datetime.timedelta(hours=1)


async def test_on_failure_gets_the_error_and_the_event(world: Any) -> None:
    failures: list[dict[str, Any]] = []

    async def on_failure(ctx: inngest.Context) -> None:
        failures.append(dict(ctx.event.data))

    @world.on("fail", retries=0, on_failure=on_failure)
    async def fail(ctx: inngest.Context) -> None:
        raise ValueError(f"no {ctx.event.data['what']}")

    @world.on("fine", retries=0, on_failure=on_failure)
    async def fine(ctx: inngest.Context) -> None:
        pass

    await world.serve(fail, fine)
    await world.ended(await world.send("fine"))
    run = await world.ended(await world.send("fail", {"what": "luck"}))
    await world.idle()
    assert len(failures) == 1
    assert failures[0]["function_id"] == "app-fail"
    assert failures[0]["run_id"] == run["run_id"]
    assert failures[0]["error"]["message"] == "no luck"
    assert failures[0]["error"]["name"] == "ValueError"
    assert failures[0]["event"]["data"] == {"what": "luck"}


async def test_the_engine_tells_how_runs_end(world: Any) -> None:
    told: list[tuple[str, str, Any]] = []

    def listener(event: str) -> Any:
        async def listen(ctx: inngest.Context) -> None:
            if ctx.event.data["function_id"] == "app-work":
                told.append((ctx.event.name, str(ctx.event.data["run_id"]), ctx.event.data.get("result")))

        listen.__name__ = event.replace("/", "-").replace(".", "-")
        return world.on(event)(listen)

    @world.on("work", retries=0)
    async def work(ctx: inngest.Context) -> str:
        if ctx.event.data.get("sleep"):
            await ctx.step.sleep("long", HOUR)
        if ctx.event.data.get("fail"):
            raise ValueError("fail")
        return "result"

    kinds = ("finished", "failed", "cancelled")
    await world.serve(work, *(listener(f"inngest/function.{kind}") for kind in kinds))
    done = await world.ended(await world.send("work"))
    failed = await world.ended(await world.send("work", {"fail": True}))
    sleeping = await world.send("work", {"sleep": True})
    await world.idle()
    cancelled = await world.run(sleeping)
    await world.http.delete(f"{world.url}/v1/runs/{cancelled['run_id']}")
    await world.idle()
    assert sorted(told, key=str) == sorted(
        [
            ("inngest/function.finished", done["run_id"], "result"),
            ("inngest/function.failed", failed["run_id"], None),
            ("inngest/function.finished", failed["run_id"], None),
            ("inngest/function.cancelled", cancelled["run_id"], None),
            ("inngest/function.finished", cancelled["run_id"], None),
        ],
        key=str,
    )


def counting(world: Any, **options: Any) -> tuple[Any, list[str]]:
    """A function of two steps, and what it has done."""
    done: list[str] = []

    @world.on("work", **options)
    async def work(ctx: inngest.Context) -> str:
        async def do(what: str) -> None:
            done.append(f"{what}{ctx.attempt}")

        await ctx.step.run("one", do, "one")
        await ctx.step.run("two", do, "two")
        return "done"

    return work, done


async def test_an_unreachable_app_costs_no_attempt(world: Any) -> None:
    work, done = counting(world, retries=0)
    await world.serve(work)
    world.engine.faults.inject("unreachable", times=3)
    run = await world.ended(await world.send("work"))
    assert (run["status"], done) == ("Completed", ["one0", "two0"])


async def test_an_app_that_never_comes_back_fails_its_runs_after_a_day(world: Any) -> None:
    work, done = counting(world, retries=1)
    await world.serve(work)
    world.engine.faults.inject("unreachable", times=10_000)
    event = await world.send("work")
    await world.idle()
    await world.engine.advance(23 * HOUR)
    assert (await world.run(event))["status"] == "Running"
    await world.engine.advance(26 * HOUR)
    run = await world.ended(event)
    assert (run["status"], done) == ("Failed", [])
    assert "could not reach the app" in run["output"]["message"]


async def test_an_app_that_starts_after_its_events(world: Any) -> None:
    work, done = counting(world, retries=0)
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api/inngest"
    functions = [work.get_config(url).main.to_dict()]
    body = {"appName": "app", "url": url, "functions": functions}
    answer = await world.http.post(f"{world.url}/fn/register", json=body)
    assert answer.status_code == 200, answer.text
    event = await world.send("work")
    await world.idle()
    assert (await world.run(event))["status"] == "Running"
    await world.serve(work, port=port)
    assert (await world.ended(event))["status"] == "Completed"
    assert done == ["one0", "two0"]


async def test_a_lost_request_costs_an_attempt(world: Any) -> None:
    work, done = counting(world, retries=1)
    await world.serve(work)
    world.engine.faults.inject("lost-request")
    assert (await world.ended(await world.send("work")))["status"] == "Completed"
    assert done == ["one1", "two0"]
    world.engine.faults.inject("lost-request", function="app-work", times=2)
    run = await world.ended(await world.send("work"))
    assert run["status"] == "Failed"


async def test_a_step_whose_answer_is_lost_runs_again(world: Any) -> None:
    work, done = counting(world, retries=2)
    await world.serve(work)
    world.engine.faults.inject("lost-answer")
    assert (await world.ended(await world.send("work")))["status"] == "Completed"
    assert done == ["one0", "one1", "two0"]


@pytest.mark.parametrize(("fault", "runs"), [("failed", ["one1"]), ("timeout", ["one0", "one1"])])
async def test_a_call_that_fails_or_takes_too_long_is_made_again(world: Any, fault: str, runs: list[str]) -> None:
    work, done = counting(world, retries=2)
    await world.serve(work)
    world.engine.faults.inject(fault)
    assert (await world.ended(await world.send("work")))["status"] == "Completed"
    assert done == [*runs, "two0"]


async def test_a_crash_cuts_off_calls_and_loses_nothing(world: Any, wait_until: Any) -> None:
    started, finish = 0, asyncio.Event()

    async def slow() -> str:
        nonlocal started
        started += 1
        await finish.wait()
        return "done"

    @world.on("work")
    async def work(ctx: inngest.Context) -> Any:
        await ctx.step.sleep("nap", HOUR)
        done = await ctx.step.run("slow", slow)
        answer = await ctx.step.wait_for_event("answer", event="answer", timeout=2 * HOUR)
        return [done, answer and answer.data]

    await world.serve(work)
    event = await world.send("work")
    await world.idle()
    await world.engine.crash()
    advancing = asyncio.create_task(world.engine.advance(HOUR))
    await wait_until(lambda: started == 1, "the step to begin")
    await world.engine.crash()
    await wait_until(lambda: started == 2, "the step to begin anew")
    finish.set()
    await advancing
    await world.idle()
    await world.engine.crash()
    await world.send("answer", {"n": 1})
    assert (await world.ended(event))["output"] == ["done", {"n": 1}]
    assert started == 2


async def test_a_call_that_is_answered_twice_counts_once(world: Any) -> None:
    work, done = counting(world)
    await world.serve(work)
    world.engine.faults.inject("twice", times=3)
    run = await world.ended(await world.send("work"))
    assert run["status"] == "Completed"
    assert await world.steps(run["run_id"]) == ["one", "two"]
    assert done == ["one0", "one0", "two0", "two0"]


def test_unknown_faults_are_refused(world: Any) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        world.engine.faults.inject("nonsense")


async def test_forgetting_loses_runs_and_keeps_functions(world: Any) -> None:
    @world.on("nap")
    async def nap(ctx: inngest.Context) -> str:
        await ctx.step.sleep("long", HOUR)
        return "awake"

    await world.serve(nap)
    await world.send("nap", id="once")
    await world.idle()
    await world.engine.forget()
    await world.engine.advance(2 * HOUR)
    assert world.engine.calls == 1
    assert await world.get("/v1/runs") == []
    again = await world.send("nap", id="once")
    await world.idle()
    await world.engine.advance(2 * HOUR)
    assert (await world.run(again))["output"] == "awake"


@pytest.mark.parametrize(
    ("answered", "text"),
    [
        ((200, {}, b"{}"), "not an Inngest SDK"),
        ((200, {"x-inngest-sdk": "py"}, b"{"), "not JSON"),
        ((206, {"x-inngest-sdk": "py"}, b"5"), "not a list of steps"),
        ((206, {"x-inngest-sdk": "py"}, b'[{"op": "StepPlanned"}]'), "not a list of steps"),
        ((206, {"x-inngest-sdk": "py"}, b"[]"), "no new step"),
        ((201, {"x-inngest-sdk": "py"}, b"   "), "before its result"),
        ((400, {"x-inngest-sdk": "py"}, b'{"message": "bad", "name": "X"}'), "bad"),
        ((500, {"x-inngest-sdk": "py"}, b'"plain"'), "plain"),
        ((500, {"x-inngest-sdk": "py", "retry-after": "\u00b2"}, b'"odd"'), "odd"),
        ((200, {"x-inngest-sdk": "py"}, b"NaN"), "not JSON"),
        ((201, {"x-inngest-sdk": "py"}, b'{"status": 1e999, "body": ""}'), "before its result"),
        ((201, {"x-inngest-sdk": "py"}, b"[]"), "before its result"),
        ((206, {"x-inngest-sdk": "py"}, b'[{"op": "Sleep", "id": {}, "name": []}]'), "no new step"),
    ],
)
async def test_answers_that_make_no_sense_fail_the_run(
    world: Any, serve_asgi: Any, answered: tuple[int, dict[str, str], bytes], text: str
) -> None:
    status, headers, body = answered
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    def answer(request: Any) -> Response:
        return Response(body, status_code=status, headers=headers)

    async with serve_asgi(Starlette(routes=[Route("/api", answer, methods=["POST"])])) as url:
        step = {
            "id": "step",
            "name": "step",
            "retries": {"attempts": 1},
            "runtime": {"type": "http", "url": f"{url}/api"},
        }
        function = {"id": "odd-f", "name": "f", "steps": {"step": step}, "triggers": [{"event": "odd"}]}
        registered = await world.http.post(
            f"{world.url}/fn/register", json={"appname": "odd", "url": url, "functions": [function]}
        )
        assert registered.status_code == 200, registered.text
        run = await world.ended(await world.send("odd"))
    assert run["status"] == "Failed"
    assert text in run["output"]["message"]


async def test_an_unknown_kind_of_step_fails_the_step(world: Any, serve_asgi: Any) -> None:
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(request: Any) -> JSONResponse:
        steps = (await request.json())["steps"]
        headers = {"x-inngest-sdk": "other:v1"}
        if steps:
            return JSONResponse(steps, headers=headers)
        ops = [{"op": "Teleport", "id": "h1", "name": "t"}, {"op": "Sleep", "id": "h2", "name": "whenever"}]
        return JSONResponse(ops, status_code=206, headers=headers)

    async with serve_asgi(Starlette(routes=[Route("/api", answer, methods=["POST"])])) as url:
        step = {"id": "step", "name": "step", "runtime": {"type": "http", "url": f"{url}/api"}}
        function = {"id": "odd-f", "name": "f", "steps": {"step": step}, "triggers": [{"event": "odd"}]}
        await world.http.post(f"{world.url}/fn/register", json={"appname": "odd", "url": url, "functions": [function]})
        run = await world.ended(await world.send("odd"))
    assert run["status"] == "Completed"
    assert "Teleport" in run["output"]["h1"]["error"]["message"]
    assert "whenever" in run["output"]["h2"]["error"]["message"]
