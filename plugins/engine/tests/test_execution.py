"""Steps: executed at once or planned, in sequence, in parallel and in a race; retries; large states; streaming."""

from __future__ import annotations

import datetime
import functools
import itertools
from typing import Any

import inngest
import pytest

pytestmark = pytest.mark.database


async def test_steps_run_once_each_and_the_result_is_kept(world: Any) -> None:
    seen: list[str] = []

    @world.on("three")
    async def three(ctx: inngest.Context) -> dict[str, Any]:
        async def step(name: str) -> str:
            seen.append(name)
            return name.upper()

        results = [await ctx.step.run(name, step, name) for name in ("a", "b", "c")]
        return {"results": results, "event": ctx.event.data}

    await world.serve(three)
    run = await world.ended(await world.send("three", {"k": [1, None, "ü"]}))
    assert run["status"] == "Completed"
    assert run["output"] == {"results": ["A", "B", "C"], "event": {"k": [1, None, "ü"]}}
    assert seen == ["a", "b", "c"]
    assert await world.steps(run["run_id"]) == ["a", "b", "c"]
    assert world.engine.calls == 4
    assert [record.status for record in world.engine.records] == [206, 206, 206, 200]


async def test_a_function_without_steps_that_returns_nothing(world: Any) -> None:
    @world.on("bare")
    async def bare(ctx: inngest.Context) -> None:
        pass

    await world.serve(bare)
    run = await world.ended(await world.send("bare"))
    assert (run["status"], run["output"]) == ("Completed", None)


async def test_a_repeated_step_id_is_a_step_of_its_own(world: Any) -> None:
    @world.on("loop")
    async def loop(ctx: inngest.Context) -> list[int]:
        async def number(value: int) -> int:
            return value

        return [await ctx.step.run("same", number, value) for value in range(4)]

    await world.serve(loop)
    run = await world.ended(await world.send("loop"))
    assert run["output"] == [0, 1, 2, 3]
    assert await world.steps(run["run_id"]) == ["same"] * 4


async def test_synchronous_functions(world: Any) -> None:
    @world.on("plain")
    def plain(ctx: inngest.ContextSync) -> int:
        first = ctx.step.run("one", lambda: 1)
        ctx.step.sleep("nap", datetime.timedelta(seconds=1))
        return first + ctx.step.run("two", lambda: 2)

    await world.serve(plain)
    event = await world.send("plain")
    await world.idle()
    await world.engine.advance(datetime.timedelta(seconds=2))
    assert (await world.ended(event))["output"] == 3


@pytest.mark.parametrize("mode", ["wait", "race"])
async def test_parallel_steps(world: Any, mode: str) -> None:
    executed: list[str] = []

    @world.on("fan")
    async def fan(ctx: inngest.Context) -> dict[str, Any]:
        async def work(name: str) -> str:
            executed.append(name)
            return name

        async def chain(name: str) -> str:
            first = await ctx.step.run(f"{name}1", work, f"{name}1")
            return first + await ctx.step.run(f"{name}2", work, f"{name}2")

        both = await ctx.group.parallel(
            (lambda: chain("x"), lambda: chain("y")), parallel_mode=getattr(inngest.ParallelMode, mode.upper())
        )
        return {"both": both, "after": await ctx.step.run("after", work, "after")}

    await world.serve(fan)
    run = await world.ended(await world.send("fan"))
    assert run["output"] == {"both": ["x1x2", "y1y2"], "after": "after"}
    assert sorted(executed) == ["after", "x1", "x2", "y1", "y2"]
    assert executed[-1] == "after"


async def test_parallel_steps_are_planned_then_asked_for_one_by_one(world: Any) -> None:
    @world.on("fan")
    async def fan(ctx: inngest.Context) -> list[int]:
        async def number(value: int) -> int:
            return value

        parts = tuple(lambda value=value: ctx.step.run(str(value), number, value) for value in range(5))
        return list(await ctx.group.parallel(parts))

    await world.serve(fan)
    run = await world.ended(await world.send("fan"))
    assert run["output"] == [0, 1, 2, 3, 4]
    # One call plans the steps, each is asked for by its hash, and exactly one call follows the last of them.
    assert [record.step == "step" for record in world.engine.records] == [True, *[False] * 5, True]


