"""Bodies and answers about sending: configurations, attempts, suppressed addresses."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from riveredge_messaging.providers.addresses import ascii_domain
from riveredge_sdk import Body, Resource

_Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=100)]
Title = Annotated[str, Field(min_length=1, max_length=200)]
Priority = Annotated[int, Field(ge=0, le=10_000, description="The smaller, the earlier it is used.")]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000, description="At most so many messages a minute; none: no limit.")]
Settings = Annotated[
    dict[str, Any],
    Field(
        max_length=100,
        description="As the provider's form says (GET /messaging/providers). Secrets are never answered.",
    ),
]


class Cost(Body):
    """What one message costs."""

    amount: Annotated[
        Decimal, Field(ge=0, max_digits=12, decimal_places=6, description="0.045; in JSON a string keeps it exact.")
    ]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217: EUR, CNY.")]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.currency}"


class Conditions(Body):
    """When a configuration is used: all that is given has to hold, and of a list one entry is enough."""

    address_prefixes: Annotated[_Words, Field(description="How addresses begin: +86, +1415.")] = ()
    address_domains: Annotated[
        _Words, Field(description="Domains of mail addresses, with what lies below them: example.com.")
    ] = ()
    categories: Annotated[_Words, Field(description="Categories of messages.")] = ()
    locales: Annotated[_Words, Field(description="Languages of readers: zh, en-GB.")] = ()

    @field_validator("address_domains")
    @classmethod
    def _as_addresses_have_them(cls, value: Sequence[str]) -> tuple[str, ...]:
        return tuple(ascii_domain(domain) for domain in value)

    def hold(self, *, address: str, category: str, locale: str) -> bool:
        """Whether they hold for a message."""
        domain = address.rpartition("@")[2]
        return (
            (not self.address_prefixes or address.startswith(self.address_prefixes))
            and (
                not self.address_domains
                or any(domain == each or domain.endswith("." + each) for each in self.address_domains)
            )
            and (not self.categories or category in self.categories)
            and (not self.locales or any(f"{locale}-".lower().startswith(f"{each}-".lower()) for each in self.locales))
        )


class ProviderOut(BaseModel):
    """A provider that configurations may name."""

    id: str
    channel: str
    title: str
    description: str
    settings_schema: Annotated[dict[str, Any], Field(description="JSON Schema of the settings: the form.")]
    secrets: list[str]
    receives: Annotated[bool, Field(description="Whether it reports by call-backs what became of messages.")]
    supports_idempotency: bool


class ConfigIn(Body):
    """A provider as the organisation uses it."""

    title: Title
    provider: Annotated[str, Field(max_length=100, description="The id of a provider.")]
    settings: Settings
    active: bool = True
    priority: Priority = 100
    conditions: Conditions = Conditions()
    per_minute: PerMinute | None = None
    cost: Annotated[Cost | None, Field(description="Of one message; none: not known.")] = None


class ConfigChange(Body):
    """What may change. Settings that are not given stay, secrets too; null takes a setting away."""

    title: Title | None = None
    settings: Settings | None = None
    active: bool | None = None
    priority: Priority | None = None
    conditions: Conditions | None = None
    per_minute: PerMinute | None = None
    cost: Annotated[Cost | None, Field(description="Of one message; null: not known.")] = None


class HealthOut(BaseModel):
    """How a configuration does."""

    usable: Annotated[bool, Field(description="Whether messages go through it now.")]
    reason: Annotated[
        str, Field(description="ok, inactive, fault, out (drill), resting (quota), open, half_open or broken.")
    ]
    until: Annotated[datetime | None, Field(description="When it is tried again; null: not by itself.")]
    circuit: str
    failures: Annotated[int, Field(description="In a row, within the last minute.")]
    fault: Annotated[str | None, Field(description="What somebody has to mend.")]
    last_error: str | None
    last_failure_at: datetime | None


class ConfigRow(Resource):
    """A configuration, as far as lists find it."""

    title: str


class ConfigOut(Resource):
    """A configuration, without its secrets."""

    title: str
    provider: str
    channel: str
    active: bool
    priority: int
    conditions: Conditions
    per_minute: int | None
    cost: Cost | None
    settings: dict[str, Any]
    secrets_set: Annotated[list[str], Field(description="The secrets that are stored.")]
    callback_url: Annotated[str | None, Field(description="Where the provider reports to, if it does.")]
    health: HealthOut


class RouteOut(BaseModel):
    """Something that a channel's messages go through."""

    config: Annotated[str, Field(description="The configuration's id, or `settings` or `installation`.")]
    title: str
    provider: str | None = None
    conditions: Conditions | None = None
    cost: Cost | None = None
    health: HealthOut


class TestOut(BaseModel):
    """The test that is on its way."""

    message_id: UUID
    delivery_id: UUID


class DrillIn(Body):
    """How long the configuration is taken out of use."""

    minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 10


class AttemptOut(BaseModel):
    """One try to hand a delivery over."""

    number: int
    config: str
    config_title: str | None
    provider: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    error: str | None
    reference: str | None


class NoticeOut(BaseModel):
    """What the provider told afterwards."""

    kind: str
    at: datetime
    detail: str
    received_at: datetime


class SendingOut(BaseModel):
    """How a delivery was handed over: its attempts in order, and what the providers told."""

    delivery_id: UUID
    status: str
    attempts: list[AttemptOut]
    notices: list[NoticeOut]


class SuppressionIn(Body):
    """An address that shall get nothing."""

    channel: Annotated[str, Field(max_length=100)] = "messaging.email"
    address: Annotated[str, Field(min_length=1, max_length=500)]
    detail: Annotated[str, Field(max_length=500)] = ""


class SuppressionQuery(Body):
    """An address to look for."""

    channel: Annotated[str, Field(max_length=100)] = "messaging.email"
    address: Annotated[str, Field(min_length=1, max_length=500)]


class SuppressionOut(Resource):
    """A suppressed address. Of the address only a hint is kept."""

    channel: str
    hint: str
    reason: str
    detail: str
    delivery_id: UUID | None
