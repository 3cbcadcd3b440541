"""Access to notification rules and what they did."""

from riveredge_messaging.triggers.models import NotificationRule, RuleFiring
from riveredge_sdk import FilterField, Repository


class NotificationRules(Repository[NotificationRule]):
    """Rules."""

    model = NotificationRule
    fields = (
        FilterField("title", "text", NotificationRule.title),
        FilterField("event", "text", NotificationRule.event),
        FilterField("template", "text", NotificationRule.template),
        FilterField("enabled", "boolean", NotificationRule.enabled),
    )
    default_sort = "title"


class RuleFirings(Repository[RuleFiring]):
    """What they did, newest first."""

    model = RuleFiring
    fields = (
        FilterField("state", "text", RuleFiring.state),
        FilterField("subject", "text", RuleFiring.subject),
        FilterField("due_at", "datetime", RuleFiring.due_at),
        FilterField("created_at", "datetime", RuleFiring.created_at),
    )
    default_sort = "-created_at"
