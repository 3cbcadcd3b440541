"""Access to the rows of sending."""

from riveredge_messaging.delivery.models import (
    ConfigHealth,
    DeliveryAttempt,
    LinkKey,
    MessageConfig,
    ProviderNotice,
    RateBucket,
    Suppression,
)
from riveredge_sdk import FilterField, Repository


class Configs(Repository[MessageConfig]):
    """Configurations of providers."""

    model = MessageConfig
    fields = (
        FilterField("title", "text", MessageConfig.title),
        FilterField("provider", "text", MessageConfig.provider),
        FilterField("channel", "text", MessageConfig.channel),
        FilterField("active", "boolean", MessageConfig.active),
        FilterField("priority", "integer", MessageConfig.priority),
    )
    default_sort = "channel,priority"


class Healths(Repository[ConfigHealth]):
    """How configurations do."""

    model = ConfigHealth


class Attempts(Repository[DeliveryAttempt]):
    """Attempts."""

    model = DeliveryAttempt
    fields = (
        FilterField("delivery_id", "uuid", DeliveryAttempt.delivery_id),
        FilterField("number", "integer", DeliveryAttempt.number),
        FilterField("config", "text", DeliveryAttempt.config),
        FilterField("provider", "text", DeliveryAttempt.provider),
        FilterField("state", "text", DeliveryAttempt.state),
    )


class RateBuckets(Repository[RateBucket]):
    """Rates."""

    model = RateBucket


class Suppressions(Repository[Suppression]):
    """Suppressed addresses."""

    model = Suppression
    fields = (
        FilterField("channel", "text", Suppression.channel),
        FilterField("hint", "text", Suppression.hint),
        FilterField("reason", "text", Suppression.reason),
        FilterField("digest", "text", Suppression.digest),
    )


class Notices(Repository[ProviderNotice]):
    """What providers told."""

    model = ProviderNotice
    fields = (
        FilterField("config", "text", ProviderNotice.config),
        FilterField("kind", "text", ProviderNotice.kind),
        FilterField("delivery_id", "uuid", ProviderNotice.delivery_id),
        FilterField("at", "datetime", ProviderNotice.at),
    )


class LinkKeys(Repository[LinkKey]):
    """Keys of links."""

    model = LinkKey