async def test_parallel_sleeps_and_steps_join(world: Any) -> None:
    @world.on("mixed")
    async def mixed(ctx: inngest.Context) -> list[Any]:
        async def one() -> int:
            return 1

        return list(
            await ctx.group.parallel(
                (
                    lambda: ctx.step.run("one", one),
                    lambda: ctx.step.sleep("nap", datetime.timedelta(hours=1)),
                    lambda: ctx.step.wait_for_event("wait", event="go", timeout=datetime.timedelta(hours=2)),
                )
            )
        )

    await world.serve(mixed)
    event = await world.send("mixed")
    await world.idle()
    assert (await world.run(event))["status"] == "Running"
    await world.engine.advance(datetime.timedelta(hours=3))
    run = await world.ended(event)
    assert run["output"] == [1, None, None]
    assert await world.steps(run["run_id"]) == ["one", "nap", "wait"]


async def test_a_failing_step_is_tried_again_with_its_attempt_number(world: Any) -> None:
    attempts: list[tuple[str, int]] = []

    @world.on("flaky", retries=2)
    async def flaky(ctx: inngest.Context) -> int:
        async def shaky(name: str, successes_at: int) -> int:
            attempts.append((name, ctx.attempt))
            if ctx.attempt < successes_at:
                raise ValueError("not yet")
            return ctx.attempt

        return await ctx.step.run("a", shaky, "a", 2) + await ctx.step.run("b", shaky, "b", 1)

    await world.serve(flaky)
    run = await world.ended(await world.send("flaky"))
    assert (run["status"], run["output"]) == ("Completed", 3)
    # The count begins anew with each step.
    assert attempts == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)]


async def test_a_step_that_failed_for_good_can_be_caught(world: Any) -> None:
    @world.on("catch", retries=1)
    async def catch(ctx: inngest.Context) -> str:
        async def broken() -> None:
            raise ValueError("broken for good")

        async def recover() -> str:
            return "recovered"

        try:
            await ctx.step.run("broken", broken)
        except inngest.StepError as error:
            return f"{error.name}: {error.message}, {await ctx.step.run('recover', recover)}"
        return "unreachable"

    await world.serve(catch)
    run = await world.ended(await world.send("catch"))
    assert (run["status"], run["output"]) == ("Completed", "ValueError: broken for good, recovered")


async def test_an_uncaught_step_error_fails_the_run(world: Any) -> None:
    @world.on("broken", retries=1)
    async def broken(ctx: inngest.Context) -> None:
        async def fail() -> None:
            raise ValueError("too bad")

        await ctx.step.run("fail", fail)

    await world.serve(broken)
    run = await world.ended(await world.send("broken"))
    assert run["status"] == "Failed"
    assert "too bad" in run["output"]["message"]


async def test_errors_of_the_function_itself_have_their_own_attempts(world: Any) -> None:
    attempts: list[int] = []

    @world.on("outer", retries=3)
    async def outer(ctx: inngest.Context) -> str:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise RuntimeError("outside of steps")
        return "done"

    await world.serve(outer)
    assert (await world.ended(await world.send("outer")))["output"] == "done"
    assert attempts == [0, 1, 2, 3]


@pytest.mark.parametrize("inside", [True, False])
async def test_a_non_retriable_error_ends_the_run_at_once(world: Any, inside: bool) -> None:
    calls: list[int] = []

    @world.on("final", retries=5)
    async def final(ctx: inngest.Context) -> None:
        async def fail() -> None:
            calls.append(1)
            raise inngest.NonRetriableError("never again")

        if inside:
            await ctx.step.run("fail", fail)
        await fail()

    await world.serve(final)
    run = await world.ended(await world.send("final"))
    assert run["status"] == "Failed"
    assert run["output"]["message"] == "never again"
    assert calls == [1]


async def test_retry_after_is_waited_for(make_world: Any) -> None:
    world = await make_world(retry_interval=None)
    attempts: list[datetime.datetime] = []

    @world.on("later", retries=1)
    async def later(ctx: inngest.Context) -> str:
        attempts.append(world.engine.clock.now())
        if ctx.attempt == 0:
            raise inngest.RetryAfterError("in two hours", datetime.timedelta(hours=2))
        return "done"

    await world.serve(later)
    event = await world.send("later")
    await world.idle()
    await world.engine.advance(datetime.timedelta(hours=1, minutes=59))
    assert len(attempts) == 1
    await world.engine.advance(datetime.timedelta(minutes=2))
    assert (await world.ended(event))["output"] == "done"
    waited = attempts[1] - attempts[0]
    assert datetime.timedelta(hours=1, minutes=59, seconds=59) < waited < datetime.timedelta(hours=2, seconds=1)


