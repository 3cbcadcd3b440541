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
    )
