"""The mails about accounts, in English and Chinese."""

from collections.abc import Mapping

from riveredge_sdk.features.messaging import MessageTemplateSpec, TemplateText

_LINK = {"type": "string", "description": "Where the button leads; good once."}
_HOURS = {"type": "integer", "description": "How long the link is good, in hours."}


def _template(
    key: str, title: str, variables: Mapping[str, object], texts: Mapping[str, tuple[str, str]]
) -> MessageTemplateSpec:
    return MessageTemplateSpec(
        id=f"kernel.{key}",
        title=title,
        description="About an account: sent by the installation's own mail server, in these words.",
        variables={"type": "object", "properties": dict(variables), "required": sorted(variables)},
        texts={tag: TemplateText(subject=subject, text=text) for tag, (subject, text) in texts.items()},
    )


INVITATION = _template(
    "invitation",
    "Invitation",
    {"link": _LINK, "days": {"type": "integer"}, "tenant": {"type": "string"}, "inviter": {"type": "string"}},
    {
        "en": (
            "You are invited to {{ tenant }}",
            (
                "Hello,\n\n{{ inviter }} invites you to join {{ tenant }}. To accept, open:\n\n{{ link }}\n\n"
                "The link is good once, for {{ days }} days. If you did not expect it, ignore this mail.\n"
            ),
        ),
        "zh-CN": (
            "邀请您加入 {{ tenant }}",
            (
                "您好:\n\n{{ inviter }} 邀请您加入 {{ tenant }}。请打开以下链接接受邀请:\n\n{{ link }}\n\n"
                "链接仅可使用一次,{{ days }} 天内有效。如果您未预期收到此邮件,请忽略。\n"
            ),
        ),
    },
)

RESET_PASSWORD = _template(
    "reset_password",
    "New password",
    {"link": _LINK, "hours": _HOURS},
    {
        "en": (
            "Choose a new password",
            (
                "Hello,\n\nsomebody, hopefully you, asked for a new password for your account. To choose one, open:\n\n"
                "{{ link }}\n\nThe link is good once, for {{ hours }} h. If it was not you, ignore this mail: "
                "nothing has changed.\n"
            ),
        ),
        "zh-CN": (
            "设置新密码",
            (
                "您好:\n\n有人(希望是您本人)请求为您的帐户设置新密码。请打开以下链接:\n\n{{ link }}\n\n"
                "链接仅可使用一次,{{ hours }} 小时内有效。如果不是您本人操作,请忽略此邮件:一切保持不变。\n"
            ),
        ),
    },
)

VERIFY_EMAIL = _template(
    "verify_email",
    "Confirm an e-mail address",
    {"link": _LINK, "hours": _HOURS},
    {
        "en": (
            "Confirm your e-mail address",
            (
                "Hello,\n\nto confirm that this address is yours, open:\n\n{{ link }}\n\nThe link is good once, for "
                "{{ hours }} h. If you know nothing of it, ignore this mail.\n"
            ),
        ),
        "zh-CN": (
            "确认您的电子邮件地址",
            (
                "您好:\n\n请打开以下链接确认此地址属于您:\n\n{{ link }}\n\n"
                "链接仅可使用一次,{{ hours }} 小时内有效。如果您不知情,请忽略此邮件。\n"
            ),
        ),
    },
)

CHANGED = _template(
    "account_changed",
    "Something about an account's safety has changed",
    {
        "what": {"type": "string", "description": "password, email, second_factor_on or second_factor_off"},
        "link": {"type": "string", "description": "Where one asks for a new password."},
    },
    {
        "en": (
            (
                "Your account: "
                "{% if what == 'password' %}the password was changed"
                "{% elif what == 'email' %}the e-mail address was changed"
                "{% elif what == 'second_factor_on' %}the second factor was switched on"
                "{% else %}the second factor was switched off{% endif %}"
            ),
            (
                "Hello,\n\n"
                "{% if what == 'password' %}your password was changed, and you were signed out elsewhere."
                "{% elif what == 'email' %}your account has another e-mail address now."
                "{% elif what == 'second_factor_on' %}signing in to your account asks for a code now."
                "{% else %}signing in to your account asks for no code any more.{% endif %}"
                "\n\nIf it was not you, ask for a new password at once and tell your administrator:\n\n{{ link }}\n"
            ),
        ),
        "zh-CN": (
            (
                "您的帐户:"
                "{% if what == 'password' %}密码已更改"
                "{% elif what == 'email' %}电子邮件地址已更改"
                "{% elif what == 'second_factor_on' %}已启用两步验证"
                "{% else %}已停用两步验证{% endif %}"
            ),
            (
                "您好:\n\n"
                "{% if what == 'password' %}您的帐户密码已更改,其他设备均已退出登录。"
                "{% elif what == 'email' %}您的帐户已改用其他电子邮件地址。"
                "{% elif what == 'second_factor_on' %}登录您的帐户现在需要验证码。"
                "{% else %}登录您的帐户不再需要验证码。{% endif %}"
                "\n\n如果不是您本人操作,请立即申请新密码并告知管理员:\n\n{{ link }}\n"
            ),
        ),
    },
)

TEMPLATES = (INVITATION, RESET_PASSWORD, VERIFY_EMAIL, CHANGED)
