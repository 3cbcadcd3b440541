"""Tells people, through messaging. Where it is not installed, or off for the organisation, nobody is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from riveredge_approvals.effects.templates import Kind
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import Instance
from riveredge_sdk import Problem, find_service, get_service, savepoint
from riveredge_sdk.features.messaging import NOTIFIER, Notification, Notifier
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import Invalid
from riveredge_sdk.runtime import public_url

log = structlog.get_logger(__name__)

# Where the console has its pages.
_CONSOLE = "/apps/console"


def template_for(kind: Kind, flow: CompiledFlow) -> str | None:
    """The template of a kind of message; None if the process does not want it."""
    return flow.settings.notify.get(kind, f"approvals.{kind}")


async def tell(
    kind: Kind,
    instance: Instance,
    flow: CompiledFlow,
    to: Sequence[UUID],
    *,
    key: str,
    about: str | None = None,
    node: str | None = None,
    urgent: bool = False,
    data: Mapping[str, Any] = {},
) -> None:
    """Notify people about an instance, in the running unit of work. What cannot be told stops nobody from deciding.

    Args:
        kind: which message; the process may name another template for it, or none.
        key: what makes it one message, however often it comes up: `<task id>:1`.
        about: the correlation by which it is taken back if it has not gone out; None: the instance.
        urgent: not held by quiet hours.
        data: the variables besides those of `templates.COMMON`.
    """
    notifier = find_service(NOTIFIER)
    template = template_for(kind, flow)
    if notifier is None or template is None or not to:
        return
    people = await get_service(PEOPLE).find(list(to))
    # Whoever has left since is no reason for the others not to learn of it.
    there = [user for user in dict.fromkeys(to) if user in people and people[user].active]
    if not there:
        return
    notification = Notification(
        template=template,
        to=there,
        data={**await common_data(instance, flow, node), **data},
        category="approvals.urgent" if urgent else None,
        idempotency_key=f"approvals.{kind}:{key}",
        correlation=about or f"approvals.instance:{instance.id}",
    )
    try:
        await send(notifier, notification)
    except Problem as problem:
        log.warning("an approval's message was refused", template=template, problem=problem.code, kind=kind)


async def send(notifier: Notifier, notification: Notification) -> None:
    """Notify with as much of the data as the template asks for: an organisation's own need not declare all of it.

    In the running unit of work, which a refusal leaves as it was.

    Raises:
        Invalid: the message cannot be sent.
    """
    try:
        async with savepoint():
            await notifier.notify(notification)
    except Invalid as problem:
        unknown = {each.field.removeprefix("data.") for each in problem.errors if each.code == "unknown"}
        if not unknown or unknown - notification.data.keys() or len(unknown) < len(problem.errors):
            raise
        data = {name: value for name, value in notification.data.items() if name not in unknown}
        async with savepoint():
            await notifier.notify(replace(notification, data=data))


async def common_data(instance: Instance, flow: CompiledFlow, node: str | None) -> dict[str, Any]:
    """The variables that all messages have (`templates.COMMON`)."""
    path = f"/approvals/instances/{instance.id}"
    return {
        "title": instance.title,
        "number": instance.number,
        "process": flow.process,
        "submitter": await name_of(instance.submitter_id),
        "summary": [_line(each) for each in instance.summary],
        "link": path,
        "url": public_url(_CONSOLE + path),
        "node": _label(flow, node),
    }


def _label(flow: CompiledFlow, node: str | None) -> str | None:
    """What people call a node; its id, if it is of a version that the request ran on before."""
    known = flow.nodes.get(node) if node is not None else None
    return known.label or node if known is not None else node


async def take_back(about: str) -> None:
    """What has not gone out yet of the messages about something does not go out any more."""
    notifier = find_service(NOTIFIER)
    if notifier is not None:
        await notifier.cancel(about)


async def name_of(user_id: UUID | None) -> str:
    """A person's name, for texts."""
    if user_id is None:
        return "—"
    person = (await get_service(PEOPLE).find([user_id])).get(user_id)
    return person.name if person is not None else "—"


def _line(entry: Mapping[str, Any]) -> dict[str, str]:
    """A line of the summary, for texts."""
    value = entry.get("value")
    return {"label": str(entry.get("title") or entry.get("field") or ""), "value": "" if value is None else str(value)}


__all__ = ["Kind", "common_data", "name_of", "send", "take_back", "tell"]
