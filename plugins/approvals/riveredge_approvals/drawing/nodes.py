"""What the `data` of each type of node holds. Unknown keys are kept: they are the designer's own."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from riveredge_approvals.drawing.assignees import Assignee
from riveredge_approvals.drawing.settings import OnEmpty, SelfApproval
from riveredge_approvals.ir.document import Act, Clock, Mode
from riveredge_sdk.conditions import Group

Right = Literal["edit", "read", "hidden"]
Fields = Annotated[
    dict[str, Right], Field(default_factory=dict, description="Rights by field; `*` is for those that are not named.")
]
Duration = Annotated[str, Field(max_length=40, description="ISO 8601, for example PT8H or P2D.")]

DEFAULT_ALLOW: Final[tuple[Act, ...]] = (
    "transfer",
    "delegate",
    "add_sign",
    "remove_sign",
    "return",
    "recall",
    "comment",
)


class Data(BaseModel):
    """Base of them."""

    model_config = ConfigDict(extra="allow")

    label: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=2000)] = ""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Start(Data):
    """Where requests begin."""

    fields: Fields


class Remind(_Part):
    """Reminders of a task: `max` times, each `every` so long. Those that are `urgent` are not held by quiet hours."""

    every: Duration
    max: Annotated[int, Field(ge=1, le=100)] = 1
    urgent: bool = False


class Timeout(_Part):
    """What happens to a task that waits too long. `to`: whom it goes to."""

    after: Duration | None = None
    clock: Clock = "calendar"
    remind: Remind | None = None
    action: Literal["none", "approve", "reject", "transfer", "escalate", "close"] = "none"
    to: Assignee | None = None


class OnReject(_Part):
    """What a rejection does; `to` is the node to return to."""

    action: Literal["end", "return", "edge"] = "end"
    to: str | None = None


class Handler(Data):
    """People do something and say so."""

    assignees: Annotated[list[Assignee], Field(default_factory=list, max_length=50)]
    pick: Annotated[Literal["all", "random"], Field(description="All who are found are asked, or one by lot.")] = "all"
    mode: Mode = "any"
    ratio: int | None = None
    count: Annotated[int | None, Field(ge=1)] = None
    weight_over: Annotated[int | None, Field(ge=0)] = None
    on_empty: OnEmpty | None = None
    self_approval: SelfApproval | None = None
    repeat_approver: Literal["inherit", "none", "adjacent", "any"] = "inherit"
    timeout: Timeout | None = None
    allow: tuple[Act, ...] = DEFAULT_ALLOW
    return_to: Literal["any", "start"] | list[str] = "any"
    comment: Literal["never", "optional", "on_reject", "always"] = "optional"
    signature: Literal["none", "drawn", "electronic"] = "none"
    fields: Fields
    claim: bool = False
    skip_when: Group | None = None


class Approver(Handler):
    """People decide."""

    reject: Literal["first", "all", "collect"] = "first"
    on_reject: Annotated[OnReject, Field(default_factory=OnReject)]
    abstain: bool = False
    auto: Literal["none", "approve", "reject"] = "none"


class Cc(Data):
    """People are told, and may read."""

    recipients: Annotated[list[Assignee], Field(default_factory=list, max_length=50)]
    when: Literal["each_visit", "once"] = "each_visit"
    fields: Fields


class Fork(Data):
    """Where ways part. What each way is for stands on its edge."""


class Join(Data):
    """Where the ways of a fork meet. `for` is the fork, and found by itself."""

    branch_reject: Literal["end", "arrive"] = "end"


class Delay(Data):
    """Waits for a time, or until an instant or the one in a field (`form.<name>`)."""

    for_: Annotated[Duration | None, Field(alias="for")] = None
    until: Annotated[str | None, Field(max_length=200)] = None
    clock: Clock = "calendar"


class OnError(_Part):
    """What a failure does."""

    action: Literal["incident", "ignore", "edge"] = "incident"


class Effect(Data):
    """What all nodes have that do something outside. The rest of `data` is the type's own configuration.

    `save` writes of the answer into the form: field by JSON pointer.
    """

    retries: Annotated[int | None, Field(ge=0, le=20, description="After the first attempt; none: its own.")] = None
    timeout_s: Annotated[int | None, Field(ge=1, le=60, description="For one attempt; none: its own.")] = None
    save: Annotated[dict[str, str], Field(default_factory=dict)]
    on_error: Annotated[OnError, Field(default_factory=OnError)]
    compensate_on_reject: Annotated[
        bool, Field(description="Tell whoever did it that it is not wanted any more when the request is rejected.")
    ] = False


class Webhook(Effect):
    """Calls an address of a connection; may wait for it to call back."""

    connection: Annotated[str, Field(min_length=1, max_length=100)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, Field(max_length=2000)] = ""
    headers: Annotated[dict[str, str], Field(default_factory=dict)]
    body: Any = None
    wait_callback: bool = False
    callback_timeout: Duration | None = None


class Notify(Effect):
    """Sends a message."""

    recipients: Annotated[list[Assignee], Field(default_factory=list, max_length=50)]
    template: Annotated[str, Field(min_length=1, max_length=200)]


class Subflow(Data):
    """Another process, as a part of this one."""

    process: Annotated[str, Field(min_length=1, max_length=100)]
    version: Literal["latest"] | Annotated[int, Field(ge=1)] = "latest"
    wait: bool = True
    starter: Annotated[str, Field(pattern=r"^(initiator|form\.[^\s]{1,100})$")] = "initiator"
    map_in: Annotated[dict[str, str], Field(default_factory=dict)]
    map_out: Annotated[dict[str, str], Field(default_factory=dict)]
    on_reject: Annotated[OnReject, Field(default_factory=OnReject)]


class End(Data):
    """Where requests end."""

    result: Literal["approved", "rejected"] = "approved"


TYPES: Final[Mapping[str, type[Data]]] = {
    "start": Start,
    "approver": Approver,
    "handler": Handler,
    "cc": Cc,
    "condition": Fork,
    "parallel": Fork,
    "inclusive": Fork,
    "join": Join,
    "delay": Delay,
    "webhook": Webhook,
    "notify": Notify,
    "script": Effect,
    "print": Effect,
    "sign": Effect,
    "subflow": Subflow,
    "end": End,
}
HUMAN: Final = frozenset({"approver", "handler"})
FORKS: Final = frozenset({"condition", "parallel", "inclusive"})
TOKENS: Final = frozenset({"parallel", "inclusive"})
OWN_EFFECTS: Final = frozenset({"webhook", "notify"})
# Types that stand for what other plugins bring.
ALIASES: Final[Mapping[str, str]] = {"script": "scripts.script", "print": "print.print", "sign": "records.sign"}


def data_model(node_type: str) -> type[Data] | None:
    """The model of a type's data; types of plugins are named `<plugin>.<kind>`. None: there is no such type."""
    return TYPES.get(node_type) or (Effect if "." in node_type else None)


def effect_id(node_type: str) -> str:
    """Which effect it is: ours by its name, others by `<plugin>.<kind>`."""
    return ALIASES.get(node_type, node_type)


def handles(node_type: str) -> frozenset[str]:
    """The named exits besides the main one that a type of node may have."""
    if node_type in {"approver", "subflow"}:
        return frozenset({"rejected"})
    model = data_model(node_type)
    return frozenset({"error"}) if model is not None and issubclass(model, Effect) else frozenset()
