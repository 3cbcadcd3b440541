"""Which processes name something: what has to be looked at before a role, a group or a connection goes."""

from collections.abc import Mapping
from uuid import UUID

from sqlmodel import col, func, select

from riveredge_approvals.drawing.needs import find_needs
from riveredge_approvals.ir.document import CompiledFlow, Settings
from riveredge_approvals.models import Instance, InstanceStatus, Process, ProcessVersion
from riveredge_approvals.processes.usage_schemas import UsageOut
from riveredge_sdk import session

_UNDER_WAY = (InstanceStatus.RUNNING, InstanceStatus.SUSPENDED, InstanceStatus.DRAFT)
_ONE_NODE = Settings(start=())


async def find_usages(kind: str, name: str) -> list[UsageOut]:
    """The versions that name something: those in use, and those on which requests are under way.

    Args:
        kind: a field of the compiled `needs`: `roles`, `users`, …
    """
    running = await _running()
    versions = await session().exec(
        select(Process, ProcessVersion)
        .join(ProcessVersion, col(ProcessVersion.process_id) == col(Process.id))
        .where((col(ProcessVersion.number) == col(Process.published)) | col(ProcessVersion.id).in_(running))
        .order_by(col(Process.title), col(ProcessVersion.number).desc())
    )
    found = []
    for process, version in versions.all():
        current = process.published == version.number and process.archived_at is None
        under_way = running.get(version.id, 0)
        if (current or under_way) and name in version.compiled["needs"][kind]:
            nodes, settings = places_of(CompiledFlow.model_validate(version.compiled), kind, name)
            found.append(
                UsageOut(
                    process_id=process.id,
                    key=process.key,
                    title=process.title,
                    version=version.number,
                    current=current,
                    under_way=under_way,
                    nodes=nodes,
                    settings=settings,
                )
            )
    return found


def places_of(flow: CompiledFlow, kind: str, name: str) -> tuple[list[str], bool]:
    """The nodes that name something, and whether the settings do."""
    nodes = [each for each, node in flow.nodes.items() if name in getattr(find_needs({each: node}, _ONE_NODE), kind)]
    return nodes, name in getattr(find_needs({}, flow.settings), kind)


async def _running() -> Mapping[UUID, int]:
    query = select(Instance.version_id, func.count()).where(col(Instance.status).in_(_UNDER_WAY))
    return dict((await session().exec(query.group_by(col(Instance.version_id)))).all())
