"""Messaging: notify people through the port, add channels and templates through the hooks.

await get_service(NOTIFIER).notify(Notification(template="approvals.task", to=[user_id], data={"title": "…"}))
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from riveredge_sdk.ports import Port

DeliveryOutcome = Literal["accepted", "delivered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A message to people of the current tenant.

    Args:
        template: the id of a template, contributed or the tenant's own.
        to: user ids.
        data: plain JSON values for the template's variables.
        channels: channel ids (`messaging.email`, `messaging.in_app`); empty: every channel the template has a text for.
        idempotency_key: a second notification with the same key is the first one again.
        correlation: what this is about, for example `approvals.task:0199…`; searchable.
    """

    template: str
    to: Sequence[UUID]
    data: Mapping[str, Any] = field(default_factory=dict)
    channels: Sequence[str] = ()
    idempotency_key: str | None = None
    correlation: str | None = None


class Notifier(Protocol):
    """The port's interface."""

    async def notify(self, notification: Notification) -> UUID:
        """Accept a notification inside the running unit of work; it is delivered after the commit.

        Returns:
            The message's id.

        Raises:
            Invalid: unknown template, recipient or channel, or a variable without a value.
        """
        ...


NOTIFIER: Port[Notifier] = Port("messaging.notifier", version=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectMail:
    """A mail with a secret in it, such as a link that resets a password.

    Args:
        template: the id of a contributed template; a tenant's own version of it is not looked at.
        address: where it goes.
        data: plain JSON values for the template's variables.
        locale, timezone: the reader's.
        key: makes its Message-ID, so that a repeated mail can be told by the reader's program.
    """

    template: str
    address: str
    data: Mapping[str, Any]
    locale: str = "en"
    timezone: str = "UTC"
    key: UUID


class Mailer(Protocol):
    """The port's interface.

    A notification is kept, shown to administrators and sent by the tenant's server in the tenant's words; none of that
    is right for a secret of a person's account, which is not the tenant's. A direct mail goes out at once through the
    installation's server, and nothing of it is kept. Call it from a step of a durable function, outside of any
    transaction.
    """

    def is_ready(self) -> bool:
        """Whether the installation has a mail server."""
        ...

    async def send(self, mail: DirectMail) -> None:
        """Hand the mail over.

        Raises:
            TemporaryFailure: try again later.
            PermanentFailure: trying again cannot help.
        """
        ...


MAILER: Port[Mailer] = Port("messaging.mailer", version=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMessage:
    """What a channel delivers. Which of the texts is set depends on the template; `text` always is."""

    delivery_id: UUID
    recipient_id: UUID
    address: str
    subject: str
    text: str
    html: str | None = None
    locale: str = "en"
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The peer took it. `delivered` only if it is known to have arrived; `reference` is the peer's own id."""

    outcome: DeliveryOutcome
    reference: str = ""


class TemporaryFailure(Exception):  # noqa: N818
    """Try again later. `retry_after` in seconds if the peer asked for it."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentFailure(Exception):  # noqa: N818
    """Trying again cannot help: the address is bad, or the peer refused the message."""


class MessageChannel(ABC):
    """A way to reach people.

    `id` is `<plugin>.<name>`. One object serves all tenants; per-tenant configuration comes from `tenant_settings`.
    """

    id: str
    title: str
    description: str = ""

    @abstractmethod
    async def address_of(self, user_id: UUID) -> str | None:
        """Where this user is reached on this channel, or None (the delivery is then skipped, visibly)."""

    @abstractmethod
    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        """Hand the message over. Called outside of any transaction; may be repeated after a crash.

        Raises:
            TemporaryFailure: is retried with back-off.
            PermanentFailure: ends the delivery as failed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """The texts of one locale, as sandboxed Jinja2."""

    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTemplateSpec:
    """A template that a plugin brings; a tenant can override it by one with the same id.

    Args:
        id: `<plugin>.<name>`.
        texts: by BCP 47 tag; `en` must be there.
        variables: JSON Schema of the data, an object; every variable that the texts use is declared.
    """

    id: str
    title: str
    texts: Mapping[str, TemplateText]
    variables: Mapping[str, Any]
    description: str = ""