async def test_retries_follow_the_table_of_the_protocol(make_world: Any) -> None:
    world = await make_world(retry_interval=None)
    times: list[float] = []

    @world.on("backoff", retries=4)
    async def backoff(ctx: inngest.Context) -> None:
        times.append(world.engine.clock.now_ms() / 1000)
        raise ValueError("always")

    await world.serve(backoff)
    event = await world.send("backoff")
    await world.idle()
    await world.engine.advance(datetime.timedelta(hours=1))
    assert (await world.ended(event))["status"] == "Failed"
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(waits) == 4
    for wait, least in zip(waits, (15, 30, 60, 120), strict=True):
        assert least - 1 <= wait <= least + 31


async def test_a_large_state_is_fetched_by_the_app(world: Any) -> None:
    @world.on("large")
    async def large(ctx: inngest.Context) -> dict[str, int]:
        async def megabytes() -> str:
            return "x" * 1_500_000

        parts = [await ctx.step.run(f"part-{number}", megabytes) for number in range(4)]
        return {"size": sum(map(len, parts)), "event": len(ctx.event.data)}

    await world.serve(large)
    run = await world.ended(await world.send("large", {"a": 1}))
    assert run["output"] == {"size": 6_000_000, "event": 1}


async def test_a_state_that_is_too_large_fails_the_run(world: Any) -> None:
    @world.on("hoard", retries=0)
    async def hoard(ctx: inngest.Context) -> None:
        async def megabytes() -> str:
            return "x" * 3_900_000

        for number in range(20):
            await ctx.step.run(f"part-{number}", megabytes)

    await world.serve(hoard)
    run = await world.ended(await world.send("hoard"))
    assert (run["status"], "state" in run["output"]["message"]) == ("Failed", True)
    assert len(await world.steps(run["run_id"])) in {8, 9}


async def test_too_many_steps_fail_the_run(world: Any) -> None:
    async def nothing() -> None: ...

    @world.on("endless", retries=0)
    async def endless(ctx: inngest.Context) -> None:
        await ctx.group.parallel(tuple(functools.partial(ctx.step.run, f"step-{n}", nothing) for n in range(1_001)))

    await world.serve(endless)
    run = await world.ended(await world.send("endless"))
    assert (run["status"], "1000 steps" in run["output"]["message"]) == ("Failed", True)


async def test_a_step_output_that_is_too_large_fails_the_step(world: Any) -> None:
    @world.on("huge", retries=0)
    async def huge(ctx: inngest.Context) -> int:
        async def megabytes() -> str:
            return "x" * 5_000_000

        return len(await ctx.step.run("huge", megabytes))

    await world.serve(huge)
    run = await world.ended(await world.send("huge"))
    assert run["status"] == "Failed"
    assert "larger than" in run["output"]["message"]


async def test_streamed_answers(world: Any) -> None:
    @world.on("stream")
    async def stream(ctx: inngest.Context) -> int:
        async def one() -> int:
            return 1

        return await ctx.step.run("one", one) + 1

    await world.serve(stream, streaming=inngest.Streaming.FORCE)
    assert (await world.ended(await world.send("stream")))["output"] == 2
    assert world.engine.records[0].status == 206


async def test_events_sent_by_a_step_start_functions(world: Any) -> None:
    got: list[Any] = []

    @world.on("parent")
    async def parent(ctx: inngest.Context) -> list[str]:
        return await ctx.step.send_event("tell", [inngest.Event(name="child", data={"n": n}) for n in range(3)])

    @world.on("child")
    async def child(ctx: inngest.Context) -> None:
        got.append(ctx.event.data["n"])

    await world.serve(parent, child)
    run = await world.ended(await world.send("parent"))
    assert len(set(run["output"])) == 3
    await world.idle()
    assert sorted(got) == [0, 1, 2]
