"""Bodies and answers of the inbox."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, model_validator

from riveredge_messaging.inbox.options import InboxAction, Label
from riveredge_messaging.templates.schemas import Locale
from riveredge_sdk import Body, ListQuery, Resource
from riveredge_sdk.problems import FieldError, Invalid

MAX_RESULT_BYTES = 4000

Category = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=100)]
View = Literal["active", "archived", "snoozed", "deleted", "all"]
Operation = Literal["seen", "read", "unread", "archive", "unarchive", "snooze", "unsnooze", "delete", "undelete"]


class InboxAnswer(BaseModel):
    """Which button was pressed, and what came of it."""

    action: str
    at: datetime
    result: dict[str, Any] | None = None


def _unpacked(tags: Any) -> Any:
    return [tag for tag in tags.split(",") if tag] if isinstance(tags, str) else tags


class InboxOut(Resource):
    """A message in one's inbox."""

    delivery_id: UUID
    subject: str
    text: str
    category: str
    tags: Annotated[list[str], BeforeValidator(_unpacked)]
    link: Annotated[str | None, Field(description="Where it leads: a path of this origin, or an https address.")]
    actions: list[InboxAction]
    answer: InboxAnswer | None
    shown_at: Annotated[datetime, Field(description="When it came, or came back after it was snoozed.")]
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None
    snoozed_until: datetime | None
    deleted_at: datetime | None


class Counters(BaseModel):
    """Of what is neither archived, snoozed nor deleted."""

    unseen: int
    unread: int


class TabCounters(Counters):
    """Of one tab."""

    tab: str


class InboxCounters(Counters):
    """Of the whole inbox, and of each tab."""

    tabs: list[TabCounters]


class InboxQuery(ListQuery):
    """Which part of the inbox."""

    view: Annotated[
        View, Field(description="active: neither archived, snoozed nor deleted. all: everything but the deleted.")
    ] = "active"
    tab: Annotated[str | None, Field(max_length=40, description="The key of a tab.")] = None


class InboxPage(BaseModel):
    """A page of one's inbox, newest first."""

    items: list[InboxOut]
    next: str | None
    unseen: Annotated[int, Field(description="Of the whole inbox.")]
    unread: Annotated[int, Field(description="Of the whole inbox.")]


class SnoozeIn(Body):
    """When it comes back."""

    until: AwareDatetime


class BulkIn(Body):
    """What to do, and to which items: those with the ids, or all of a view, a tab and a filter."""

    do: Operation
    until: Annotated[AwareDatetime | None, Field(description="For snooze: when they come back.")] = None
    ids: Annotated[list[UUID] | None, Field(min_length=1, max_length=500)] = None
    view: View | None = None
    tab: Annotated[str | None, Field(max_length=40)] = None
    filter: Annotated[dict[str, Any] | None, Field(description="As in lists, as an object.")] = None

    @model_validator(mode="after")
    def _one_selection(self) -> "BulkIn":
        if (self.ids is None) == (self.view is None):
            raise ValueError("give either ids or a view (and perhaps a tab and a filter)")
        if self.ids is not None and (self.tab is not None or self.filter is not None):
            raise ValueError("a tab and a filter go with a view, not with ids")
        if (self.do == "snooze") != (self.until is not None):
            raise ValueError("until goes with snooze, and with nothing else")
        return self


class BulkOut(Counters):
    """How many items have changed, and the counters after it."""

    changed: int


class AnswerIn(Body):
    """What came of the button, for whoever reads it later."""

    result: dict[str, Any] | None = None

    def checked(self) -> dict[str, Any] | None:
        """The result.

        Raises:
            Invalid: it is too large.
        """
        if self.result is not None and len(json.dumps(self.result)) > MAX_RESULT_BYTES:
            message = f"At most {MAX_RESULT_BYTES} bytes of JSON."
            raise Invalid("The result is too large.", errors=[FieldError("result", message, "too_large")])
        return self.result


def _titles(titles: dict[str, str]) -> dict[str, str]:
    if "en" not in titles:
        raise ValueError("give a title in English (en), for readers of languages without one")
    return titles


Titles = Annotated[
    dict[Locale, Annotated[str, Field(min_length=1, max_length=60)]],
    Field(min_length=1, max_length=30, description='By language: {"en": "Approvals", "zh-CN": "审批"}.'),
    AfterValidator(_titles),
]


class TabIn(Body):
    """A tab: it shows items of any of the categories, or with any of the tags."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
    titles: Titles
    categories: Annotated[list[Category], Field(default_factory=list, max_length=50)]
    tags: Annotated[list[Label], Field(default_factory=list, max_length=50)]
    position: Annotated[int, Field(ge=0, le=1000, description="Tabs are shown in this order.")] = 0


class TabChange(Body):
    """What may change about a tab."""

    titles: Titles | None = None
    categories: Annotated[list[Category], Field(max_length=50)] | None = None
    tags: Annotated[list[Label], Field(max_length=50)] | None = None
    position: Annotated[int, Field(ge=0, le=1000)] | None = None


class TabOut(Resource):
    """A tab of the inbox."""

    key: str
    title: Annotated[str, Field(description="In the reader's language.")]
    titles: Mapping[str, str]
    categories: list[str]
    tags: list[str]
    position: int
