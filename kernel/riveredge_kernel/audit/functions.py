"""The audit log's housekeeping."""

from typing import Any

from riveredge_kernel.audit.log import AuditLog
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec


def audit_functions(log: AuditLog) -> list[FunctionSpec[Any]]:
    """The specs, bound to one platform's log."""

    async def retention(ctx: FunctionContext, _tick: CronTick) -> int:
        removed: int = await ctx.step.run("prune", log.prune)
        return removed

    return [
        FunctionSpec(
            id="kernel.audit_retention",
            title="Delete audit entries that are older than the retention",
            trigger=Cron("53 3 * * *"),
            handler=retention,
            system=True,
        )
    ]
