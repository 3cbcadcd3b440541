"""Tells records of the end of their requests: after the commit, at least once."""

from typing import cast

import structlog

from riveredge_approvals.effects.subjects import find_subject
from riveredge_approvals.engine.store import load
from riveredge_sdk import FunctionContext, unit_of_work
from riveredge_sdk.features.approvals import InstanceChanged, Outcome
from riveredge_sdk.functions import NonRetriableError
from riveredge_sdk.problems import NotFound

log = structlog.get_logger(__name__)


async def closed(ctx: FunctionContext, event: InstanceChanged) -> bool:
    """Tell the record of the end, at least once."""

    @unit_of_work()
    async def tell() -> bool:
        kind = find_subject(event.subject_type)
        if kind is None:
            log.warning("nothing knows a record that was decided on", type=event.subject_type)
            return False
        try:
            case = await load(event.instance_id, lock=False)
        except NotFound:
            return False
        try:
            await kind.on_closed(case.request(), cast("Outcome", event.status))
        except NotFound as gone:
            raise NonRetriableError(f"the record is gone: {gone.detail}") from None
        return True

    return await ctx.step.run("tell", tell)
