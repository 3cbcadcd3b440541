"""Bodies and answers of the API of messages and deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from riveredge_messaging.delivery.file_checks import MAX_FILES
from riveredge_messaging.delivery.file_schemas import AttachmentIn, AttachmentOut
from riveredge_messaging.templates.schemas import ChannelId, Key
from riveredge_sdk import Body, ListQuery, Resource
from riveredge_sdk.features.messaging import Notification

Keys = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(default_factory=list, max_length=50)]
MessageStatus = Literal[
    "scheduled", "paused", "sending", "delivered", "partly_failed", "failed", "skipped", "cancelled"
]


class MessageIn(Body):
    """A message to people of this organisation. Whoever is named more than once gets it once."""

    template: Key
    to: Annotated[list[UUID], Field(default_factory=list, max_length=1000, description="User ids.")]
    roles: Annotated[Keys, Field(description="Keys of roles: all who hold them.")]
    groups: Annotated[Keys, Field(description="Groups of a directory, where a plugin provides one.")]
    topics: Annotated[Keys, Field(description="Keys of topics: all who follow them.")]
    everyone: Annotated[bool, Field(description="All members.")] = False
    data: Annotated[dict[str, Any], Field(default_factory=dict, description="Values of the template's variables.")]
    channels: Annotated[
        list[ChannelId],
        Field(default_factory=list, max_length=20, description="Empty: the category's, else all the template has."),
    ]
    category: Annotated[str | None, Field(max_length=100, description="Null: the template's.")] = None
    send_at: Annotated[AwareDatetime | None, Field(description="Null: at once.")] = None
    expires_at: Annotated[AwareDatetime | None, Field(description="It is not sent any more after this.")] = None
    digest_key: Annotated[
        str | None, Field(max_length=190, description="What is gathered with what; null: all of the category.")
    ] = None
    correlation: Annotated[
        str | None, Field(max_length=200, description="What it is about, for example invoices.invoice:0199…")
    ] = None
    idempotency_key: Annotated[
        str | None,
        Field(min_length=1, max_length=255, description="The same message again is the first one; another is refused."),
    ] = None

    attachments: Annotated[
        list[AttachmentIn],
        Field(default_factory=list, max_length=MAX_FILES, description="For the channels that carry files: e-mail."),
    ]

    def notification(self) -> Notification:
        """As the port takes it."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return Notification(**{**given, "attachments": [file.attachment() for file in self.attachments]})


class SendQuery(BaseModel):
    """How to send."""

    dry_run: Annotated[bool, Field(description="Say what would happen; nothing is sent.")] = False


class DeliveryOut(Resource):
    """One message to one person over one channel."""

    message_id: UUID
    recipient_id: UUID
    channel: str
    via: Annotated[str, Field(description="What the person was reached by: user, role:…, topic:…, everyone.")]
    status: str
    attempts: int
    address: str | None
    reference: str | None
    error: str | None
    ended_at: datetime | None
    next_at: datetime | None
    due_at: Annotated[datetime | None, Field(description="Until when a rule holds it.")]
    held_by: Annotated[str | None, Field(description="That rule.")]
    reason: Annotated[str | None, Field(description="Why it is held, or ended unsent.")]


class MessageOut(Resource):
    """A message."""

    kind: str
    template: str
    template_version_id: Annotated[UUID | None, Field(description="Null: a plugin's template.")]
    category: str
    channels: list[str]
    audience: dict[str, Any]
    data: dict[str, Any]
    sender_id: UUID | None
    correlation: str | None
    idempotency_key: str | None
    send_at: datetime | None
    expires_at: datetime | None
    files: Annotated[int, Field(description="How many go with it.")]
    paused_at: datetime | None
    cancelled_at: datetime | None


class Progress(BaseModel):
    """How far a message is."""

    status: MessageStatus
    recipients: Annotated[int, Field(description="For whom deliveries have been made so far.")]
    complete: Annotated[bool, Field(description="Whether those are all.")]
    deliveries: Annotated[dict[str, int], Field(description="How many are in each status.")]


class MessageDetail(MessageOut):
    """A message with how far it is, and its first 200 deliveries."""

    progress: Progress
    attachments: Annotated[list[AttachmentOut], Field(default_factory=list)]
    deliveries: Annotated[list[DeliveryOut], Field(default_factory=list)]


class PlannedDelivery(BaseModel):
    """What would become of a message for one person on one channel."""

    channel: str
    status: str
    rule: str
    reason: str
    words: str
    due_at: datetime | None
    rendered: Annotated[dict[str, Any] | None, Field(description="For the first recipients.")] = None
    error: Annotated[str | None, Field(description="Why it cannot be rendered.")] = None


class PlannedRecipient(BaseModel):
    """What would become of a message for one person."""

    id: UUID
    name: str
    via: str
    deliveries: list[PlannedDelivery]


class DryRun(BaseModel):
    """What would become of a message. Nothing was written or sent."""

    template: str
    template_version_id: UUID | None
    category: str
    channels: list[str]
    send_at: datetime | None
    recipients: Annotated[list[PlannedRecipient], Field(description="The first 100.")]
    complete: Annotated[bool, Field(description="False: there are more recipients than are shown.")]


class CancelIn(Body):
    """Which messages to cancel."""

    correlation: Annotated[str, Field(min_length=1, max_length=200, description="What they are about.")]


class RetryIn(Body):
    """Which of the failed deliveries to try again."""

    filter: Annotated[
        dict[str, Any] | None, Field(description="As in the list of deliveries, for example by channel; null: all.")
    ] = None


class Count(BaseModel):
    """How many deliveries that concerned."""

    deliveries: int


class DecisionOut(BaseModel):
    """What one rule decided, in a code and in words."""

    at: datetime
    rule: str
    verdict: str
    reason: str
    words: str
    recipient_id: UUID | None
    delivery_id: UUID | None
    channel: str | None
    detail: dict[str, Any]


class Timeline(BaseModel):
    """Everything that was decided about a message, oldest first."""

    message_id: UUID
    progress: Progress
    decisions: list[DecisionOut]
    next: Annotated[int | None, Field(description="Pass as `offset` to get the following ones.")]


class TimelineQuery(BaseModel):
    """Which part of the timeline."""

    person: Annotated[UUID | None, Field(description="Only what concerns this person.")] = None
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class WhyQuery(ListQuery):
    """Whose messages to explain."""

    person: Annotated[UUID, Field(description="A user id.")]
    template: Annotated[str | None, Field(max_length=100)] = None
    category: Annotated[str | None, Field(max_length=100)] = None
    correlation: Annotated[str | None, Field(max_length=200)] = None
    channel: Annotated[str | None, Field(max_length=100)] = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class Explanation(BaseModel):
    """What became of one message for the person on one channel, and why."""

    delivery: DeliveryOut
    template: str
    correlation: str | None
    words: Annotated[str, Field(description="The answer in one sentence.")]
    decisions: list[DecisionOut]


class Why(BaseModel):
    """Why somebody got, or did not get, some messages."""

    person: UUID
    words: Annotated[str, Field(description="The answer as a whole.")]
    items: list[Explanation]
    next: str | None
