"""Decide from a mail: the link is one person's, for one task, and void when the task closes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlmodel import col, select

from riveredge_approvals.effects import links
from riveredge_approvals.engine.store import flow_of
from riveredge_approvals.ir.document import CompiledFlow, HumanNode
from riveredge_approvals.models import Instance, Task
from riveredge_approvals.people.choosing import choices_of_deciders
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_approvals.settings import ApprovalsTenantSettings
from riveredge_sdk import Principal, current_context, get_service, session, tenant_settings, utcnow
from riveredge_sdk.context import use_context
from riveredge_sdk.features.people import PEOPLE, Person
from riveredge_sdk.runtime import public_url

PATH = "/api/v1/approvals/decide/"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who holds a link, and what she is asked."""

    task: Task
    instance: Instance
    flow: CompiledFlow
    node: HumanNode
    person: Person
    principal: Principal

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Within it, she is the one who acts."""
        with use_context(replace(current_context(), principal=self.principal)):
            yield


async def decide_url(task: Task, flow: CompiledFlow) -> str | None:
    """The address by which the assignee can decide from a mail; None where the process wants more than that."""
    node = flow.nodes[task.node]
    if flow.settings.mail_approval != "confirm" or not isinstance(node, HumanNode) or node.signature != "none":
        return None
    if choices_of_deciders(flow, task.node):
        # The page behind the link has no list of people.
        return None
    hours = (await tenant_settings(ApprovalsTenantSettings)).mail_link_hours
    token = await links.give_out(
        "decide",
        instance_id=task.instance_id,
        visit_id=task.visit_id,
        task=task,
        expires_at=utcnow() + timedelta(hours=hours),
    )
    return public_url(PATH + token)


async def read(token: str) -> Asked | None:
    """What a link is about; None if it was not given out here, is too old, or its holder may not decide any more."""
    link = await links.read(token, "decide")
    if link is None or link.user_id is None:
        return None
    task = (await session().exec(select(Task).where(col(Task.id) == link.task_id))).one_or_none()
    # Handed on to somebody else, the task is not hers any more.
    if task is None or task.assignee_id != link.user_id:
        return None
    people = get_service(PEOPLE)
    principal = await people.principal(link.user_id)
    person = (await people.find([link.user_id])).get(link.user_id)
    if principal is None or person is None or not principal.may(REQUEST_USE):
        return None
    instance = (await session().exec(select(Instance).where(col(Instance.id) == task.instance_id))).one()
    flow = await flow_of(instance)
    node = flow.nodes.get(task.node)
    if not isinstance(node, HumanNode):
        return None
    return Asked(task, instance, flow, node, person, principal)
