"""Runs that wait: for time, for events, for other functions; and runs that are cancelled meanwhile."""

from __future__ import annotations

import datetime
from typing import Any

import inngest
import pytest

pytestmark = pytest.mark.database

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


async def test_days_pass_at_once_and_each_step_at_its_own_time(world: Any) -> None:
    times: list[datetime.datetime] = []

    @world.on("sleeper")
    async def sleeper(ctx: inngest.Context) -> str:
        async def note() -> None:
            times.append(world.engine.clock.now())

        for day in range(3):
            await ctx.step.sleep(f"day {day}", DAY)
            await ctx.step.run(f"note {day}", note)
        return "awake"

    await world.serve(sleeper)
    began = world.engine.clock.now()
    event = await world.send("sleeper")
    await world.idle()
    await world.engine.advance(datetime.timedelta(days=3, minutes=1))
    assert (await world.ended(event))["output"] == "awake"
    assert [round((at - began) / DAY, 2) for at in times] == [1, 2, 3]
    assert world.engine.clock.offset >= datetime.timedelta(days=3)


async def test_sleep_until_is_never_early(world: Any) -> None:
    @world.on("until")
    async def until(ctx: inngest.Context) -> None:
        await ctx.step.sleep_until("short", datetime.datetime.now(datetime.UTC) + datetime.timedelta(milliseconds=80))

    await world.serve(until)
    began = world.engine.clock.now_ms()
    run = await world.ended(await world.send("until"))
    ended = datetime.datetime.fromisoformat(run["ended_at"]).timestamp() * 1000
    assert ended - began >= 80


async def test_time_stands_still_with_a_manual_clock(make_world: Any) -> None:
    from riveredge_engine import ManualClock

    world = await make_world(clock=ManualClock(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)))

    @world.on("nap")
    async def nap(ctx: inngest.Context) -> None:
        await ctx.step.sleep("nap", datetime.timedelta(seconds=1))

    await world.serve(nap)
    event = await world.send("nap")
    await world.idle()
    before = world.engine.clock.now()
    assert before == datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    await world.engine.advance(datetime.timedelta(seconds=2))
    assert world.engine.clock.now() - before == datetime.timedelta(seconds=2)
    assert (await world.run(event))["status"] == "Completed"


async def test_an_engine_in_real_time_cannot_be_advanced(make_world: Any) -> None:
    from riveredge_engine import RealClock

    world = await make_world(clock=RealClock())
    with pytest.raises(TypeError):
        await world.engine.advance(HOUR)


def waiter(world: Any, expression: str | None = None) -> Any:
    @world.on("start")
    async def wait(ctx: inngest.Context) -> Any:
        got = await ctx.step.wait_for_event("wait", event="reply", if_exp=expression, timeout=HOUR)
        return None if got is None else got.data

    return wait


async def test_an_event_wakes_the_run_that_waits_for_it(world: Any) -> None:
    await world.serve(waiter(world))
    event = await world.send("start")
    await world.idle()
    await world.send("unrelated")
    await world.send("reply", {"answer": 42})
    assert (await world.ended(event))["output"] == {"answer": 42}
    await world.engine.advance(2 * HOUR)
    assert (await world.run(event))["output"] == {"answer": 42}


async def test_a_wait_ends_with_its_time_out(world: Any) -> None:
    await world.serve(waiter(world))
    event = await world.send("start")
    await world.idle()
    await world.engine.advance(HOUR - datetime.timedelta(minutes=1))
    assert (await world.run(event))["status"] == "Running"
    await world.engine.advance(datetime.timedelta(minutes=2))
    run = await world.ended(event)
    assert (run["status"], run["output"]) == ("Completed", None)
    await world.send("reply", {"late": True})
    await world.idle()
    assert (await world.run(event))["output"] is None


@pytest.mark.parametrize(
    "expression",
    [
        "async.data.order == event.data.order",
        "event.data.order == async.data.order && async.data.ok",
        "async.data.ok && (async.data.order == event.data.order || false)",
    ],
)
async def test_each_run_gets_the_event_that_its_expression_names(world: Any, expression: str) -> None:
    await world.serve(waiter(world, expression))
    events = [await world.send("start", {"order": f"o{n}"}) for n in range(5)]
    await world.idle()
    await world.send("reply", {"ok": True})
    await world.send("reply", {"ok": True, "order": "o3"})
    assert (await world.ended(events[3]))["output"] == {"ok": True, "order": "o3"}
    await world.idle()
    assert [(await world.run(event))["status"] for event in events].count("Running") == 4


async def test_an_event_starts_functions_but_not_the_wait_it_set_up_itself(world: Any) -> None:
    @world.on("ping")
    async def ping(ctx: inngest.Context) -> Any:
        return await ctx.step.wait_for_event("again", event="ping", timeout=HOUR)

    await world.serve(ping)
    event = await world.send("ping")
    await world.idle()
    assert (await world.run(event))["status"] == "Running"


