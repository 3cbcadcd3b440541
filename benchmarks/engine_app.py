"""The app whose functions `benchmarks.engine` has run, with the unmodified SDK; it notes when its code is reached.

What it is, is in its environment: the server's address in `BENCH_SERVER`, the keys in `BENCH_EVENT_KEY` and
`BENCH_SIGNING_KEY`, its name in `BENCH_APP`, and how many functions it has in `BENCH_FUNCTIONS`.
"""

import logging
import os
import time
import warnings
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import fastapi
import inngest

with warnings.catch_warnings():
    # The SDK's models are declared in a way that pydantic has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import inngest.fast_api

NAME = os.environ["BENCH_APP"]
SERVER = os.environ["BENCH_SERVER"]

logging.getLogger("inngest").setLevel(logging.CRITICAL)
client = inngest.Inngest(
    app_id=NAME,
    is_production="BENCH_SIGNING_KEY" in os.environ,
    api_base_url=SERVER,
    event_api_base_url=SERVER,
    event_key=os.environ.get("BENCH_EVENT_KEY"),
    signing_key=os.environ.get("BENCH_SIGNING_KEY"),
    logger=logging.getLogger("inngest"),
)
reached: dict[str, dict[str, float]] = defaultdict(dict)
app = fastapi.FastAPI()


def note(ctx: inngest.Context) -> None:
    """The first time counts: what a server repeats was reached before."""
    reached[str(ctx.event.data["round"])].setdefault(str(ctx.event.data["number"]), time.time())


async def nothing() -> None:
    """A step with no work in it."""


def on(kind: str) -> inngest.TriggerEvent:
    """Of this app's own events: a server may have several such apps."""
    return inngest.TriggerEvent(event=f"{NAME}/{kind}")


@client.create_function(fn_id="now", trigger=on("now"))
async def now(ctx: inngest.Context) -> None:
    note(ctx)


@client.create_function(fn_id="one", trigger=on("one"))
async def one(ctx: inngest.Context) -> None:
    await ctx.step.run("a", nothing)
    note(ctx)


@client.create_function(fn_id="three", trigger=on("three"))
async def three(ctx: inngest.Context) -> None:
    for step in ("a", "b", "c"):
        await ctx.step.run(step, nothing)
    note(ctx)


@client.create_function(fn_id="sleep", trigger=on("sleep"))
async def sleep(ctx: inngest.Context) -> None:
    until = float(str(ctx.event.data["until"]))
    await ctx.step.sleep_until("nap", datetime.fromtimestamp(until, UTC))
    note(ctx)


@client.create_function(fn_id="wait", trigger=on("wait"))
async def wait(ctx: inngest.Context) -> None:
    await ctx.step.wait_for_event("answer", event=f"{NAME}/answer", timeout=timedelta(hours=1))
    note(ctx)


functions: list[inngest.Function[None]] = [now, one, three, sleep, wait]
for number in range(int(os.environ["BENCH_FUNCTIONS"]) - len(functions)):
    functions.append(client.create_function(fn_id=f"idle-{number}", trigger=on(f"idle-{number}"))(nothing))  # type: ignore[arg-type]  # noqa: PERF401
inngest.fast_api.serve(app, client, functions)


@app.get("/reached/{round_id}")
async def how_many(round_id: str) -> int:
    """How many runs of a round have got to their code."""
    return len(reached[round_id])


@app.get("/reached/{round_id}/times")
async def times(round_id: str) -> dict[str, float]:
    """When each of them did, in seconds since 1970."""
    return reached[round_id]
