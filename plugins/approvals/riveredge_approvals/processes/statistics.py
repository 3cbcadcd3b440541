"""Where requests wait: how long people take on each node of a process, and how often too long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import col, select

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.models import OPEN_VISITS, Instance, ProcessVersion, Visit, VisitStatus
from riveredge_approvals.processes.repository import Processes
from riveredge_sdk import session, utcnow

# The latest visits that are looked at; more would say little else.
MAX_VISITS = 20_000
_HUMAN = ("approver", "handler")
_COUNTED = (*OPEN_VISITS, VisitStatus.PASSED, VisitStatus.FAILED)


class NodeStatistics(BaseModel):
    """How long people take on a node. Times are in seconds, from when a request came to it to when it was decided."""

    node: str
    label: str
    decided: int = Field(description="How many visits were decided.")
    waiting: int = Field(description="How many are open now.")
    median_s: float | None = Field(description="Half of the decided ones took at most so long; null if there are none.")
    p90_s: float | None = Field(description="Nine of ten took at most so long.")
    timed: int = Field(description="How many of all had a deadline.")
    overdue: int = Field(description="How many of these were not decided in time.")
    overdue_share: float | None = Field(description="Their share, from 0 to 1.")


class ProcessStatistics(BaseModel):
    """The nodes on which people are asked, the slowest first."""

    since: datetime
    visits: int
    whole: bool = Field(description=f"False where there were more than {MAX_VISITS}: the latest were counted.")
    nodes: list[NodeStatistics]


async def of_process(process_id: UUID, days: int) -> ProcessStatistics:
    """The statistics of the last days, over all versions.

    Raises:
        NotFound: there is no such process.
    """
    process = await Processes().get(process_id)
    now = utcnow()
    since = now - timedelta(days=days)
    query = (
        select(Visit.node, Visit.opened_at, Visit.closed_at, Visit.due_at)
        .join(Instance, col(Instance.id) == col(Visit.instance_id))
        .where(
            col(Instance.process_id) == process_id,
            col(Visit.opened_at) >= since,
            col(Visit.kind).in_(_HUMAN),
            col(Visit.status).in_(_COUNTED),
        )
        .order_by(col(Visit.opened_at).desc())
        .limit(MAX_VISITS + 1)
    )
    rows = (await session().exec(query)).all()
    by_node: dict[str, list[tuple[datetime, datetime | None, datetime | None]]] = {}
    for node, opened, closed, due in rows[:MAX_VISITS]:
        by_node.setdefault(node, []).append((opened, closed, due))
    labels = await _labels(process_id, process.published)
    nodes = [_of_node(node, labels.get(node) or node, visits, now) for node, visits in by_node.items()]
    nodes.sort(key=lambda each: (-(each.median_s or 0.0), each.node))
    return ProcessStatistics(since=since, visits=min(len(rows), MAX_VISITS), whole=len(rows) <= MAX_VISITS, nodes=nodes)


def _of_node(
    node: str, label: str, visits: Sequence[tuple[datetime, datetime | None, datetime | None]], now: datetime
) -> NodeStatistics:
    took = sorted((closed - opened).total_seconds() for opened, closed, _ in visits if closed is not None)
    timed = [(closed or now) > due for _, closed, due in visits if due is not None]
    return NodeStatistics(
        node=node,
        label=label,
        decided=len(took),
        waiting=len(visits) - len(took),
        median_s=_quantile(took, 50),
        p90_s=_quantile(took, 90),
        timed=len(timed),
        overdue=sum(timed),
        overdue_share=sum(timed) / len(timed) if timed else None,
    )


def _quantile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


async def _labels(process_id: UUID, published: int | None) -> dict[str, str]:
    """What nodes are called on the version that new requests run on."""
    query = select(ProcessVersion).where(
        col(ProcessVersion.process_id) == process_id, col(ProcessVersion.number) == published
    )
    version = (await session().exec(query)).one_or_none()
    flow = flow_of_version(version) if version is not None else None
    return {node: each.label for node, each in flow.nodes.items()} if flow is not None else {}
