"""The rules: accept messages, retry and cancel deliveries. Implements the NOTIFIER port."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.catalog import CatalogTemplate, channels, find_template
from riveredge_messaging.decisions import note
from riveredge_messaging.declarations import check_data
from riveredge_messaging.events import DELIVERY_QUEUED, DeliveryRef
from riveredge_messaging.models import Delivery, DeliveryStatus, Message, Verdict
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_sdk import current_context, current_principal, get_service, publish, session, utcnow
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import Conflict, FieldError, Invalid, invalid_field

_RETRIABLE = (DeliveryStatus.FAILED, DeliveryStatus.SKIPPED, DeliveryStatus.CANCELLED)


class Messaging:
    """What routes and other plugins ask for. Everything happens in the running unit of work."""

    async def notify(self, notification: Notification) -> UUID:
        """Accept a message; see `riveredge_sdk.features.messaging.Notifier`."""
        return (await self.send(notification)).id

    async def send(self, notification: Notification) -> Message:
        """Accept a message: one delivery for each recipient and channel, each with an event.

        Raises:
            Invalid: the template, a recipient, a channel or a variable is not right.
        """
        if notification.idempotency_key is not None:
            known = await Messages().find(col(Message.idempotency_key) == notification.idempotency_key)
            if known is not None:
                return known
        template = await find_template(notification.template)
        if template is None:
            raise invalid_field("template", f"There is no template {notification.template!r} here.", "unknown_template")
        wanted = _channels(notification.channels, template)
        check_data(notification.data, template.variables, uses=template.uses(wanted))
        recipients = await _recipients(notification.to)
        principal = current_context().principal
        message = Message(
            template=notification.template,
            template_version_id=template.version_id,
            data=dict(notification.data),
            sender_id=principal.id if principal else None,
            correlation=notification.correlation,
            idempotency_key=notification.idempotency_key,
        )
        await Messages().add(message)
        await _deliver(message, recipients, wanted)
        return message

    async def send_test(self, template: CatalogTemplate, data: Mapping[str, Any], named: Sequence[str]) -> Message:
        """Send any version of a template to whoever asks, and to nobody else.

        Raises:
            Invalid: a channel or a variable is not right.
        """
        me = current_principal()
        wanted = _channels(named, template)
        check_data(data, template.variables, uses=template.uses(wanted))
        message = await Messages().add(
            Message(template=template.key, template_version_id=template.version_id, data=dict(data), sender_id=me.id)
        )
        await _deliver(message, await _recipients([me.id]), wanted)
        return message

    async def retry(self, delivery_id: UUID) -> Delivery:
        """Queue a delivery again that has ended without success.

        Raises:
            Conflict: it is under way, or has succeeded.
        """
        delivery = await Deliveries().get(delivery_id, lock=True)
        if delivery.status not in _RETRIABLE:
            raise Conflict(
                f"The delivery is {delivery.status}; only failed, skipped and cancelled ones can be retried."
            )
        await Deliveries().change(delivery, {"status": DeliveryStatus.QUEUED, "error": None, "ended_at": None})
        _queue(delivery)
        return delivery

    async def cancel(self, delivery_id: UUID) -> Delivery:
        """Cancel a delivery that has not been sent yet.

        Raises:
            Conflict: it is too late.
        """
        delivery = await Deliveries().get(delivery_id, lock=True)
        if delivery.status != DeliveryStatus.QUEUED:
            raise Conflict(f"The delivery is {delivery.status}; only queued ones can be cancelled.")
        note(
            delivery.message_id,
            rule="cancel",
            verdict=Verdict.STOPPED,
            reason="cancelled",
            delivery_id=delivery.id,
            recipient_id=delivery.recipient_id,
        )
        return await Deliveries().change(delivery, {"status": DeliveryStatus.CANCELLED, "ended_at": utcnow()})


async def _deliver(message: Message, recipients: Sequence[UUID], wanted: Sequence[str]) -> None:
    made = [Delivery(message_id=message.id, recipient_id=r, channel=c) for r in recipients for c in wanted]
    session().add_all(made)
    note(message.id, rule="accept", verdict=Verdict.LET_THROUGH, reason="accepted")
    await session().flush()
    for delivery in made:
        _queue(delivery)


def _queue(delivery: Delivery) -> None:
    publish(
        DELIVERY_QUEUED,
        DeliveryRef(
            delivery_id=delivery.id, message_id=delivery.message_id, channel=delivery.channel, round=delivery.version
        ),
    )


def _channels(named: Sequence[str], template: CatalogTemplate) -> list[str]:
    there = template.channels(channels())
    unknown = [
        FieldError(
            f"channels.{index}",
            f"The template has no text for a channel {name[:100]!r}; it has for: {', '.join(there)}.",
            "unknown",
        )
        for index, name in enumerate(named)
        if name not in there
    ]
    if unknown:
        raise Invalid(f"{len(unknown)} unknown channel(s).", errors=unknown)
    return list(dict.fromkeys(named)) or there


async def _recipients(named: Sequence[UUID]) -> list[UUID]:
    people = await get_service(PEOPLE).find(named)
    unknown = [
        FieldError(f"to.{index}", f"{user_id} is no active member of this organisation.", "unknown_recipient")
        for index, user_id in enumerate(named)
        if user_id not in people or not people[user_id].active
    ]
    if unknown:
        raise Invalid(f"{len(unknown)} unknown recipient(s).", errors=unknown)
    return list(dict.fromkeys(named))
