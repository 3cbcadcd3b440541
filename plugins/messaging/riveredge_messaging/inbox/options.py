"""What a message has besides its texts, in inboxes and in browsers: where it leads, its tags and its buttons."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from riveredge_messaging.inbox.links import check_link
from riveredge_sdk import Body
from riveredge_sdk.features.messaging import PermanentFailure, RenderedMessage
from riveredge_sdk.problems import field_errors

MAX_ACTIONS = 4

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=50)]
Link = Annotated[str, AfterValidator(check_link)]


class InboxAction(Body):
    """A button below a message. With a link it leads there, too."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    label: Annotated[str, Field(min_length=1, max_length=80)]
    style: Literal["primary", "secondary"] = "secondary"
    link: Link | None = None


class InboxOptions(Body):
    """What a template says for the inbox besides its texts."""

    link: Link | None = None
    tags: list[Label] = Field(default_factory=list, max_length=10)
    actions: list[InboxAction] = Field(default_factory=list, max_length=MAX_ACTIONS)

    @model_validator(mode="after")
    def _tell_apart(self) -> "InboxOptions":
        if len({action.id for action in self.actions}) < len(self.actions):
            raise ValueError("two actions have the same id")
        if sum(action.style == "primary" for action in self.actions) > 1:
            raise ValueError("at most one action is primary")
        return self


def read_options(message: RenderedMessage) -> InboxOptions:
    """The options of a message, as its template and its data have made them.

    Raises:
        PermanentFailure: one of them is not right; the text names it, and where it is mended.
    """
    try:
        return InboxOptions.model_validate(message.options)
    except ValidationError as error:
        first = field_errors(error.errors(), message.options)[0]
        about = f"{first.field} of the message" if first.field else "The message"
        raise PermanentFailure(
            f"{about} is not right: {first.message}. Mend it in the template, or in the data that it is made of."
        ) from None
