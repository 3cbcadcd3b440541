"""The kernel's functions that make due rows happen: the tick, its helpers, and the execution of fires."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from riveredge_kernel.timers.tick import Claimed, Tick
from riveredge_sdk.events import EventType
from riveredge_sdk.functions import Concurrency, Cron, CronTick, FunctionContext, FunctionSpec, Priority
from riveredge_sdk.timers import FIRES_DUE as FIRES_DUE_NAME
from riveredge_sdk.uow import publish, unit_of_work

# So many claimers help when one tick has more to claim than it should.
SHARDS = 3
# So many chunks are executed at the same time.
AT_ONCE = 4


class Shard(BaseModel):
    """Nothing to tell: a claimer claims until nothing is left."""


class FiresDue(BaseModel):
    """Fires of one source and one instant: pairs of tenant and row."""

    source: str
    due_at: datetime
    fires: list[tuple[UUID, UUID]]


TICK_REQUESTED = EventType("kernel/tick.requested", CronTick, "A tick is to happen at once", internal=True)
TICK_SHARD = EventType("kernel/tick.shard", Shard, "A tick asks for help with claiming", internal=True)
FIRES_DUE = EventType("kernel/fires.due", FiresDue, "Rows of a timer source are due", internal=True)
EVENT_TYPES = (TICK_REQUESTED, TICK_SHARD, FIRES_DUE)
assert FIRES_DUE.name == FIRES_DUE_NAME  # noqa: S101  (the SDK publishes it by name)


def timer_functions(tick: Tick, *, cron: str | None) -> list[FunctionSpec[Any]]:
    """The specs, bound to one platform.

    Args:
        cron: when the tick happens by itself; None: only when it is asked for.
    """

    async def run_tick(ctx: FunctionContext, _event: CronTick) -> dict[str, int]:
        async def claim() -> dict[str, int]:
            await tick.beat()
            claimed = await tick.claim()
            if claimed.more:
                await _ask_for_help()
            return _shown(claimed)

        first: dict[str, int] = await ctx.step.run("claim", claim)
        count = first["count"] + (await _claim_rest(ctx, tick) if first["more"] else 0)
        mended: int = await ctx.step.run("reconcile", tick.reconcile)
        return {"claimed": count, "mended": mended}

    async def run_shard(ctx: FunctionContext, _event: Shard) -> int:
        return await _claim_rest(ctx, tick)

    async def fire(ctx: FunctionContext, event: FiresDue) -> int:
        # No step: the function is one piece of work, and each step would be one more call.
        done = await tick.fire(event.source, event.due_at, event.fires, ctx.run_id)
        return len(event.fires) if done else 0

    return [
        FunctionSpec(
            id="kernel.tick",
            title="Claim what is due",
            trigger=[Cron(cron), TICK_REQUESTED] if cron else TICK_REQUESTED,
            handler=run_tick,
            system=True,
            retries=2,
            concurrency=Concurrency(limit=1),
            priority=Priority(run="600"),
        ),
        FunctionSpec(
            id="kernel.tick_shard",
            title="Help to claim what is due",
            trigger=TICK_SHARD,
            handler=run_shard,
            system=True,
            retries=2,
            concurrency=Concurrency(limit=SHARDS),
            priority=Priority(run="600"),
        ),
        FunctionSpec(
            id="kernel.fire",
            title="Execute due rows of plugins",
            trigger=FIRES_DUE,
            handler=fire,
            system=True,
            retries=10,
            # Each holds connections of the system pool, and looking a tenant up takes another: more would wait for one
            # another, and keep the tick waiting, too.
            concurrency=Concurrency(limit=AT_ONCE),
        ),
    ]


async def _claim_rest(ctx: FunctionContext, tick: Tick) -> int:
    """Claim until nothing is left, in steps that each answer soon."""

    async def claim() -> dict[str, int]:
        return _shown(await tick.claim())

    count = 0
    while True:
        part: dict[str, int] = await ctx.step.run("claim-more", claim)
        count += part["count"]
        if not part["more"]:
            return count


@unit_of_work()
async def _ask_for_help() -> None:
    for _ in range(SHARDS):
        publish(TICK_SHARD, Shard())


def _shown(claimed: Claimed) -> dict[str, int]:
    return {"count": claimed.count, "more": int(claimed.more)}
