"""Access to the plugin's rows."""

from riveredge_messaging.models import Delivery, Message
from riveredge_sdk import FilterField, Repository


class Messages(Repository[Message]):
    """Messages."""

    model = Message
    fields = (
        FilterField("template", "text", Message.template),
        FilterField("sender_id", "uuid", Message.sender_id),
        FilterField("correlation", "text", Message.correlation),
        FilterField("category", "text", Message.category),
        FilterField("kind", "text", Message.kind),
        FilterField("idempotency_key", "text", Message.idempotency_key),
        FilterField("send_at", "datetime", Message.send_at),
        FilterField("cancelled_at", "datetime", Message.cancelled_at),
        FilterField("paused_at", "datetime", Message.paused_at),
    )


class Deliveries(Repository[Delivery]):
    """Deliveries."""

    model = Delivery
    fields = (
        FilterField("message_id", "uuid", Delivery.message_id),
        FilterField("recipient_id", "uuid", Delivery.recipient_id),
        FilterField("channel", "text", Delivery.channel),
        FilterField("status", "text", Delivery.status),
        FilterField("attempts", "integer", Delivery.attempts),
        FilterField("via", "text", Delivery.via),
        FilterField("held_by", "text", Delivery.held_by),
        FilterField("reason", "text", Delivery.reason),
        FilterField("due_at", "datetime", Delivery.due_at),
        FilterField("ended_at", "datetime", Delivery.ended_at),
    )
