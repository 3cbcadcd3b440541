"""The templates this plugin brings."""

from riveredge_sdk.features.messaging import MessageTemplateSpec, TemplateText

WELCOME = MessageTemplateSpec(
    id="messaging.welcome",
    title="Welcome",
    description="Greets somebody, and shows that messages arrive.",
    variables={
        "type": "object",
        "properties": {"product": {"type": "string", "description": "What they are welcomed to."}},
        "required": ["product"],
    },
    texts={
        "en": TemplateText(
            subject="Welcome to {{ product }}",
            text="Hello,\n\nwelcome to {{ product }}. This message came from a durable function.\n",
            html="<p>Hello,</p><p>welcome to <strong>{{ product }}</strong>. "
            "This message came from a durable function.</p>",
        ),
        "zh-CN": TemplateText(
            subject="欢迎使用 {{ product }}",
            text="您好:\n\n欢迎使用 {{ product }}。这条消息由持久化函数发送。\n",
            html="<p>您好:</p><p>欢迎使用 <strong>{{ product }}</strong>。这条消息由持久化函数发送。</p>",
        ),
    },
)

DIGEST = MessageTemplateSpec(
    id="messaging.digest",
    title="Digest",
    description="Several messages in one. A category may name a template of its own instead.",
    variables={
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "items": {
                "type": "array",
                "description": "Of each message: subject, text (its beginning), link, at (an instant), data.",
                "items": {"type": "object"},
            },
        },
        "required": ["count", "items"],
    },
    sample={"count": 2, "items": [{"subject": "The first", "text": "…"}, {"subject": "The second", "text": "…"}]},
    texts={
        "en": TemplateText(
            subject="{{ count }} messages",
            text="{% for item in items %}- {{ item.subject }}\n{% endfor %}",
            html="<ul>{% for item in items %}<li>{{ item.subject }}</li>{% endfor %}</ul>",
        ),
        "zh-CN": TemplateText(
            subject="{{ count }} 条消息",
            text="{% for item in items %}- {{ item.subject }}\n{% endfor %}",
            html="<ul>{% for item in items %}<li>{{ item.subject }}</li>{% endfor %}</ul>",
        ),
    },
)

CONFIG_TEST = MessageTemplateSpec(
    id="messaging.config_test",
    title="Test of a provider",
    description="Sent to whoever tests a configuration.",
    variables={"type": "object", "properties": {"config": {"type": "string"}}, "required": ["config"]},
    texts={
        "en": TemplateText(
            subject="Test of {{ config }}",
            text="This message went through {{ config }}. If you can read it, the configuration works.\n",
        ),
        "zh-CN": TemplateText(
            subject="{{ config }} 测试",
            text="这条消息通过 {{ config }} 发送。能看到它,说明配置正常。\n",
        ),
    },
)

CONFIG_FAILED_NOTICE = MessageTemplateSpec(
    id="messaging.config_failed",
    title="A provider's configuration failed",
    description="Tells whoever keeps a configuration that it was taken out of use.",
    variables={
        "type": "object",
        "properties": {"config": {"type": "string"}, "fault": {"type": "string"}},
        "required": ["config", "fault"],
    },
    texts={
        "en": TemplateText(
            subject="{{ config }} was taken out of use",
            text="Messages do not go through {{ config }} any more, until its settings are mended: {{ fault }}\n",
        ),
        "zh-CN": TemplateText(
            subject="{{ config }} 已停用",
            text="在修正设置之前,消息不再通过 {{ config }} 发送:{{ fault }}\n",
        ),
    },
)

TEMPLATES = (WELCOME, DIGEST, CONFIG_TEST, CONFIG_FAILED_NOTICE)
