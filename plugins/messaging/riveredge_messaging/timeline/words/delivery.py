"""Of handing messages over to providers."""

TEXTS: dict[str, tuple[str, str]] = {
    "channel_gone": ("The channel is not there any more.", "该渠道已不存在。"),
    "template_gone": ("The template is not there any more.", "该模板已不存在。"),
    "files_left_out": ("The attachments do not go out on {channels}.", "附件不随以下渠道发送:{channels}。"),
    "failed_render": ("The template does not fit the data: {error}", "模板与数据不符:{error}"),
    "suppressed": ("The address bounced or complained before, or was blocked.", "该地址曾退信、投诉或已被屏蔽。"),
    "no_config": ("Nothing is configured for the channel.", "该渠道尚未配置。"),
    "no_config_fits": ("No configuration is meant for such a message.", "没有适用于此消息的配置。"),
    "config_broken": ("The configuration cannot be used: {error}", "配置无法使用:{error}"),
    "config_fault": ("The configuration is not right: {error}", "配置有误:{error}"),
    "all_resting": ("No provider can be used now; it is tried again.", "目前没有可用的服务商,稍后重试。"),
    "routed_first": ("{config} comes first by priority.", "{config} 按优先级排在首位。"),
    "routed_first_left": (
        "{config} is the next by priority, after {before}.",
        "{config} 按优先级次之,前面有:{before}。",
    ),
    "routed_cheapest": ("{config} is the cheapest: {cost} a message.", "{config} 最便宜:每条 {cost}。"),
    "routed_cheapest_left": (
        "{config} is the cheapest that is left ({cost} a message), after {before}.",
        "{config} 是其余中最便宜的(每条 {cost}),前面有:{before}。",
    ),
    "failed_over": (
        "{config} could not take it ({error}); another provider follows.",
        "{config} 未能受理({error}),改用其他服务商。",
    ),
    "tried_again": (
        "{config} could not take it now ({error}); it is tried again.",
        "{config} 暂时未能受理({error}),稍后重试。",
    ),
    "unknown_again": (
        "Nobody knows whether it was sent; it is sent again, so it may come twice.",
        "无法确定是否已发送,将再次发送,可能重复收到。",
    ),
    "unknown_held": (
        "Nobody knows whether it was sent; it is not repeated by itself.",
        "无法确定是否已发送,不会自动重发。",
    ),
    "unknown_expired": (
        "Nobody knows whether it was sent, and it expired before it could be sent again.",
        "无法确定是否已发送,且在再次发送之前已过期。",
    ),
    "expires_waiting": (
        "It cannot go out before {until}, and it was to be sent until {at}.",
        "最早可于 {until} 发送,而有效期至 {at}。",
    ),
    "refused": ("It was refused: {error}", "被拒绝:{error}"),
    "gave_up": ("It was tried often enough: {error}", "多次尝试后放弃:{error}"),
    "delivered": ("The provider says that it has arrived.", "服务商确认已送达。"),
    "opened": ("The provider says that it was opened.", "服务商确认已打开。"),
    "bounced": ("It came back: {detail}", "被退回:{detail}"),
    "soft_bounced": ("It could not be delivered: {detail}", "未能投递:{detail}"),
    "failed": ("The provider could not deliver it: {detail}", "服务商未能投递:{detail}"),
    "complained": ("The reader has complained about it.", "收件人已投诉。"),
    "unsubscribed": ("The reader has ended mails of this kind by a link.", "收件人已通过链接退订此类邮件。"),
}
