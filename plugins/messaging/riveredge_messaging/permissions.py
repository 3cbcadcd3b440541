"""What people may be allowed to do with messages."""

from riveredge_sdk import Permission, Role, current_principal

TEMPLATE_READ = "messaging.template.read"
TEMPLATE_WRITE = "messaging.template.write"
MESSAGE_READ = "messaging.message.read"
MESSAGE_SEND = "messaging.message.send"
MESSAGE_BROADCAST = "messaging.message.broadcast"
INBOX_USE = "messaging.inbox.use"
INBOX_MANAGE = "messaging.inbox.manage"
POLICY_READ = "messaging.policy.read"
POLICY_WRITE = "messaging.policy.write"
TOPIC_READ = "messaging.topic.read"
TOPIC_WRITE = "messaging.topic.write"
RULE_READ = "messaging.rule.read"
RULE_WRITE = "messaging.rule.write"
CONFIG_READ = "messaging.config.read"
CONFIG_WRITE = "messaging.config.write"
SUPPRESSION_READ = "messaging.suppression.read"
SUPPRESSION_WRITE = "messaging.suppression.write"

PERMISSIONS = (
    Permission(TEMPLATE_READ, "See message templates"),
    Permission(TEMPLATE_WRITE, "Write message templates"),
    Permission(MESSAGE_READ, "See messages and their deliveries"),
    Permission(MESSAGE_SEND, "Send messages, and retry or cancel deliveries"),
    Permission(MESSAGE_BROADCAST, "Send messages to everybody, and pause messages and let them go on"),
    Permission(INBOX_USE, "Read one's own inbox, and choose what one gets"),
    Permission(POLICY_READ, "See categories, the organisation's rules and people's preferences"),
    Permission(POLICY_WRITE, "Write categories and the organisation's rules"),
    Permission(TOPIC_READ, "See topics and who follows them, and follow them"),
    Permission(TOPIC_WRITE, "Write topics, and let others follow them"),
    Permission(RULE_READ, "See the rules by which messages are sent by themselves, and what they did"),
    Permission(RULE_WRITE, "Write rules by which messages are sent by themselves, and try them"),
    Permission(INBOX_MANAGE, "Divide everybody's inbox into tabs"),
    Permission(CONFIG_READ, "See how messages are sent: providers, their configurations and how they do"),
    Permission(CONFIG_WRITE, "Configure providers, test them and take them out of use"),
    Permission(SUPPRESSION_READ, "See which addresses get nothing"),
    Permission(SUPPRESSION_WRITE, "Suppress addresses, and let them get messages again"),
)

ROLES = (
    Role(
        "messaging.manager",
        "Manager of messages",
        frozenset(
            {
                INBOX_USE,
                MESSAGE_READ,
                MESSAGE_SEND,
                MESSAGE_BROADCAST,
                POLICY_READ,
                POLICY_WRITE,
                RULE_READ,
                RULE_WRITE,
                TEMPLATE_READ,
                TOPIC_READ,
                TOPIC_WRITE,
            }
        ),
    ),
    Role(
        "messaging.operator",
        "Operator of messaging",
        frozenset(
            {
                INBOX_USE,
                MESSAGE_READ,
                MESSAGE_SEND,
                MESSAGE_BROADCAST,
                CONFIG_READ,
                CONFIG_WRITE,
                SUPPRESSION_READ,
                SUPPRESSION_WRITE,
            }
        ),
    ),
    Role("messaging.reader", "Inbox", frozenset({INBOX_USE})),
    Role(
        "messaging.sender",
        "Sender of messages",
        frozenset({INBOX_USE, MESSAGE_READ, MESSAGE_SEND, POLICY_READ, TEMPLATE_READ, TOPIC_READ}),
    ),
    Role(
        "messaging.editor",
        "Editor of templates",
        frozenset({INBOX_USE, INBOX_MANAGE, MESSAGE_READ, TEMPLATE_READ, TEMPLATE_WRITE}),
    ),
)


def check_reach(*, everyone: bool) -> None:
    """See that whoever acts may write to as many.

    Raises:
        Forbidden: it is for everybody, and they may not.
    """
    if everyone:
        current_principal().require(MESSAGE_BROADCAST)
