"""The durable function that goes through a rehearsal, portion by portion."""

from typing import Any
from uuid import UUID

from riveredge_approvals.events import REHEARSAL_DUE, RehearsalRef
from riveredge_approvals.foresight import rehearsing
from riveredge_approvals.foresight.rehearsal_schemas import MAX_REQUESTS
from riveredge_sdk import FunctionContext, FunctionSpec, PerTenant, Subject, unit_of_work
from riveredge_sdk.functions import Failure


async def rehearse(ctx: FunctionContext, event: RehearsalRef) -> int:
    """Walk all requests of a rehearsal; how many portions it took."""

    @unit_of_work()
    async def portion() -> bool:
        return await rehearsing.go_on(event.rehearsal_id)

    for number in range(MAX_REQUESTS // rehearsing.PORTION + 1):
        if not await ctx.step.run(f"portion-{number}", portion):
            return number + 1
    return number + 1


@unit_of_work()
async def failed(_ctx: FunctionContext, failure: Failure) -> None:
    """It is told that it did not come to its end."""
    await rehearsing.give_up(UUID(failure.data["rehearsal_id"]), f"{failure.error}: {failure.message}")


FORESIGHT_FUNCTIONS: tuple[FunctionSpec[Any], ...] = (
    FunctionSpec(
        id="approvals.rehearse",
        title="Run past requests through a draft",
        trigger=REHEARSAL_DUE,
        handler=rehearse,
        on_failure=failed,
        per_tenant=PerTenant(2),
        subject=lambda event: Subject("approvals.rehearsal", event.rehearsal_id),
    ),
)
