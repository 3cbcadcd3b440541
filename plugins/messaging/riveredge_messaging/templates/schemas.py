"""Bodies and answers of the API of templates, layouts and partials."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from riveredge_messaging.rules.zones import Zone
from riveredge_messaging.templates.composing import Composed
from riveredge_sdk import Body, Resource

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]{0,60}$", max_length=100)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
ChannelId = Annotated[str, Field(max_length=100)]
Data = Annotated[dict[str, Any], Field(default_factory=dict)]
MAX_SOURCE = 20_000


class ActionIn(Body):
    """A button below a message. With a link it leads there, too."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    label: Annotated[str, Field(min_length=1, max_length=80)]
    style: Literal["primary", "secondary"] = "secondary"
    link: Annotated[str | None, Field(max_length=2000, description="https://…, or /… in the application.")] = None


class TextsIn(Body):
    """The texts of one locale, as Jinja2 templates over the data. For push, the subject is the title."""

    subject: Annotated[str, Field(max_length=500, description="One line.")] = ""
    text: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)]
    html: Annotated[str | None, Field(max_length=MAX_SOURCE)] = None
    link: Annotated[str | None, Field(max_length=2000, description="https://…, or /… in the application.")] = None
    actions: Annotated[list[ActionIn], Field(default_factory=list, max_length=4)]
    tags: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=50)]],
        Field(default_factory=list, max_length=10, description="By which readers sort their inbox."),
    ]
    provider_template_code: Annotated[
        str | None, Field(max_length=200, description="The SMS provider's own code of this template. In variants only.")
    ] = None
    parameters: Annotated[
        dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=1000)]],
        Field(default_factory=dict, max_length=30, description="The provider's parameters, as Jinja2 templates."),
    ]

    @field_validator("subject")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if len(value.splitlines()) > 1:
            raise ValueError("A subject is one line.")
        return value


LocalizedTexts = Annotated[dict[Locale, TextsIn], Field(max_length=50)]


class Contents(Body):
    """What a version of a template holds. `variables` is a JSON Schema object that declares all that the texts use."""

    texts: Annotated[LocalizedTexts, Field(default_factory=dict, description="For every channel without a variant.")]
    variants: Annotated[
        dict[ChannelId, LocalizedTexts],
        Field(default_factory=dict, max_length=20, description="Texts of their own for some channels."),
    ]
    variables: Annotated[dict[str, Any], Field(description='{"type": "object", "properties": {…}, "required": […]}')]
    sample: Annotated[Data, Field(description="Data that previews use.")]
    layout: Annotated[
        str | None, Field(max_length=60, description="A layout's key; null: the organisation's; empty: none.")
    ] = None


class TemplateIn(Contents):
    """A template."""

    key: Key
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    category: Annotated[str | None, Field(max_length=100, description="Of messages that name none.")] = None
    publish: Annotated[bool, Field(description="False: keep it as a draft.")] = True


class TemplateChange(Body):
    """What may change about a template besides its texts."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    category: Annotated[str, Field(max_length=100)] | None = None


class PublishIn(Body):
    """Why."""

    note: Annotated[str, Field(max_length=500, description="What is new, for whoever reads the list of versions.")] = ""


class RollbackIn(Body):
    """Where to."""

    number: Annotated[int, Field(ge=1, description="A published version.")]


class TemplateOut(Resource):
    """A template of this organisation's own."""

    key: str
    title: str
    description: str
    category: str | None
    published: Annotated[int | None, Field(description="The version that new messages use.")]
    draft: Annotated[int | None, Field(description="The version that is being worked on.")]
    archived_at: datetime | None


class VersionOut(Resource):
    """A version of a template. A published one never changes."""

    template_id: UUID
    number: int
    status: str
    texts: dict[str, Any]
    variants: dict[str, Any]
    variables: dict[str, Any]
    sample: dict[str, Any]
    layout: str | None
    partials: dict[str, Any]
    note: str
    author_id: UUID | None
    published_at: datetime | None


