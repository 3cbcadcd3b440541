"""Bodies and answers of the API of categories, preferences, policies and topics."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_messaging.templates.schemas import ChannelId, Key
from riveredge_sdk import Body, Resource
from riveredge_sdk.features.message_categories import (
    CategoryKind,
    DigestRule,
    Duplicates,
    EscalationStep,
    MessageCategory,
    ThrottleRule,
)

TopicKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*[.:][A-Za-z0-9._:-]+$", max_length=200)]
Kind = Annotated[
    CategoryKind,
    Field(
        description="transactional: cannot be switched off. critical: neither that, nor does it wait for quiet hours, "
        "digests or throttles."
    ),
]


class _Rules(Body):
    kind: Kind = "ordinary"
    mandatory: Annotated[bool, Field(description="People cannot switch it off.")] = False
    channels: Annotated[list[ChannelId], Field(default_factory=list, max_length=20, description="Unless named.")]
    duplicates: Annotated[Duplicates, Field(description="Where nobody knows whether it was sent.")] = "retry"
    digest: DigestRule | None = None
    throttle: ThrottleRule | None = None
    escalation: Annotated[list[EscalationStep], Field(default_factory=list, max_length=10)]


class CategoryIn(_Rules):
    """A category of this organisation's own, or its version of a plugin's with the same key."""

    key: Key
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""


class CategoryChange(_Rules):
    """Everything but the key: what is not given goes back to its default."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""


class CategoryOut(Resource):
    """A category of this organisation's own."""

    key: str
    title: str
    description: str
    kind: str
    mandatory: bool
    channels: list[str]
    duplicates: str
    digest: dict[str, Any] | None
    throttle: dict[str, Any] | None
    escalation: list[dict[str, Any]]


class AvailableCategory(BaseModel):
    """A category that messages may name."""

    key: str
    title: str
    description: str
    kind: str
    mandatory: bool
    channels: list[str]
    duplicates: str
    digest: DigestRule | None
    throttle: ThrottleRule | None
    escalation: list[EscalationStep]
    own: bool

    @classmethod
    def of(cls, found: MessageCategory, *, own: bool) -> "AvailableCategory":
        """From a category."""
        return cls(
            key=found.id,
            title=found.title,
            description=found.description,
            kind=found.kind,
            mandatory=found.mandatory,
            channels=list(found.channels),
            duplicates=found.duplicates,
            digest=found.digest,
            throttle=found.throttle,
            escalation=list(found.escalation),
            own=own,
        )


class PolicyIn(Body):
    """What the organisation says about a category on a channel; an empty text stands for all of them."""

    category: Annotated[str, Field(max_length=100)] = ""
    channel: Annotated[str, Field(max_length=100)] = ""
    rule: Annotated[Literal["mandatory", "forbidden", "off"], Field(description="off: until a person switches it on.")]


class PolicyOut(Resource):
    """A rule of the organisation."""

    category: str
    channel: str
    rule: str


class ChannelChoice(BaseModel):
    """Whether one gets a category on a channel, and why."""

    channel: str
    title: str
    on: bool
    locked: Annotated[bool, Field(description="One cannot change it.")]
    reason: str
    words: str


class CategoryChoices(BaseModel):
    """What one gets of a category."""

    key: str
    title: str
    description: str
    channels: list[ChannelChoice]


class PreferencesOut(BaseModel):
    """What one gets, category by category; and what one has chosen for all of a channel."""

    categories: list[CategoryChoices]
    all: Annotated[bool | None, Field(description="Chosen for everything; null: nothing.")]
    channels: Annotated[dict[str, bool], Field(description="Chosen for all of a channel.")]


class Choice(Body):
    """What one wants of a category on a channel; leave one of them out for all of them."""

    category: Annotated[str, Field(max_length=100)] = ""
    channel: Annotated[str, Field(max_length=100)] = ""
    on: Annotated[bool | None, Field(description="Null: take back what was chosen.")]


class ChoicesIn(Body):
    """Changes of what one wants."""

    choices: Annotated[list[Choice], Field(min_length=1, max_length=200)]


class QuietHoursOut(BaseModel):
    """When one is not disturbed."""

    windows: list[dict[str, Any]]
    zone: str
    own: Annotated[bool, Field(description="False: the organisation's.")]


class TopicIn(Body):
    """Something that people follow."""

    key: Annotated[TopicKey, Field(description="For example invoices.invoice:0199…")]
    title: Annotated[str, Field(max_length=200)] = ""


class TopicChange(Body):
    """What may change about a topic."""

    title: Annotated[str, Field(max_length=200)]


class TopicOut(Resource):
    """Something that people follow."""

    key: str
    title: str


class PeopleIn(Body):
    """Some people."""

    users: Annotated[list[UUID], Field(min_length=1, max_length=1000, description="User ids.")]


class FollowerOut(Resource):
    """Somebody who follows a topic."""

    topic_id: UUID
    user_id: UUID


class Changed(BaseModel):
    """How many people that changed something for."""

    people: int
