"""The kernel's own functions: what becomes of runs that fail or are cancelled, and housekeeping."""

from typing import Any

from pydantic import BaseModel

from riveredge_kernel.functions.host import FunctionHost
from riveredge_kernel.functions.models import RunStatus
from riveredge_kernel.functions.scoping import TENANT_OF_ENDED, scope_waits
from riveredge_kernel.functions.wrap import NotHereError
from riveredge_sdk.context import use_context
from riveredge_sdk.events import EventType
from riveredge_sdk.functions import Cron, CronTick, Failure, FunctionContext, FunctionSpec, NonRetriableError

_RUN_ENDED = "kernel.run_ended"


class RunEnded(BaseModel):
    """What Inngest publishes when a run failed for good or was cancelled."""

    function_id: str
    run_id: str
    error: dict[str, Any] | None = None
    event: dict[str, Any] | None = None


# Inngest's own events (https://www.inngest.com/docs/reference/system-events).
FAILED = EventType("inngest/function.failed", RunEnded, "A run failed for good")
CANCELLED = EventType("inngest/function.cancelled", RunEnded, "A run was cancelled")


def own_functions(host: FunctionHost) -> list[FunctionSpec[Any]]:
    """The specs, bound to one platform's host."""

    async def run_ended(ctx: FunctionContext, ended: RunEnded) -> None:
        wrapped = host.find_by_inngest_id(ended.function_id)
        if wrapped is None:
            return
        failed = ctx.event.name == FAILED.name
        error = ended.error or {}
        data = (ended.event or {}).get("data") or {}
        message = str(error.get("message") or "")
        name = str(error.get("name") or "Error")

        async def mirror() -> None:
            text = f"{name}: {message}" if failed else None
            status = RunStatus.FAILED if failed else RunStatus.CANCELLED
            await host.mirror.ended(ended.run_id, status, error=text)

        async def tell() -> None:
            assert wrapped.spec.on_failure is not None  # noqa: S101
            await wrapped.spec.on_failure(ctx, Failure(run_id=ended.run_id, error=name, message=message, data=data))

        try:
            context = await wrapped.around.context(wrapped.spec, wrapped.plugin, data, ended.run_id)
        except (NotHereError, NonRetriableError):
            return
        with use_context(context):
            await ctx.step.run("mirror", mirror)
            if failed and wrapped.spec.on_failure is not None:
                if not wrapped.spec.system:
                    scope_waits(ctx, TENANT_OF_ENDED)
                await ctx.step.run("on-failure", tell)

    async def housekeeping(ctx: FunctionContext, _tick: CronTick) -> dict[str, int]:
        removed: dict[str, int] = await ctx.step.run("prune", host.mirror.prune)
        return removed

    return [
        FunctionSpec(
            id=_RUN_ENDED,
            title="Note how runs ended",
            trigger=[FAILED, CANCELLED],
            handler=run_ended,
            condition=f"event.data.function_id != '{host.full_id(_RUN_ENDED)}'",
            system=True,
            retries=10,
        ),
        FunctionSpec(
            id="kernel.housekeeping",
            title="Delete what nobody asks for any more",
            trigger=Cron("17 3 * * *"),
            handler=housekeeping,
            system=True,
        ),
    ]
