"""Puts a message into many inboxes at once, with the deliveries that say so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from riveredge_messaging.channels.in_app import InAppChannel, InAppEntry, deliver_many, entry_of
from riveredge_messaging.delivery.ending import Stop, close, tell_failed, tell_sent
from riveredge_messaging.models import Delivery, DeliveryStatus, Message
from riveredge_messaging.templates.catalog import CatalogTemplate, channels, pinned_template
from riveredge_messaging.templates.composing import Look, Reader, compose, load_look
from riveredge_messaging.templates.rendering import RenderError
from riveredge_sdk import get_service, utcnow
from riveredge_sdk.features.messaging import MessageChannel, PermanentFailure, RenderedMessage
from riveredge_sdk.features.people import PEOPLE, Person


@dataclass(frozen=True, slots=True)
class Filling:
    """In-app deliveries of one message, and what they put into inboxes."""

    deliveries: Sequence[Delivery]
    entries: Sequence[InAppEntry]

    @classmethod
    async def of(cls, message: Message, deliveries: Sequence[Delivery]) -> "Filling":
        """Render the message for its recipients, once for all who read it alike. Inside a unit of work.

        The deliveries are new; at most 1000. Each ends here, as `delivered` or as what stood in its way.
        """
        return cls(deliveries, await _entries(message, deliveries) if deliveries else [])

    async def fill(self) -> None:
        """Put it there, when the deliveries have been written; others are told."""
        await deliver_many(self.entries)
        there = [entry.delivery_id for entry in self.entries]
        missing = [delivery.id for delivery in self.deliveries if delivery.status != DeliveryStatus.DELIVERED]
        if there:
            tell_sent(InAppChannel.id, there)
        if missing:
            tell_failed(InAppChannel.id, missing)


async def _entries(message: Message, deliveries: Sequence[Delivery]) -> list[InAppEntry]:
    channel = channels().get(InAppChannel.id)
    template = await pinned_template(message.template, message.template_version_id)
    people = await get_service(PEOPLE).find([delivery.recipient_id for delivery in deliveries])
    if channel is None or template is None:
        gone = "template" if template is None else "channel"
        why = Stop(DeliveryStatus.FAILED, f"{gone}_gone", f"The {gone} is not there any more.")
        for delivery in deliveries:
            close(delivery, why)
        return []
    writer = _Writer(template, channel, message, await load_look())
    entries = []
    for delivery in deliveries:
        person = people.get(delivery.recipient_id)
        if person is None or not person.active:
            close(delivery, Stop(DeliveryStatus.SKIPPED, "no_member", "The person is no active member any more."))
            continue
        try:
            entries.append(writer.entry(delivery, person))
        except (RenderError, PermanentFailure) as error:
            flaw = f"The template cannot be rendered: {error}"
            close(delivery, Stop(DeliveryStatus.FAILED_RENDER, "failed_render", flaw))
        else:
            delivery.attempts, delivery.address = 1, str(person.id)
            delivery.status, delivery.ended_at = DeliveryStatus.DELIVERED, utcnow()
    return entries


class _Writer:
    """Renders a message for each kind of reader once."""

    def __init__(self, template: CatalogTemplate, channel: MessageChannel, message: Message, look: Look) -> None:
        self._template = template
        self._channel = channel
        self._message = message
        self._look = look
        sources = (template.texts, template.variants, template.partial_texts(html=False))
        self._is_personal = "reader" in str(sources)
        self._made: dict[tuple[str, str, UUID | None], InAppEntry] = {}

    def entry(self, delivery: Delivery, person: Person) -> InAppEntry:
        key = (person.locale, person.timezone, person.id if self._is_personal else None)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._compose(delivery, person)
        return replace(made, delivery_id=delivery.id, recipient_id=person.id)

    def _compose(self, delivery: Delivery, person: Person) -> InAppEntry:
        made = compose(self._template, self._channel, self._message.data, Reader.of(person), self._look)
        return entry_of(
            RenderedMessage(
                delivery_id=delivery.id,
                recipient_id=person.id,
                address=str(person.id),
                subject=made.subject,
                text=made.text,
                locale=made.locale,
                options=made.options,
                category=self._message.category,
            )
        )
