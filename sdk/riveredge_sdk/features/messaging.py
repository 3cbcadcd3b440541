"""Messaging: notify people through the port, add channels and templates through the hooks.

await get_service(NOTIFIER).notify(Notification(template="approvals.task", to=[user_id], data={"title": "…"}))
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, SecretStr

# Part of the contract, in a file of their own.
from riveredge_sdk.features.message_failures import ConfigurationFailure as ConfigurationFailure  # noqa: PLC0414
from riveredge_sdk.features.message_failures import PermanentFailure as PermanentFailure  # noqa: PLC0414
from riveredge_sdk.features.message_failures import TemporaryFailure as TemporaryFailure  # noqa: PLC0414
from riveredge_sdk.features.message_failures import UnknownOutcome as UnknownOutcome  # noqa: PLC0414
from riveredge_sdk.ports import Port

DeliveryOutcome = Literal["accepted", "delivered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with a message: its bytes, or the id of a file that `ATTACHED_FILES` knows.

    Args:
        name: what the reader sees, for example `invoice.pdf`; no path. Empty: that of the file which the id is of.
        media_type: for example `application/pdf`. Empty: that of the file, or what its name says.
        content_id: set for an image that the HTML shows as `<img src="cid:logo">`; the id is then `logo`.
    """

    name: str
    media_type: str = ""
    content: bytes | None = None
    file_id: UUID | None = None
    content_id: str | None = None

    def __post_init__(self) -> None:
        if (self.content is None) == (self.file_id is None):
            raise ValueError(f"attachment {self.name!r}: give its content or the id of a file, not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedFile:
    """What is known of a file that lies elsewhere. `size` is in bytes."""

    name: str
    media_type: str
    size: int


class AttachedFiles(Protocol):
    """The port's interface: where files lie that messages only refer to."""

    async def describe(self, file_id: UUID) -> AttachedFile:
        """A file of the current tenant, for whoever sends it. Inside a unit of work.

        Raises:
            NotFound: there is no such file, or the one who sends may not read it.
        """
        ...

    async def read(self, file_id: UUID, *, max_bytes: int) -> bytes:
        """The content of a file of the current tenant. Outside of any transaction; who may read it was asked before.

        Raises:
            NotFound: there is no such file any more.
            ValueError: it is larger than `max_bytes`.
        """
        ...


ATTACHED_FILES: Port[AttachedFiles] = Port("messaging.attached_files", version=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A message to people of the current tenant. Whoever is named more than once gets it once.

    Args:
        template: the id of a template, contributed or the tenant's own.
        to: user ids.
        roles, groups, topics: keys; all their members, as they are when the message goes out.
        everyone: all members of the tenant.
        data: plain JSON values for the template's variables.
        channels: channel ids (`messaging.email`, `messaging.in_app`); empty: those of the category, else every channel
            the template has a text for.
        category: the id of a category; None: the template's.
        send_at: when it goes out; None: at once.
        expires_at: it is not sent any more after this.
        digest_key: what is gathered with what, where the category has a digest; None: all of the category.
        attachments: files for the channels that carry some (e-mail). A message with files is gathered into no digest.
        idempotency_key: a second notification with the same key is the first one again.
        correlation: what this is about, for example `approvals.task:0199…`; searchable, and by it messages that have
            not gone out yet are cancelled.
    """

    template: str
    to: Sequence[UUID] = ()
    roles: Sequence[str] = ()
    groups: Sequence[str] = ()
    topics: Sequence[str] = ()
    everyone: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    channels: Sequence[str] = ()
    category: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    digest_key: str | None = None
    idempotency_key: str | None = None
    correlation: str | None = None
    attachments: Sequence[Attachment] = ()


class Notifier(Protocol):
    """The port's interface."""

    async def notify(self, notification: Notification) -> UUID:
        """Accept a notification inside the running unit of work; it is delivered after the commit.

        Returns:
            The message's id.

        Raises:
            Invalid: unknown template, category, recipient or channel, a variable without a value, or a file that
                cannot be attached.
            QuotaExceeded: the organisation keeps as many bytes of attachments as it may.
        """
        ...

    async def cancel(self, correlation: str) -> int:
        """Cancel what has not been sent yet of the messages about something.

        Returns:
            How many deliveries that were.
        """
        ...

    async def templates(self, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that are templates: the organisation's own, published, or a plugin's.

        One query, however many keys; ask for some hundreds at a time.
        """
        ...

    async def follow(self, topic: str, user_ids: Sequence[UUID], *, title: str = "") -> None:
        """Make people followers of a topic, such as `invoices.invoice:0199…`; it is made if it is not there.

        Raises:
            Invalid: somebody is no active member.
        """
        ...

    async def unfollow(self, topic: str, user_ids: Sequence[UUID]) -> None:
        """End that. Who does not follow is not minded."""


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
    """What a channel or a provider delivers. Which of the texts is set depends on the template; `text` always is.

    Args:
        delivery_id: the same over all attempts: the key by which the peer can tell a repetition.
        address: in the channel's form, checked by it.
        options: what the template says for this channel besides the texts, for example the provider's own template
            code and its parameters.
        category: of the message, which unsubscribing is about; empty for none.
        headers: further header lines, for channels that have such.
        files: attachments and inline images, with their content.
        callback_url: where the provider is to report what becomes of it; empty where nothing can be received.
        expires_at: after this it is of no use; who keeps it for later does not keep it longer.
    """

    delivery_id: UUID
    recipient_id: UUID
    address: str
    subject: str
    text: str
    html: str | None = None
    locale: str = "en"
    data: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    category: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Attachment] = ()
    callback_url: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The peer took it. `delivered` only if it is known to have arrived; `reference` is the peer's own id."""

    outcome: DeliveryOutcome
    reference: str = ""


class MessageChannel(ABC):
    """A way to reach people.

    A channel knows who is reached where. The message is handed over by the tenant's configured providers (see
    `MessageProvider`) or, where nothing has to be configured, by the channel itself (see `DeliveringChannel`).

    Attributes:
        id: `<plugin>.<name>`. One object serves all tenants.
        has_subject, has_html: which texts it shows besides `text`; the others are not rendered for it.
        has_files: its messages carry attachments; on others they are left out, visibly.
        only_if_named: messages that name no channels leave it out: it costs money, or others read along.
    """

    id: str
    title: str
    description: str = ""
    has_subject: bool = True
    has_html: bool = False
    has_files: bool = False
    only_if_named: bool = False

    @abstractmethod
    async def address_of(self, user_id: UUID) -> str | None:
        """Where this user is reached on this channel, or None (the delivery is then skipped, visibly)."""

    async def addresses_of(self, user_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        """`address_of` for many; override it where one question answers for all."""
        found = {user_id: await self.address_of(user_id) for user_id in user_ids}
        return {user_id: address for user_id, address in found.items() if address is not None}

    def check_address(self, address: str) -> str:
        """The address in the form in which providers get it, and by which equal ones are told.

        Raises:
            ValueError: it is none; the message is for people.
        """
        return address

    async def forget_address(self, user_id: UUID, address: str) -> None:  # noqa: B027  (most have nothing to forget)
        """A provider says that the address is gone (`bad_address`). Inside a unit of work."""


class DeliveringChannel(MessageChannel):
    """A channel that hands its messages over by itself, without a provider."""

    @abstractmethod
    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        """Hand the message over. Outside of any transaction; may be repeated after a crash.

        Raises:
            TemporaryFailure: is retried with back-off.
            PermanentFailure: ends the delivery as failed.
            UnknownOutcome: it may have been sent.
        """


class ProviderConfig(BaseModel):
    """Base of the settings of a `MessageProvider`; its JSON Schema is the form that administrators fill in.

    Give every field a title and a description. Fields of type `SecretStr` are encrypted at rest and never returned.

    Attributes:
        secrets_sent_to: the fields that say where the secrets go (a host, a URL). Whoever changes one of them has to
            give the secrets anew: else a stored password could be sent to a server of the changer's own.
    """

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @classmethod
    def secret_fields(cls) -> frozenset[str]:
        """The names of the fields that hold secrets."""
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
        )


ConfigT = TypeVar("ConfigT", bound=ProviderConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRequest:
    """A call of the provider, as it came. `headers` in lower case; `url` as the outside sees it, for signatures."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


# bounced: the address is gone for good. soft_bounced: it failed for now, the provider gives up on this message.
ProviderEventKind = Literal["delivered", "opened", "bounced", "soft_bounced", "complained", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """What a provider tells about a message it took.

    Args:
        id: the provider's own id of this event: one that comes again is not taken twice.
        reference: the message, by the `reference` of its `DeliveryResult`, or by its `delivery_id` as a text.
        at: when it happened, aware.
        detail: the provider's words.
    """

    id: str
    kind: ProviderEventKind
    reference: str
    at: datetime
    detail: str = ""


class CallbackRefusedError(Exception):
    """The call is not the provider's: its signature is missing, wrong or too old."""


class MessageProvider(ABC, Generic[ConfigT]):
    """A service that delivers the messages of one channel: an SMTP server, an SMS gateway, a push service.

    Attributes:
        id: `<plugin>.<name>`. One object serves all tenants and all of their configurations.
        channel: the id of the channel.
        config: the model of its settings.
        supports_idempotency: the peer drops a message whose `delivery_id` it has seen, so a repetition does no harm
            and an unknown outcome may be tried again.
    """

    id: ClassVar[str]
    channel: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    config: type[ConfigT]
    supports_idempotency: ClassVar[bool] = False

    def check_address(self, address: str) -> str:
        """The address in this provider's form, where a channel has several kinds: a push service's token of a device.

        Raises:
            ValueError: it is none; the message is for people.
        """
        return address

    def reaches(self, config: ConfigT, app: str, environment: str) -> bool:
        """Of a push service: whether a configuration is for an app's devices. `app` is empty where it does not say."""
        return True

    def parallel(self, config: ConfigT) -> int:
        """How many messages at a time one process may hand over through a configuration."""
        return 10

    @abstractmethod
    async def send(self, config: ConfigT, message: RenderedMessage) -> DeliveryResult:
        """Hand the message over. Called outside of any transaction; may be repeated after a crash.

        Raises:
            PermanentFailure: the recipient or the message is at fault.
            ConfigurationFailure: the configuration is at fault.
            TemporaryFailure: nothing was sent, and later it may work.
            UnknownOutcome: it was handed over, and no answer came.
        """

    async def receive(self, config: ConfigT, request: CallbackRequest) -> Sequence[ProviderEvent]:
        """Read a status call-back of the provider, after its signature was found right. Inside a unit of work.

        Raises:
            CallbackRefusedError: it is not the provider's.
            ValueError: it cannot be read.
        """
        raise CallbackRefusedError(f"{self.title} sends no call-backs")

    @property
    def receives(self) -> bool:
        """Whether it sends call-backs."""
        return type(self).receive is not MessageProvider.receive


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateAction:
    """A button below a message. `label` and `link` are templates; a link is a path such as `/tasks/7`, or https."""

    id: str
    label: str
    style: Literal["primary", "secondary"] = "secondary"
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """The texts of one locale, as sandboxed Jinja2. For push, the subject is the title.

    Args:
        subject: one line; channels without subjects leave it out.
        link: where the message leads, for channels that show it as one thing to press.
        actions: buttons below it, at most four.
        tags: by which readers sort their inbox.
        provider_template_code, parameters: for SMS providers that keep the texts themselves: their code of the
            template, and what they put into it.
    """

    text: str
    subject: str = ""
    html: str | None = None
    link: str | None = None
    actions: Sequence[TemplateAction] = ()
    tags: Sequence[str] = ()
    provider_template_code: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTemplateSpec:
    """A template that a plugin brings; a tenant can override it by one with the same id.

    Args:
        id: `<plugin>.<name>`.
        texts: by BCP 47 tag, for every channel without a variant; `en` must be there.
        variants: texts of their own for some channels, by channel id and tag: a short one for SMS, say.
        variables: JSON Schema of the data, an object; every variable that the texts use is declared.
        sample: data for previews.
        category: of messages that name none.
    """

    id: str
    title: str
    texts: Mapping[str, TemplateText]
    variables: Mapping[str, Any]
    description: str = ""
    variants: Mapping[str, Mapping[str, TemplateText]] = field(default_factory=dict)
    sample: Mapping[str, Any] = field(default_factory=dict)
    category: str | None = None