class TemplateDetail(TemplateOut):
    """A template with the versions that matter."""

    current: Annotated[VersionOut | None, Field(description="The published version.")] = None
    working: Annotated[VersionOut | None, Field(description="The draft.")] = None


class AvailableTemplate(BaseModel):
    """A template that messages may name: a plugin's, or the organisation's own."""

    key: str
    title: str
    description: str
    category: str | None
    locales: list[str]
    channels: list[str]
    variables: dict[str, Any]
    sample: dict[str, Any]
    own: bool
    version: Annotated[int | None, Field(description="Of the organisation's own.")]


class PreviewIn(Body):
    """What to render: the contents of an unsaved template, or the key of a saved one."""

    key: Key | None = None
    number: Annotated[int | None, Field(ge=1, description="A version; null: the published one.")] = None
    contents: Contents | None = None
    data: Annotated[dict[str, Any] | None, Field(description="Null: the template's sample.")] = None
    channel: ChannelId | None = None
    locale: Locale = "en"
    timezone: Zone | None = None


class PreviewOut(BaseModel):
    """What a reader would get on one channel."""

    channel: str
    locale: str
    subject: str
    text: str
    html: str | None
    options: dict[str, Any]

    @classmethod
    def of(cls, channel: str, composed: Composed) -> "PreviewOut":
        """From what was composed."""
        return cls(
            channel=channel,
            locale=composed.locale,
            subject=composed.subject,
            text=composed.text,
            html=composed.html,
            options=dict(composed.options),
        )


class DiffIn(Body):
    """Which two versions, and with what data to render them."""

    old: Annotated[int, Field(ge=1)]
    new: Annotated[int, Field(ge=1)]
    data: Annotated[dict[str, Any] | None, Field(description="Null: the newer one's sample.")] = None
    locale: Locale = "en"


class DiffOut(BaseModel):
    """How two versions differ, as unified diffs: of their sources, and of what readers get."""

    sources: Annotated[str, Field(description="Empty: they are the same.")]
    rendered: Annotated[dict[str, str], Field(description="By channel; only those that differ.")]
    errors: Annotated[dict[str, str], Field(description="By version and channel: what could not be rendered.")]


class SendToMeIn(Body):
    """What to send to oneself."""

    number: Annotated[int | None, Field(ge=1, description="Null: the draft or, if there is none, the published.")] = (
        None
    )
    data: Annotated[dict[str, Any] | None, Field(description="Null: the sample.")] = None
    channels: Annotated[list[ChannelId], Field(default_factory=list, max_length=20)]


class RehearseIn(Body):
    """Which messages of the past to render again."""

    number: Annotated[int | None, Field(ge=1, description="Null: the draft or, if there is none, the published.")] = (
        None
    )
    days: Annotated[int, Field(ge=1, le=30)] = 7


class RehearsalError(BaseModel):
    """Messages of the past that the version cannot render, by what goes wrong."""

    channel: str
    locale: str
    error: str
    count: int
    message_id: Annotated[UUID, Field(description="One of them.")]


class RehearsalOut(BaseModel):
    """What came of it."""

    number: int
    messages: Annotated[int, Field(description="How many were rendered again.")]
    texts: int
    complete: Annotated[bool, Field(description="False: there were more messages than are rendered at once.")]
    errors: list[RehearsalError]


class BlockIn(Body):
    """A layout or a partial. A layout says `{{ content }}` where the message goes."""

    kind: Literal["layout", "partial"]
    key: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(max_length=MAX_SOURCE)] = ""
    html: Annotated[str | None, Field(max_length=MAX_SOURCE)] = None


class BlockChange(Body):
    """What may change about a layout or a partial."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    text: Annotated[str, Field(max_length=MAX_SOURCE)] | None = None
    html: Annotated[str, Field(max_length=MAX_SOURCE)] | None = None


class BlockOut(Resource):
    """A layout or a partial."""

    kind: str
    key: str
    title: str
    text: str
    html: str | None
