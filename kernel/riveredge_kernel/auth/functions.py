"""The durable functions of sign-in."""

from typing import Any

from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.limits.limiter import Limiter
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec


def auth_functions(sessions: Sessions, limiter: Limiter) -> list[FunctionSpec[Any]]:
    """The specs, bound to one platform's parts."""

    async def housekeeping(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
        return {
            "sessions": await ctx.step.run("prune-sessions", sessions.prune),
            "limits": await ctx.step.run("prune-limits", limiter.prune),
        }

    return [
        FunctionSpec(
            id="kernel.auth_housekeeping",
            title="Delete sign-ins that ended long ago",
            trigger=Cron("41 3 * * *"),
            handler=housekeeping,
            system=True,
        )
    ]
