"""Settings of messages: of the installation, and each tenant's own."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from riveredge_sdk import PluginSettings, TenantSettings, plugin_settings
from riveredge_sdk.files import PROGRAMS

Tls = Literal["tls", "starttls", "none"]
# Soft bounces are counted over thirty days.
MIN_HISTORY_DAYS = 31


class SmtpSettings(BaseModel):
    """A mail server. `tls` speaks TLS from the start (port 465), `starttls` switches to it (port 587)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Tls = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: str = "RiverEdge <no-reply@localhost>"


class WebPushSettings(BaseModel):
    """What push services of browsers are told about the installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    private_key: SecretStr | None = Field(
        default=None,
        description="A private key on the curve P-256, in PEM. None: one is made, and kept in the database.",
    )
    subject: str | None = Field(
        default=None, description="Where the operator is reached: mailto:… or https://…; none: the platform's address."
    )


class MessagingSettings(PluginSettings):
    """The installation's defaults, from RIVEREDGE_MESSAGING__…"""

    model_config = plugin_settings("messaging")

    smtp: SmtpSettings = SmtpSettings()
    web_push: WebPushSettings = WebPushSettings()
    tenant_per_minute: int | None = Field(
        default=None, ge=1, description="Messages a minute that one organisation may hand to providers; none: no limit."
    )
    send_seconds: float = Field(default=60, gt=0, le=600, description="How long a provider may take for one message.")
    max_attachment_bytes: int = Field(default=10_000_000, ge=0, description="Of all files of one message together.")
    history_days: int = Field(
        default=90,
        ge=MIN_HISTORY_DAYS,
        description="How long decisions, attempts and providers' reports of ended deliveries are kept.",
    )
    message_days: int | None = Field(
        default=None,
        ge=MIN_HISTORY_DAYS,
        description="How long messages are kept, with all that belongs to them, also in inboxes; none: for ever.",
    )
    refused_suffixes: frozenset[str] = Field(
        default=PROGRAMS,
        description="How names of files end that are not attached: programs and scripts, which mail servers refuse.",
    )
    allow_private_smtp: bool = Field(
        default=False,
        description="Let tenants name mail servers at private addresses. Not where strangers are tenants.",
    )


class MessagingTenantSettings(TenantSettings):
    """A tenant's own mail server (without a host the installation's is used), and how its messages look."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"smtp_host", "smtp_port", "smtp_tls"})

    smtp_host: Annotated[
        str | None, Field(title="Mail server", description="Host name. Empty: the installation's own.", max_length=253)
    ] = None
    smtp_port: Annotated[int, Field(title="Port", ge=1, le=65535)] = 587
    smtp_tls: Annotated[
        Tls, Field(title="Encryption", description="tls: from the start (465); starttls: switch to it (587).")
    ] = "starttls"
    smtp_username: Annotated[str | None, Field(title="User name", max_length=320)] = None
    smtp_password: Annotated[SecretStr | None, Field(title="Password")] = None
    sender: Annotated[
        str | None, Field(title="Sender", description="For example: Acme <no-reply@acme.example>.", max_length=320)
    ] = None
    brand_name: Annotated[str, Field(title="Brand", description="Templates say {{ brand.name }}.", max_length=200)] = ""
    brand_url: Annotated[
        str, Field(title="Web site", pattern=r"^(https?://\S+)?$", description="{{ brand.url }}.", max_length=500)
    ] = ""
    brand_logo_url: Annotated[
        str, Field(title="Logo", pattern=r"^(https://\S+)?$", description="{{ brand.logo_url }}.", max_length=500)
    ] = ""
    brand_color: Annotated[
        str, Field(title="Colour", pattern=r"^(#[0-9a-fA-F]{6})?$", description="{{ brand.color }}, as #1a73e8.")
    ] = ""
    brand_footer: Annotated[
        str, Field(title="Footer", description="{{ brand.footer }}: the address of the firm, say.", max_length=1000)
    ] = ""
    quiet_from: Annotated[
        str,
        Field(
            title="Quiet from",
            pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$",
            description="When nothing is to disturb people, for example 22:00, each in their own zone. Empty: never.",
        ),
    ] = ""
    quiet_until: Annotated[
        str, Field(title="Quiet until", pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$", description="For example 07:30.")
    ] = ""
    quiet_days: Annotated[
        list[Annotated[int, Field(ge=1, le=7)]],
        Field(
            title="Quiet on",
            description="Days on which it begins; 1 is Monday.",
            max_length=7,
            default_factory=lambda: [1, 2, 3, 4, 5, 6, 7],
        ),
    ]
    quiet_spread_s: Annotated[
        int,
        Field(title="Spread", ge=0, le=3600, description="Seconds over which held messages go out when it is over."),
    ] = 300
    cheapest_channels: Annotated[
        list[Annotated[str, Field(max_length=100)]],
        Field(
            title="Cheapest provider on",
            description="Channels, as messaging.sms, on which the cheapest provider that works is taken. On the others "
            "it is the first by priority.",
            max_length=50,
            default_factory=list,
        ),
    ]
    layout: Annotated[
        str | None, Field(title="Layout", description="The key of the layout of mails that name none.", max_length=60)
    ] = None
    history_days: Annotated[
        int | None,
        Field(
            title="Keep history",
            ge=MIN_HISTORY_DAYS,
            le=3650,
            description="Days for which it is kept why and how messages went. Empty: as the installation says.",
        ),
    ] = None
    message_days: Annotated[
        int | None,
        Field(
            title="Keep messages",
            ge=MIN_HISTORY_DAYS,
            le=3650,
            description="Days after which messages are deleted, also from inboxes. Empty: as the installation says.",
        ),
    ] = None
