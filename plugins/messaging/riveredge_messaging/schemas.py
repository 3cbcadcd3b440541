"""Bodies and answers of the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk import Body, Resource

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]{0,60}$", max_length=100)]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
MAX_SOURCE = 20_000


class TextsIn(Body):
    """The texts of one locale, as Jinja2 templates over the data."""

    subject: Annotated[str, Field(min_length=1, max_length=500)]
    text: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)]
    html: Annotated[str | None, Field(max_length=MAX_SOURCE)] = None


class TemplateIn(Body):
    """A template. `variables` is a JSON Schema object that declares every variable the texts use."""

    key: Key
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    texts: Annotated[dict[Locale, TextsIn], Field(min_length=1, max_length=50)]
    variables: Annotated[dict[str, Any], Field(description='{"type": "object", "properties": {…}, "required": […]}')]


class TemplateChange(Body):
    """What may change about a template."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    texts: Annotated[dict[Locale, TextsIn], Field(min_length=1, max_length=50)] | None = None
    variables: dict[str, Any] | None = None


class TemplateOut(Resource):
    """A template of this organisation's own."""

    key: str
    title: str
    description: str
    texts: dict[str, Any]
    variables: dict[str, Any]


class AvailableTemplate(BaseModel):
    """A template that messages may name: a plugin's, or the organisation's own."""

    key: str
    title: str
    description: str
    locales: list[str]
    variables: dict[str, Any]
    own: bool


class PreviewIn(Body):
    """What to render. `texts` and `variables` of an unsaved template, or the key of a saved one."""

    key: Key | None = None
    texts: Annotated[dict[Locale, TextsIn], Field(min_length=1, max_length=50)] | None = None
    variables: dict[str, Any] | None = None
    data: Annotated[dict[str, Any], Field(default_factory=dict)]
    locale: Locale = "en"


class PreviewOut(BaseModel):
    """The rendered texts."""

    locale: str
    subject: str
    text: str
    html: str | None


class MessageIn(Body):
    """A message to people of this organisation."""

    template: Key
    to: Annotated[list[UUID], Field(min_length=1, max_length=1000, description="User ids.")]
    data: Annotated[dict[str, Any], Field(default_factory=dict, description="Values of the template's variables.")]
    channels: Annotated[
        list[str],
        Field(default_factory=list, max_length=20, description="Channel ids; empty: every channel there is."),
    ]
    correlation: Annotated[
        str | None, Field(max_length=200, description="What it is about, for example invoices.invoice:0199…")
    ] = None


class DeliveryOut(Resource):
    """One message to one person over one channel."""

    message_id: UUID
    recipient_id: UUID
    channel: str
    status: str
    attempts: int
    address: str | None
    reference: str | None
    error: str | None
    ended_at: datetime | None


class MessageOut(Resource):
    """A message."""

    template: str
    data: dict[str, Any]
    sender_id: UUID | None
    correlation: str | None


class MessageDetail(MessageOut):
    """A message with its deliveries (the first 1000)."""

    deliveries: Annotated[list[DeliveryOut], Field(default_factory=list)]
