"""The dry run: what would become of a message, for whom, when and why."""

from typing import Any

from riveredge_messaging.models import DeliveryStatus, Message
from riveredge_messaging.schemas import DryRun, PlannedDelivery, PlannedRecipient
from riveredge_messaging.sending.expanding import Planned
from riveredge_messaging.service import Messaging
from riveredge_messaging.templates.catalog import CatalogTemplate, channels
from riveredge_messaging.templates.composing import Look, Reader, compose, load_look
from riveredge_messaging.templates.rendering import RenderError
from riveredge_messaging.timeline.words import sentence
from riveredge_sdk import current_context, get_service
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.features.people import PEOPLE, Person

SHOWN = 100
# So many recipients' texts are rendered.
RENDERED = 20
_GOES = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)


async def dry_run(notification: Notification) -> DryRun:
    """What would become of a message. Writes and sends nothing.

    Raises:
        Invalid: it would be refused.
    """
    message, template, planned = await Messaging().dry_run(notification, SHOWN + 1)
    ids = list(dict.fromkeys(each.user_id for each in planned))
    people = await get_service(PEOPLE).find(ids)
    look = await load_look()
    recipients = []
    for index, user_id in enumerate(ids[:SHOWN]):
        mine = [each for each in planned if each.user_id == user_id]
        person = people.get(user_id)
        shown_to = person if index < RENDERED else None
        recipients.append(
            PlannedRecipient(
                id=user_id,
                name=person.name if person is not None else "",
                via=mine[0].via,
                deliveries=[_planned(each, message, template, shown_to, look) for each in mine],
            )
        )
    return DryRun(
        template=message.template,
        template_version_id=message.template_version_id,
        category=message.category,
        channels=message.channels,
        send_at=message.send_at,
        recipients=recipients,
        complete=len(ids) <= SHOWN,
    )


def _planned(
    each: Planned, message: Message, template: CatalogTemplate, person: Person | None, look: Look
) -> PlannedDelivery:
    ruling = each.ruling
    rendered: dict[str, Any] | None = None
    error = None
    channel = channels().get(each.channel)
    if person is not None and channel is not None and ruling.status in _GOES:
        try:
            made = compose(template, channel, message.data, Reader.of(person), look)
            rendered = {"locale": made.locale, "subject": made.subject, "text": made.text, "html": made.html}
            rendered["options"] = dict(made.options)
        except RenderError as failure:
            error = str(failure)
    return PlannedDelivery(
        channel=each.channel,
        status=ruling.status,
        rule=ruling.rule,
        reason=ruling.reason,
        words=sentence(ruling.reason, current_context().locale, ruling.detail),
        due_at=ruling.due_at,
        rendered=rendered,
        error=error,
    )
