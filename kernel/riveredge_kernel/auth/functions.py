"""The durable functions of sign-in."""

from typing import Any

from riveredge_kernel.auth.api_keys import ApiKeys
from riveredge_kernel.auth.oidc.service import OidcService
from riveredge_kernel.auth.sessions import Sessions
from riveredge_kernel.limits.limiter import Limiter
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec


def auth_functions(sessions: Sessions, limiter: Limiter, keys: ApiKeys, oidc: OidcService) -> list[FunctionSpec[Any]]:
    """The specs, bound to one platform's parts."""

    async def housekeeping(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
        return {
            "sessions": await ctx.step.run("prune-sessions", sessions.prune),
            "limits": await ctx.step.run("prune-limits", limiter.prune),
            "keys": await ctx.step.run("prune-keys", keys.prune),
            "sign_ins": await ctx.step.run("prune-sign-ins", oidc.prune),
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
