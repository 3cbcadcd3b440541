"""Bodies and answers of the routes of processes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_sdk import Body, Resource

Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="By which requests name it; lower-case letters, digits, - and _.",
    ),
]
Title = Annotated[str, Field(min_length=1, max_length=200)]


class ProcessIn(Body):
    """A new process. Its drawing is written to /draft."""

    key: Key
    title: Title
    description: Annotated[str, Field(max_length=2000)] = ""
    category: Annotated[str, Field(max_length=100, description="By which people find it.")] = ""
    icon: Annotated[str, Field(max_length=100)] = ""


class ProcessChange(Body):
    """What of a process changes; its key never does, because requests and other programs name it."""

    title: Title | None = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    category: Annotated[str | None, Field(max_length=100)] = None
    icon: Annotated[str | None, Field(max_length=100)] = None


class ProcessOut(Resource):
    """A process."""

    key: str
    title: str
    description: str
    category: str
    icon: str
    draft_rev: int = Field(description="Counts changes of the draft; send it when you write the draft.")
    published: int | None = Field(description="The version on which new requests run.")
    last_version: int
    archived_at: datetime | None


class DraftIn(Body):
    """The drawing being worked on, with its form."""

    revision: Annotated[
        int, Field(ge=1, le=2**31 - 1, description="The `revision` you have read: another's change is not lost.")
    ]
    diagram: Annotated[dict[str, Any], Field(description="A drawing, `flow/1`.")]
    form_schema: Annotated[
        dict[str, Any], Field(default_factory=dict, description="The form: JSON Schema of an object, draft 2020-12.")
    ]


class DraftOut(BaseModel):
    """The drawing being worked on."""

    revision: int
    diagram: dict[str, Any]
    form_schema: dict[str, Any]
    dropped: list[str] = Field(default_factory=list, description="Paths of what a drawing does not keep.")
    compiles: bool
    problem: str | None = Field(description="Why it cannot be published as it is.")


Acknowledge = Annotated[
    Literal["all"] | list[Annotated[str, Field(max_length=64)]],
    Field(default_factory=list, description="Codes of warnings that somebody has looked at, or `all`."),
]


class PublishIn(Body):
    """What is published, and why."""

    revision: Annotated[int, Field(ge=1, le=2**31 - 1, description="The `revision` of the draft you have looked at.")]
    note: Annotated[str, Field(max_length=2000, description="What has changed; kept with the version.")] = ""
    acknowledge: Acknowledge


class RollBackIn(Body):
    """Which version comes back."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    note: Annotated[str, Field(max_length=2000)] = ""
    acknowledge: Acknowledge


class VersionOut(BaseModel):
    """A published drawing."""

    id: UUID
    number: int
    checksum: str = Field(description="The same for drawings that do the same, wherever their nodes lie.")
    note: str
    published_at: datetime
    published_by: UUID | None


class VersionDetail(VersionOut):
    """A published drawing with its form and its compiled form."""

    diagram: dict[str, Any]
    form_schema: dict[str, Any]
    compiled: dict[str, Any]
