"""How long nodes have taken so far."""

from statistics import median
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.models import Instance, Visit, VisitStatus
from riveredge_sdk import session

# The latest requests that have ended: what was usual years ago says little.
MAX_REQUESTS = 200


async def usual_seconds(process_id: UUID) -> dict[str, float]:
    """The median time of the passed visits of each node, in seconds, over the latest requests of a process.

    Nodes keep their ids from version to version, so all versions count.
    """
    latest = (
        select(Instance.id)
        .where(col(Instance.process_id) == process_id, col(Instance.finished_at).is_not(None))
        .order_by(col(Instance.finished_at).desc())
        .limit(MAX_REQUESTS)
    )
    ids = (await session().exec(latest)).all()
    query = select(Visit.node, Visit.opened_at, Visit.closed_at).where(
        col(Visit.instance_id).in_(ids),
        col(Visit.status) == VisitStatus.PASSED,
        col(Visit.kind).in_(("approver", "handler", "effect", "subflow")),
    )
    taken: dict[str, list[float]] = {}
    for node, opened, closed in (await session().exec(query)).all() if ids else ():
        if closed is not None:
            taken.setdefault(node, []).append((closed - opened).total_seconds())
    return {node: median(times) for node, times in taken.items()}
