"""Of the rules that decide what is sent, when, and to whom."""

TEXTS: dict[str, tuple[str, str]] = {
    "accepted": ("The message was accepted.", "消息已受理。"),
    "cancelled": ("Somebody cancelled it.", "已被取消。"),
}
