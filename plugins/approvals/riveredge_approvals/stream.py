"""What browsers can follow: an instance's picture, and one's own tasks."""

from uuid import UUID

from riveredge_approvals.instances.access import may_see
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk import StreamTopic


async def _may_see(instance_id: str) -> bool:
    return await may_see(UUID(instance_id))


INSTANCE = StreamTopic(
    "approvals.instance",
    "A request",
    permission=REQUEST_USE,
    scope="object",
    authorise=_may_see,
    description="node and changed; data: rev, node, visit, status (as the diagram shows it), outcome.",
)

TASKS = StreamTopic(
    "approvals.tasks",
    "My tasks",
    permission=REQUEST_USE,
    scope="user",
    description="added and closed; data: task, instance.",
)

TOPICS = (INSTANCE, TASKS)
