"""Of the rules that decide what is sent, when, and to whom."""

TEXTS: dict[str, tuple[str, str]] = {
    # Of the whole message.
    "accepted": ("The message was accepted.", "消息已受理。"),
    "scheduled": ("It goes out at {at}.", "将于 {at} 发送。"),
    "paused": ("Somebody paused it.", "已被暂停。"),
    "resumed": ("Somebody let it go on.", "已被恢复。"),
    "cancelled": ("Somebody cancelled it.", "已被取消。"),
    "retried": ("Somebody asked to try again.", "已要求重试。"),
    "retried_many": (
        "Somebody asked to try again what had failed: {deliveries} deliveries.",
        "已要求重试失败的 {deliveries} 条投递。",
    ),
    "digest_of": ("It is a digest of {count} messages.", "这是 {count} 条消息的摘要。"),
    # The answer to why.
    "why_some": (
        "These are the person's messages that match, and what became of each.",
        "以下是此人符合条件的消息及其处理结果。",
    ),
    "why_none": (
        "No message was for this person: none that matches was sent, or has gone out yet, or they were not meant.",
        "没有发给此人的消息：没有符合条件的消息、消息尚未发出，或此人不在收件人之列。",
    ),
    "got_it": ("It was handed over: {status}.", "已送出：{status}。"),
    "did_not_arrive": ("It could not be delivered: {error}", "未能送达：{error}"),
    "on_its_way": ("It is on its way.", "正在发送中。"),
    # What lets a delivery through.
    "all_clear": ("No rule stood in the way: it was handed on at once.", "没有规则阻止，已立即进入发送。"),
    "waited": (
        "It has waited for the rule {rule}, and all rules were asked again.",
        "因规则 {rule} 等待后已重新检查。",
    ),
    "test": ("It is a test, past the rules.", "这是测试消息，不受规则限制。"),
    "default_on": ("Nobody has chosen otherwise.", "未另行选择，默认接收。"),
    "chosen_both": ("The person wants this category on this channel.", "本人选择在此渠道接收此类消息。"),
    "chosen_category": ("The person wants this category.", "本人选择接收此类消息。"),
    "chosen_channel": ("The person wants messages on this channel.", "本人选择在此渠道接收消息。"),
    "chosen_all": ("The person wants messages.", "本人选择接收消息。"),
    "policy_mandatory": (
        "The organisation requires this category, so nobody can switch it off.",
        "组织要求接收此类消息，不可关闭。",
    ),
    "kind_transactional": (
        "It is about something the person does or has to do, so it cannot be switched off.",
        "与本人办理的事项有关，不可关闭。",
    ),
    "kind_critical": (
        "It is critical, so it can neither be switched off nor wait.",
        "属于紧急消息，不可关闭也不会延迟。",
    ),
    "awake": ("No quiet hours hold it.", "不在免打扰时段。"),
    "inbox_always": ("The inbox disturbs nobody, so quiet hours do not matter.", "站内信不受免打扰时段限制。"),
    "quiet_bypassed": ("Critical messages do not mind quiet hours.", "紧急消息不受免打扰时段限制。"),
    "in_rate": ("The person has not had too many.", "未超过接收频率上限。"),
    # What holds it.
    "quiet": ("Quiet hours until {until} ({zone}).", "免打扰时段，至 {until}（{zone}）。"),
    "digest": ("It is gathered into a digest until {until}.", "汇入摘要，至 {until}。"),
    "throttle": (
        "The person has had {messages} messages in {seconds} s; it waits until {until}.",
        "{seconds} 秒内已收到 {messages} 条消息，等待至 {until}。",
    ),
    "escalation": (
        "It waits {minutes} minutes to see whether the message is read in the inbox.",
        "等待 {minutes} 分钟，查看站内信是否已读。",
    ),
    "by_rule": (
        "The notification rule “{title}” has sent it, because of {event}.",
        "由通知规则“{title}”因 {event} 发送。",
    ),
    # What stops it.
    "no_member": ("The person is no active member any more.", "此人已不是有效成员。"),
    "no_channel": ("The channel {channel} is not there any more.", "渠道 {channel} 已不存在。"),
    "no_address": ("The person has no address on this channel.", "此人在该渠道没有地址。"),
    "suppressed": ("The address is on the list of suppressed ones.", "该地址在屏蔽名单中。"),
    "refused_both": ("The person does not want {category} on this channel.", "本人不愿在此渠道接收“{category}”。"),
    "refused_category": ("The person does not want {category}.", "本人不愿接收“{category}”。"),
    "refused_channel": ("The person does not want messages on this channel.", "本人不愿在此渠道接收消息。"),
    "refused_all": ("The person wants no messages that may be switched off.", "本人不愿接收可关闭的消息。"),
    "policy_forbidden": (
        "The organisation does not allow {category} on this channel.",
        "组织不允许在此渠道发送“{category}”。",
    ),
    "policy_off": (
        "The organisation has switched {category} off here, and the person has not switched it on.",
        "组织默认关闭“{category}”，本人未开启。",
    ),
    "expired": ("It was to be sent until {at}, and that is over.", "有效期至 {at}，已过期。"),
    "expires_in_quiet": (
        "Quiet hours last until {until} ({zone}), and it expires before.",
        "免打扰时段至 {until}（{zone}），消息在此之前过期。",
    ),
    "read_already": ("The person has read it in the inbox meanwhile.", "本人已在站内信中阅读。"),
    "digested": ("It went into a digest with {count} messages.", "已汇入包含 {count} 条消息的摘要。"),
}
