"""A message channel of its own: a log line."""

from uuid import UUID

import structlog

from riveredge_sdk.features.message_categories import DigestRule, MessageCategory
from riveredge_sdk.features.messaging import (
    DeliveringChannel,
    DeliveryResult,
    MessageTemplateSpec,
    RenderedMessage,
    TemplateText,
)

log = structlog.get_logger(__name__)

REMINDERS = MessageCategory(
    id="example.reminders",
    title="Reminders of notes",
    digest=DigestRule(window_s=300, leading=True),
)

REMINDER = MessageTemplateSpec(
    id="example.reminder",
    title="Reminder of a note",
    variables={
        "type": "object",
        "properties": {"greeting": {"type": "string"}, "title": {"type": "string"}},
        "required": ["greeting", "title"],
    },
    texts={
        "en": TemplateText(subject="Remember: {{ title }}", text="{{ greeting }}, remember {{ title }}."),
        "zh-CN": TemplateText(subject="提醒:{{ title }}", text="{{ greeting }},请记得 {{ title }}。"),
    },
)


class LogChannel(DeliveringChannel):
    """Writes messages into the log."""

    id = "example.log"
    title = "Log"
    description = "A line in the log of the platform."

    async def address_of(self, user_id: UUID) -> str | None:
        return f"log:{user_id}"

    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        log.info("message", subject=message.subject)
        return DeliveryResult("delivered", reference=str(message.delivery_id))
