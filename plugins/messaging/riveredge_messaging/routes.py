"""`/api/v1/messaging`: templates, messages and their deliveries."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.catalog import CatalogTemplate, all_templates, check_texts, find_template
from riveredge_messaging.models import Delivery, Template
from riveredge_messaging.permissions import MESSAGE_READ, MESSAGE_SEND, TEMPLATE_READ, TEMPLATE_WRITE
from riveredge_messaging.rendering import RenderError, check_data
from riveredge_messaging.repository import Deliveries, Messages, Templates
from riveredge_messaging.schemas import (
    AvailableTemplate,
    DeliveryOut,
    MessageDetail,
    MessageIn,
    MessageOut,
    PreviewIn,
    PreviewOut,
    TemplateChange,
    TemplateIn,
    TemplateOut,
)
from riveredge_messaging.service import Messaging
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, current_context
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.problems import Invalid, invalid_field

templates_router = Router(prefix="/templates", tag="Messaging: templates", audit="messaging.template")
messages_router = Router(prefix="/messages", tag="Messaging: messages", audit="messaging.message")
deliveries_router = Router(prefix="/deliveries", tag="Messaging: deliveries", audit="messaging.delivery")

templates = Templates()
messages = Messages()
deliveries = Deliveries()
messaging = Messaging()


@templates_router.get(require=TEMPLATE_READ, summary="List the organisation's own templates")
async def list_templates(query: Annotated[ListQuery, Query()]) -> Page[TemplateOut]:
    return await templates.page(query, into=TemplateOut)


@templates_router.get("/available", require=TEMPLATE_READ, summary="Every template that messages may name")
async def list_available_templates() -> list[AvailableTemplate]:
    return [
        AvailableTemplate(
            key=found.key,
            title=found.title,
            description=found.description,
            locales=sorted(found.texts),
            variables=dict(found.variables),
            own=found.own,
        )
        for found in await all_templates()
    ]


@templates_router.post(
    "/preview", require=TEMPLATE_READ, audit=False, status=200, summary="Render a template without sending it"
)
async def preview_template(body: PreviewIn) -> PreviewOut:
    if body.texts is not None:
        texts = {tag: part.model_dump() for tag, part in body.texts.items()}
        check_texts(texts, body.variables or {})
        found: CatalogTemplate | None = CatalogTemplate("preview", "", "", texts, body.variables or {}, own=True)
    elif body.key is not None:
        found = await find_template(body.key)
    else:
        raise invalid_field("key", "Give a key, or texts.", "missing")
    if found is None:
        raise invalid_field("key", f"There is no template {body.key!r} here.", "unknown_template")
    check_data(body.data, found.variables)
    try:
        rendered = found.render(body.data, locale=body.locale, timezone=current_context().timezone)
    except RenderError as error:
        raise Invalid(f"The template cannot be rendered: {error}") from None
    return PreviewOut(
        locale=found.locale_for(body.locale), subject=rendered.subject, text=rendered.text, html=rendered.html
    )


@templates_router.get("/{template_id}", require=TEMPLATE_READ, summary="One of the organisation's own templates")
async def get_template(template_id: UUID) -> TemplateOut:
    return TemplateOut.model_validate(await templates.get(template_id))


@templates_router.post(require=TEMPLATE_WRITE, summary="Create a template, or the organisation's version of one")
async def create_template(body: TemplateIn) -> TemplateOut:
    values = body.model_dump()
    check_texts(values["texts"], body.variables)
    return TemplateOut.model_validate(await templates.add(Template(**values)))


@templates_router.patch("/{template_id}", require=TEMPLATE_WRITE, summary="Change a template")
async def change_template(template_id: UUID, body: TemplateChange, version: ExpectedVersion) -> TemplateOut:
    row = await templates.get(template_id, version=version, lock=True)
    given = body.given()
    check_texts(given.get("texts", row.texts), given.get("variables", row.variables))
    return TemplateOut.model_validate(await templates.change(row, given))


@templates_router.delete("/{template_id}", require=TEMPLATE_WRITE, summary="Delete a template")
async def delete_template(template_id: UUID, version: ExpectedVersion) -> None:
    await templates.delete(await templates.get(template_id, version=version, lock=True))


@messages_router.get(require=MESSAGE_READ, summary="List messages")
async def list_messages(query: Annotated[ListQuery, Query()]) -> Page[MessageOut]:
    return await messages.page(query, into=MessageOut)


@messages_router.get("/{message_id}", require=MESSAGE_READ, summary="One message with its deliveries")
async def get_message(message_id: UUID) -> MessageDetail:
    return await _detail(message_id)


@messages_router.post(require=MESSAGE_SEND, status=202, summary="Send a message")
async def send_message(body: MessageIn) -> MessageDetail:
    """Accepts the message; durable functions deliver it after this answer."""
    message = await messaging.send(Notification(**body.model_dump()))
    return await _detail(message.id)


async def _detail(message_id: UUID) -> MessageDetail:
    message = MessageOut.model_validate(await messages.get(message_id))
    query = ListQuery(limit=200, sort="created_at")
    found: list[DeliveryOut] = []
    while len(found) < 1000:
        page = await deliveries.page(query, col(Delivery.message_id) == message_id, into=DeliveryOut)
        found += page.items
        if page.next is None:
            break
        query = query.model_copy(update={"cursor": page.next})
    return MessageDetail(**message.model_dump(), deliveries=found)


@deliveries_router.get(require=MESSAGE_READ, summary="List deliveries")
async def list_deliveries(query: Annotated[ListQuery, Query()]) -> Page[DeliveryOut]:
    return await deliveries.page(query, into=DeliveryOut)


@deliveries_router.get("/{delivery_id}", require=MESSAGE_READ, summary="One delivery")
async def get_delivery(delivery_id: UUID) -> DeliveryOut:
    return DeliveryOut.model_validate(await deliveries.get(delivery_id))


@deliveries_router.post("/{delivery_id}/retry", require=MESSAGE_SEND, status=202, summary="Try a delivery again")
async def retry_delivery(delivery_id: UUID) -> DeliveryOut:
    return DeliveryOut.model_validate(await messaging.retry(delivery_id))


@deliveries_router.post("/{delivery_id}/cancel", require=MESSAGE_SEND, status=200, summary="Cancel a queued delivery")
async def cancel_delivery(delivery_id: UUID) -> DeliveryOut:
    return DeliveryOut.model_validate(await messaging.cancel(delivery_id))
