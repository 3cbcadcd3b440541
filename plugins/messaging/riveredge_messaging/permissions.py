"""What people may be allowed to do with messages."""

from riveredge_sdk import Permission, Role

TEMPLATE_READ = "messaging.template.read"
TEMPLATE_WRITE = "messaging.template.write"
MESSAGE_READ = "messaging.message.read"
MESSAGE_SEND = "messaging.message.send"
INBOX_USE = "messaging.inbox.use"
INBOX_MANAGE = "messaging.inbox.manage"

PERMISSIONS = (
    Permission(TEMPLATE_READ, "See message templates"),
    Permission(TEMPLATE_WRITE, "Write message templates"),
    Permission(MESSAGE_READ, "See messages and their deliveries"),
    Permission(MESSAGE_SEND, "Send messages, and retry or cancel deliveries"),
    Permission(INBOX_USE, "Read one's own inbox"),
    Permission(INBOX_MANAGE, "Divide everybody's inbox into tabs"),
)

ROLES = (
    Role("messaging.reader", "Inbox", frozenset({INBOX_USE})),
    Role(
        "messaging.sender",
        "Sender of messages",
        frozenset({INBOX_USE, MESSAGE_READ, MESSAGE_SEND, TEMPLATE_READ}),
    ),
    Role(
        "messaging.editor",
        "Editor of templates",
        frozenset({INBOX_USE, INBOX_MANAGE, MESSAGE_READ, TEMPLATE_READ, TEMPLATE_WRITE}),
    ),
)
