"""`/api/v1/approvals/catalog`: what a designer can draw with."""

from riveredge_approvals.permissions import PROCESS_READ
from riveredge_approvals.processes.palette import PaletteOut, palette
from riveredge_sdk import Router

router = Router(tag="Approvals: processes")


@router.get("/catalog", require=PROCESS_READ, summary="Types of nodes, resolvers and operators")
async def get_catalog() -> PaletteOut:
    return palette()
