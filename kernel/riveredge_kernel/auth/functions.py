"""The durable functions of sign-in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from riveredge_kernel.auth.service import SIGN_IN_FAILED, AuthService, FailedSignIn
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec


def auth_functions(prune: Mapping[str, Callable[[], Awaitable[int]]], service: AuthService) -> list[FunctionSpec[Any]]:
    """The specs. `prune` names what deletes rows that have had their day, and tells their number."""

    async def failed(_ctx: FunctionContext, event: FailedSignIn) -> None:
        await service.note_failure(event)

    async def housekeeping(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
        return {name: await ctx.step.run(f"prune-{name}", work) for name, work in prune.items()}

    return [
        FunctionSpec(
            id="kernel.sign_in_failed",
            title="Tell organisations of failed sign-ins",
            trigger=SIGN_IN_FAILED,
            handler=failed,
            system=True,
        ),
        FunctionSpec(
            id="kernel.auth_housekeeping",
            title="Delete sign-ins that ended long ago",
            trigger=Cron("41 3 * * *"),
            handler=housekeeping,
            system=True,
        ),
    ]
