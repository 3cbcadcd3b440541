"""`/api/v1/approvals/processes/{id}/statistics`: where requests wait."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_approvals.permissions import INSTANCE_READ
from riveredge_approvals.processes import statistics
from riveredge_approvals.processes.statistics import ProcessStatistics
from riveredge_sdk import Router

router = Router(prefix="/processes/{process_id}/statistics", tag="Approvals: processes")


@router.get(require=INSTANCE_READ, summary="Where requests wait, and for how long")
async def get_process_statistics(
    process_id: UUID, days: Annotated[int, Query(ge=1, le=366, description="How far back.")] = 90
) -> ProcessStatistics:
    return await statistics.of_process(process_id, days)
