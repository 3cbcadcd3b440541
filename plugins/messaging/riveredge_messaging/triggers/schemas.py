"""Bodies and answers of the API of notification rules."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from riveredge_messaging.schemas import DryRun, Keys
from riveredge_messaging.templates.schemas import ChannelId, Key
from riveredge_sdk import Body, Resource
from riveredge_sdk.conditions import Group

EventName = Annotated[str, Field(max_length=200, pattern=r"^[a-z][a-z0-9_]*/[a-z0-9_.]+$")]
EventField = Annotated[
    str,
    Field(max_length=300, pattern=r"^event(\.[^.\s]{1,100}){1,6}$", description="Of the event, such as event.user_id."),
]


class Recipients(Body):
    """Who gets the message."""

    to: Annotated[list[UUID], Field(default_factory=list, max_length=100, description="User ids.")]
    roles: Annotated[Keys, Field(description="Keys of roles: all who hold them.")]
    groups: Annotated[Keys, Field(description="Groups of a directory.")]
    topics: Annotated[Keys, Field(description="Keys of topics: all who follow them.")]
    everyone: Annotated[bool, Field(description="All members.")] = False
    fields: Annotated[
        list[EventField],
        Field(default_factory=list, max_length=10, description="Fields of the event that name people by their ids."),
    ]

    @model_validator(mode="after")
    def _names_somebody(self) -> "Recipients":
        if not (self.to or self.roles or self.groups or self.topics or self.everyone or self.fields):
            raise ValueError("name people, roles, groups, topics or fields of the event, or everyone")
        return self


class Source(Body):
    """Where a variable of the template has its value from: a field of the event, or always the same."""

    field: EventField | None = None
    value: Any = None

    @model_validator(mode="after")
    def _is_one(self) -> "Source":
        if ("field" in self.model_fields_set) == ("value" in self.model_fields_set):
            raise ValueError("give either a field of the event, or a value")
        return self


class Timing(Body):
    """So long before or after a date, instead of at once."""

    direction: Literal["before", "after"]
    days: Annotated[int, Field(ge=0, le=366)] = 0
    hours: Annotated[int, Field(ge=0, le=23)] = 0
    field: Annotated[EventField | None, Field(description="The date; null: when the event happened.")] = None
    at: Annotated[
        str,
        Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="For dates without a time: when on that day, here."),
    ] = "09:00"
    subject: Annotated[
        EventField | None,
        Field(description="What the event is about: a later one of the same moves or cancels what is planned."),
    ] = None
    cancel_on: Annotated[
        list[EventName],
        Field(default_factory=list, max_length=5, description="Events that cancel it, if their subject is the same."),
    ]

    @model_validator(mode="after")
    def _fits(self) -> "Timing":
        if self.direction == "before" and self.field is None:
            raise ValueError("before what? name the field of the event that holds the date")
        if self.cancel_on and self.subject is None:
            raise ValueError("to be cancelled, it needs a subject: the field that both events have")
        return self


class NotificationRuleIn(Body):
    """When an event happens, under a condition, somebody gets a message."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    enabled: bool = True
    event: Annotated[EventName, Field(description="GET /messaging/notification-rules/events lists them.")]
    condition: Annotated[Group | None, Field(description="Over the event's fields; null: always.")] = None
    recipients: Recipients
    template: Key
    category: Annotated[str | None, Field(max_length=100, description="Null: the template's.")] = None
    channels: Annotated[list[ChannelId], Field(default_factory=list, max_length=20, description="Empty: as usual.")]
    data: Annotated[
        dict[str, Source], Field(default_factory=dict, max_length=100, description="By variable of the template.")
    ]
    timing: Annotated[Timing | None, Field(description="Null: at once.")] = None


class NotificationRuleOut(Resource):
    """A rule."""

    title: str
    description: str
    enabled: bool
    event: str
    condition: dict[str, Any] | None
    recipients: dict[str, Any]
    template: str
    category: str | None
    channels: list[str]
    data: dict[str, Any]
    timing: dict[str, Any] | None


class FiringOut(Resource):
    """What a rule did about one event."""

    rule_id: UUID
    event_id: UUID
    state: str
    subject: str
    due_at: datetime | None
    ended_at: datetime | None
    message_id: UUID | None
    detail: Annotated[str, Field(description="Why it was not sent, or what of it was not.")]


class FieldOut(BaseModel):
    """A field of an event."""

    name: str
    type: str


class EventOut(BaseModel):
    """An event that rules may be about."""

    name: str
    title: str
    description: str
    plugin: str
    fields: list[FieldOut]
    payload_schema: dict[str, Any]


class TryIn(Body):
    """An event that might happen."""

    data: Annotated[dict[str, Any], Field(description="The event's, as its payload_schema says.")]


class TryRuleIn(TryIn):
    """The same for a rule that is not kept yet."""

    rule: NotificationRuleIn


class TryOut(BaseModel):
    """What a rule would do. Nothing was written or sent."""

    outcome: Annotated[
        Literal["no_match", "send", "plan", "skip", "fail"], Field(description="`plan`: it would be sent later.")
    ]
    words: str
    read: Annotated[dict[str, Any], Field(description="What the condition has looked at.")]
    due_at: datetime | None = None
    message: Annotated[DryRun | None, Field(description="Who would get what.")] = None
