"""The settings of a mail server."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from riveredge_messaging.providers.addresses import mail_address
from riveredge_sdk.features.messaging import ProviderConfig

Tls = Literal["tls", "starttls", "none"]
# Where mail is submitted (RFC 8314, RFC 6409) or relayed (RFC 5321); tenants reach no other port of a host.
TENANT_PORTS = frozenset({25, 465, 587, 2525})
# With the mark of a delivery and a plus, a name has 64 characters at most (RFC 5321 §4.5.3.1.1).
MAX_BOUNCE_NAME = 21


class SmtpConfig(ProviderConfig):
    """A mail server."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"host", "port", "tls", "ca_certificate"})

    host: Annotated[str, Field(title="Mail server", description="Host name.", min_length=1, max_length=253)]
    port: Annotated[int, Field(title="Port", ge=1, le=65535)] = 587
    tls: Annotated[
        Tls, Field(title="Encryption", description="tls: from the start (465); starttls: switch to it (587).")
    ] = "starttls"
    username: Annotated[str | None, Field(title="User name", max_length=320)] = None
    password: Annotated[SecretStr | None, Field(title="Password", max_length=2000)] = None
    sender: Annotated[
        str, Field(title="Sender", description="For example: Acme <no-reply@acme.example>.", max_length=320)
    ]
    reply_to: Annotated[
        str | None, Field(title="Answers to", description="Where answers go; empty: to the sender.", max_length=320)
    ] = None
    bounce_address: Annotated[
        str | None,
        Field(
            title="Address for bounces",
            description="Servers report there what they could not deliver. Each mail gets a variant of its own: "
            "bounces+…@acme.example. Empty: the sender.",
            max_length=254,
        ),
    ] = None
    inbound_secret: Annotated[
        SecretStr | None,
        Field(title="Secret for reports", description="Signs reports that are handed to the call-back address."),
    ] = None
    connections: Annotated[
        int, Field(title="Connections", description="At the same time, of each process.", ge=1, le=50)
    ] = 10
    ca_certificate: Annotated[
        str | None,
        Field(title="Certificate authority", description="PEM; empty: those of the system.", max_length=20_000),
    ] = None

    @field_validator("bounce_address")
    @classmethod
    def _has_room(cls, value: str | None) -> str | None:
        if value is not None and len(mail_address(value).username) > MAX_BOUNCE_NAME:
            raise ValueError(f"what stands before the @ has at most {MAX_BOUNCE_NAME} characters here")
        return value

    @field_validator("sender", "reply_to", "bounce_address")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            mail_address(value)
        return value


class InstallationSmtp(SmtpConfig):
    """The installation's own: the operator may name a server at any address."""
