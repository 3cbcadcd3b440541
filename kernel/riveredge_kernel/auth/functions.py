"""The durable functions of sign-in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec


def auth_functions(prune: Mapping[str, Callable[[], Awaitable[int]]]) -> list[FunctionSpec[Any]]:
    """The specs. `prune` names what deletes rows that have had their day, and tells their number."""

    async def housekeeping(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
        return {name: await ctx.step.run(f"prune-{name}", work) for name, work in prune.items()}

    return [
        FunctionSpec(
            id="kernel.auth_housekeeping",
            title="Delete sign-ins that ended long ago",
            trigger=Cron("41 3 * * *"),
            handler=housekeeping,
            system=True,
        )
    ]