async def test_invoking_a_function(world: Any) -> None:
    @world.on("double.asked")
    async def double(ctx: inngest.Context) -> int:
        await ctx.step.sleep("think", DAY)
        return int(str(ctx.event.data["n"])) * 2

    @world.on("parent")
    async def parent(ctx: inngest.Context) -> list[int]:
        first = await ctx.step.invoke("object", function=double, data={"n": 4})
        second = await ctx.step.invoke_by_id("by id", function_id="double", data={"n": first})
        return [first, second]

    await world.serve(double, parent)
    event = await world.send("parent")
    await world.idle()
    await world.engine.advance(3 * DAY)
    assert (await world.ended(event))["output"] == [8, 16]


async def test_an_invocation_fails_with_its_function(world: Any) -> None:
    @world.on("never", retries=0)
    async def failing(ctx: inngest.Context) -> None:
        raise ValueError("no luck")

    @world.on("parent", retries=0)
    async def parent(ctx: inngest.Context) -> str:
        try:
            await ctx.step.invoke("call", function=failing)
        except inngest.StepError as error:
            return error.message
        return "unreachable"

    await world.serve(failing, parent)
    assert (await world.ended(await world.send("parent")))["output"] == "no luck"


async def test_an_invocation_of_nothing_fails_rather_than_hang(world: Any) -> None:
    @world.on("parent", retries=0)
    async def parent(ctx: inngest.Context) -> str:
        try:
            await ctx.step.invoke_by_id("call", function_id="missing")
        except inngest.StepError as error:
            return error.message
        return "unreachable"

    await world.serve(parent)
    assert "missing" in (await world.ended(await world.send("parent")))["output"]


async def test_an_invocation_times_out(world: Any) -> None:
    @world.on("never")
    async def slow(ctx: inngest.Context) -> None:
        await ctx.step.sleep("long", 10 * DAY)

    @world.on("parent", retries=0)
    async def parent(ctx: inngest.Context) -> str:
        try:
            await ctx.step.invoke("call", function=slow, timeout=HOUR)
        except inngest.StepError as error:
            return error.name
        return "unreachable"

    await world.serve(slow, parent)
    event = await world.send("parent")
    await world.idle()
    await world.engine.advance(2 * HOUR)
    assert (await world.ended(event))["output"] == "InngestInvokeTimeoutError"


def sleeper(world: Any, **options: Any) -> Any:
    @world.on("sleep", **options)
    async def sleep(ctx: inngest.Context) -> str:
        await ctx.step.sleep("long", 2 * DAY)
        return "slept"

    return sleep


async def test_an_event_cancels_the_runs_that_its_expression_names(world: Any) -> None:
    await world.serve(sleeper(world, cancel=[inngest.Cancel(event="stop", if_exp="async.data.id == event.data.id")]))
    events = [await world.send("sleep", {"id": name}) for name in "abc"]
    await world.idle()
    await world.send("stop", {"id": "b"})
    await world.idle()
    assert [(await world.run(event))["status"] for event in events] == ["Running", "Cancelled", "Running"]
    await world.engine.advance(3 * DAY)
    assert [(await world.run(event))["output"] for event in events] == ["slept", None, "slept"]


async def test_a_run_that_has_not_begun_can_be_cancelled(world: Any) -> None:
    await world.serve(sleeper(world, cancel=[inngest.Cancel(event="stop")]))
    event = await world.send("sleep", ts=world.engine.clock.now_ms() + 3_600_000)
    await world.send("stop")
    await world.engine.advance(2 * HOUR)
    assert (await world.run(event))["status"] == "Cancelled"
    assert world.engine.calls == 0


async def test_a_cancellation_ends_with_its_time_out(world: Any) -> None:
    await world.serve(sleeper(world, cancel=[inngest.Cancel(event="stop", timeout=HOUR)]))
    event = await world.send("sleep")
    await world.idle()
    await world.engine.advance(2 * HOUR)
    await world.send("stop")
    await world.idle()
    assert (await world.run(event))["status"] == "Running"


async def test_cancelling_over_http(world: Any) -> None:
    await world.serve(sleeper(world))
    events = [await world.send("sleep") for _ in range(2)]
    await world.idle()
    runs = [await world.run(event) for event in events]
    first = await world.http.delete(f"{world.url}/v1/runs/{runs[0]['run_id']}")
    second = await world.http.post(f"{world.url}/v1/runs/{runs[1]['run_id']}/cancel")
    assert first.json()["data"]["status"] == second.json()["data"]["status"] == "Cancelled"
    again = await world.http.delete(f"{world.url}/v1/runs/{runs[0]['run_id']}")
    assert (again.status_code, again.json()["data"]["status"]) == (200, "Cancelled")
    assert (await world.http.delete(f"{world.url}/v1/runs/unknown")).status_code == 404
    assert await world.get(f"/v1/runs/{runs[0]['run_id']}/jobs") == []


