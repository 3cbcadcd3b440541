"""What is needed to hand deliveries over: who gets what at which address, or why somebody gets nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.delivery.asking_again import ask_again
from riveredge_messaging.delivery.ending import Stop
from riveredge_messaging.feedback import suppression, unsubscribe
from riveredge_messaging.models import Delivery, DeliveryStatus, Message, MessageKind
from riveredge_messaging.rules.categories import all_categories
from riveredge_messaging.rules.deciding import Ruling
from riveredge_messaging.templates.catalog import CatalogTemplate, channels, pinned_template
from riveredge_messaging.templates.composing import Look, Reader, compose, load_look
from riveredge_messaging.templates.rendering import RenderError
from riveredge_messaging.timeline.live import BROAD
from riveredge_messaging.timeline.words import sentence
from riveredge_sdk import get_service, session, unit_of_work, utcnow
from riveredge_sdk.features.messaging import MessageChannel, RenderedMessage
from riveredge_sdk.features.people import PEOPLE, Person

# What is still to be handed over.
OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery that can be handed over, before `expires_at`.

    `waits`: the rule that holds it until later, after it had waited for something else. `held`: not once more if nobody
    knows whether it was sent. `broad`: the message is to many. `has_files`: those of the message go with it; they are
    read when it is handed over.
    """

    message: RenderedMessage
    channel: MessageChannel
    message_id: UUID
    waits: Ruling | None = None
    has_files: bool = False
    held: bool = False
    broad: bool = False
    expires_at: datetime | None = None

    def over(self, at: datetime, *, waits: bool = False) -> Stop | None:
        """Why it is not sent any more at that time, if so. `waits`: it cannot go out before then."""
        if self.expires_at is None or at < self.expires_at:
            return None
        return _expired(self.expires_at, at if waits else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """The rows that some deliveries need."""

    channel: MessageChannel
    deliveries: Sequence[Delivery]
    messages: Mapping[UUID, Message]
    rulings: Mapping[UUID, Ruling]
    templates: Mapping[tuple[str, UUID | None], CatalogTemplate | None]
    people: Mapping[UUID, Person]
    addresses: Mapping[UUID, str]
    suppressed: frozenset[str]
    look: Look
    held: frozenset[str]
    leavable: frozenset[str]


async def prepare(channel_id: str, ids: Sequence[UUID]) -> dict[UUID, Ready | Stop]:
    """Load, resolve and render what is open of some deliveries of one channel. Outside of any transaction."""
    async with unit_of_work(read_only=True):
        query = select(Delivery).where(
            col(Delivery.id).in_(ids), col(Delivery.channel) == channel_id, col(Delivery.status).in_(OPEN)
        )
        deliveries = (await session().exec(query)).all()
        channel = channels().get(channel_id)
        loaded = await _load(channel, deliveries) if channel is not None and deliveries else None
    if loaded is None:
        gone = Stop(DeliveryStatus.FAILED, "channel_gone", f"The channel {channel_id} is not there any more.")
        return {delivery.id: gone for delivery in deliveries}
    links = await unsubscribe.links()
    return {delivery.id: _make(loaded, delivery, links) for delivery in deliveries}


async def _load(channel: MessageChannel, deliveries: Sequence[Delivery]) -> _Loaded:
    message_ids = list({delivery.message_id for delivery in deliveries})
    rows = (await session().exec(select(Message).where(col(Message.id).in_(message_ids)))).all()
    recipients = list({delivery.recipient_id for delivery in deliveries})
    addresses = await channel.addresses_of(recipients)
    wanted = {(row.template, row.template_version_id) for row in rows}
    templates = {key: await pinned_template(*key) for key in wanted}
    categories = await all_categories()
    messages = {row.id: row for row in rows}
    return _Loaded(
        channel=channel,
        deliveries=deliveries,
        messages=messages,
        rulings=await ask_again(channel, deliveries, messages, categories, utcnow()),
        templates=templates,
        people=await get_service(PEOPLE).find(recipients),
        addresses=addresses,
        suppressed=await suppression.among(channel, addresses.values()),
        look=await load_look(),
        held=frozenset(key for key, each in categories.items() if each.duplicates == "hold"),
        leavable=frozenset(k for k, each in categories.items() if each.kind == "ordinary" and not each.mandatory),
    )


def _make(  # noqa: PLR0911  (one for each reason to stop)
    loaded: _Loaded,
    delivery: Delivery,
    links: unsubscribe.Links,
) -> Ready | Stop:
    message = loaded.messages[delivery.message_id]
    if message.expires_at is not None and utcnow() >= message.expires_at:
        return _expired(message.expires_at, None)
    ruling = loaded.rulings.get(delivery.id)
    if ruling is not None and ruling.status != DeliveryStatus.DEFERRED:
        error = sentence(ruling.reason, "en", ruling.detail)
        return Stop(ruling.status, ruling.reason, error, ruling.rule, ruling.detail)
    template = loaded.templates[message.template, message.template_version_id]
    person, address = loaded.people.get(delivery.recipient_id), loaded.addresses.get(delivery.recipient_id)
    if template is None:
        return Stop(DeliveryStatus.FAILED, "template_gone", f"The template {message.template} is not there any more.")
    if person is None or not person.active or address is None:
        return Stop(DeliveryStatus.SKIPPED, "no_address", "The person cannot be reached on this channel.")
    try:
        address = loaded.channel.check_address(address)
    except ValueError as error:
        return Stop(DeliveryStatus.SKIPPED, "no_address", f"The address is none of this channel: {error}"[:500])
    if suppression.digest(loaded.channel.id, address) in loaded.suppressed:
        return Stop(DeliveryStatus.SUPPRESSED, "suppressed", "The address is on the list of suppressed ones.")
    try:
        rendered = compose(template, loaded.channel, message.data, Reader.of(person), loaded.look)
    except RenderError as error:
        return Stop(DeliveryStatus.FAILED_RENDER, "failed_render", f"The template cannot be rendered: {error}")
    made = RenderedMessage(
        delivery_id=delivery.id,
        recipient_id=delivery.recipient_id,
        address=address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        locale=rendered.locale,
        data=message.data,
        options=rendered.options,
        category=message.category,
        expires_at=message.expires_at,
    )
    if loaded.channel.id == unsubscribe.CHANNEL and made.category in loaded.leavable:
        made = replace(made, headers=links.headers(delivery.recipient_id, made.category))
    held = message.category in loaded.held or message.kind == MessageKind.TEST
    return Ready(
        made,
        loaded.channel,
        message.id,
        waits=ruling,
        has_files=message.files > 0 and loaded.channel.has_files,
        held=held,
        broad=message.recipients >= BROAD,
        expires_at=message.expires_at,
    )


def _expired(at: datetime, until: datetime | None) -> Stop:
    error = f"It was to be sent until {at.isoformat()}."
    if until is None:
        return Stop(DeliveryStatus.EXPIRED, "expired", error, "expiry", {"at": at.isoformat()})
    detail = {"at": at.isoformat(), "until": until.isoformat()}
    return Stop(DeliveryStatus.EXPIRED, "expires_waiting", error, "expiry", detail)