async def test_cancelling_in_bulk(world: Any) -> None:
    await world.serve(sleeper(world))
    events = [await world.send("sleep", {"n": n}) for n in range(6)]
    await world.idle()
    body = {"app_id": "app", "function_id": "sleep", "if": "event.data.n >= 2"}
    answer = await world.http.post(f"{world.url}/v1/cancellations", json=body)
    assert (answer.status_code, answer.json()["data"]["cancelled"]) == (201, 4)
    assert [(await world.run(event))["status"] for event in events] == ["Running"] * 2 + ["Cancelled"] * 4
    late = {"started_after": "2030-01-01", "started_before": "2029-01-01"}
    for wrong in ({"function_id": "other"}, body | {"if": "event."}, body | {"started_after": "x"}, body | late):
        assert (await world.http.post(f"{world.url}/v1/cancellations", json=wrong)).status_code in {400, 404}


async def test_a_cancellation_in_bulk_reaches_runs_until_it_ends_or_is_deleted(world: Any) -> None:
    await world.serve(sleeper(world))
    url, until = f"{world.url}/v1/cancellations", datetime.datetime.now(datetime.UTC) + 2 * HOUR
    body = {"function_id": "app-sleep", "if": "event.data.n == 1", "started_before": until.isoformat()}
    made = [(await world.http.post(url, json=body)).json()["data"]["id"] for _ in range(2)]
    assert [found["id"] for found in await world.get("/v1/cancellations")] == made[::-1]
    assert (await world.get(f"/v1/cancellations/{made[0]}"))["function_id"] == "app-sleep"
    assert [found["id"] for found in await world.get(f"/v1/cancellations?cursor={made[1]}")] == made[:1]
    assert [(await world.run(await world.send("sleep", {"n": n})))["status"] for n in range(2)] == [
        "Running",
        "Cancelled",
    ]
    assert (await world.http.delete(f"{url}/{made[0]}")).status_code == 204
    assert (await world.run(await world.send("sleep", {"n": 1})))["status"] == "Cancelled"
    await world.engine.advance(3 * HOUR)
    assert (await world.run(await world.send("sleep", {"n": 1})))["status"] == "Running"
    assert (await world.http.delete(f"{url}/{made[1]}")).status_code == 204
    for method in ("GET", "DELETE"):
        assert (await world.http.request(method, f"{url}/{made[1]}")).status_code == 404


async def test_an_event_that_comes_while_its_wait_is_being_set_up_is_not_missed(world: Any) -> None:
    """The two happen in the same millisecond, or the event in the call that reports the wait."""
    answered = False

    async def answer(text: str) -> None:
        await world.client.send(inngest.Event(name="answer", data={"to": 7, "text": text}))

    @world.on("ask")
    async def ask(ctx: inngest.Context) -> Any:
        nonlocal answered
        await ctx.step.run("before", answer, "too early")
        if not answered:
            answered = True
            await answer("in the call")
        matching = "async.data.to == event.data.n"
        first = await ctx.step.wait_for_event("first", event="answer", if_exp=matching, timeout=HOUR)
        second = await ctx.step.wait_for_event("second", event="answer", timeout=HOUR)
        return [wait and wait.data["text"] for wait in (first, second)]

    await world.serve(ask)
    event = await world.send("ask", {"n": 7})
    await world.idle()
    assert (await world.run(event))["status"] == "Running"
    await world.engine.advance(2 * HOUR)
    assert (await world.ended(event))["output"] == ["in the call", None]


async def test_the_result_of_a_running_step_is_dropped_when_its_run_is_cancelled(world: Any, wait_until: Any) -> None:
    import asyncio

    working, go = asyncio.Event(), asyncio.Event()

    @world.on("work")
    async def work(ctx: inngest.Context) -> str:
        async def slow() -> None:
            working.set()
            await go.wait()

        await ctx.step.run("slow", slow)
        return "done"

    await world.serve(work)
    event = await world.send("work")
    await asyncio.wait_for(working.wait(), 10)
    run_id = (await world.run(event))["run_id"]
    await world.http.delete(f"{world.url}/v1/runs/{run_id}")
    go.set()
    await world.idle()
    run = await world.run(event)
    assert (run["status"], run["output"]) == ("Cancelled", None)
    assert world.engine.calls == 1


async def test_a_run_that_does_not_finish_in_time_is_cancelled(world: Any) -> None:
    await world.serve(sleeper(world, timeouts=inngest.Timeouts(finish=HOUR)))
    event = await world.send("sleep")
    await world.idle()
    await world.engine.advance(2 * HOUR)
    run = await world.run(event)
    assert (run["status"], run["output"]) == ("Cancelled", None)


async def test_a_run_that_does_not_start_in_time_is_cancelled(world: Any) -> None:
    await world.serve(
        sleeper(
            world,
            timeouts=inngest.Timeouts(start=datetime.timedelta(minutes=5)),
            throttle=inngest.Throttle(limit=1, period=DAY),
        )
    )
    first, second = await world.send("sleep"), await world.send("sleep")
    await world.idle()
    await world.engine.advance(HOUR)
    assert (await world.run(first))["status"] == "Running"
    assert (await world.run(second))["status"] == "Cancelled"
