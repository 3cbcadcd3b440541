"""The compiled form of a process, `flow-ir/1`.

Everything is resolved: defaults are filled in, durations are seconds, numbers decimal strings, conditions nested lists
such as `["gt", "form.amount", "5000"]`. Compiling is pure: the same drawing gives the same checksum, and moving a node
on the canvas does not change it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_serializer

Clock = Literal["calendar", "working"]
Mode = Literal["any", "all", "sequential", "ratio", "n_of_m", "weight"]
Act = Literal["transfer", "delegate", "add_sign", "remove_sign", "return", "recall", "cc", "comment", "edit"]

# True, or [op, field, value], ["between", field, low, high], ["all" | "any" | "none", condition, …].
Condition: TypeAlias = list[Any] | Literal[True]


class Part(BaseModel):
    """Base of the parts of the document: unchangeable, and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Exit(Part):
    """Where a token goes: the edge of the drawing, and the node at its end."""

    edge: str
    to: str


class Branch(Exit):
    """An exit that is taken if its condition holds."""

    when: Condition


class Selector(Part):
    """Who: one line of a node's assignees or recipients. `weight` counts in the mode `weight`."""

    resolver: str
    config: Mapping[str, Any] = {}
    weight: int = 1


class Tally(Part):
    """When a node's decisions suffice.

    `ratio` is percent of the roster without those who abstain; `count` is k of n; `over` is the weight that the
    approvals have to exceed.
    """

    mode: Mode = "any"
    reject: Literal["first", "all", "collect"] = "first"
    ratio: int = 100
    count: int = 1
    over: int = 0


class Empty(Part):
    """What happens where nobody is found."""

    action: Literal["admin", "approve", "reject", "users", "block"] = "admin"
    users: tuple[str, ...] = ()


class Policies(Part):
    """What happens where the submitter is to decide, where somebody has approved before, and where many or none are."""

    self_approval: Literal["self", "skip", "manager", "department_head", "forbid"] = "manager"
    repeat_approver: Literal["none", "adjacent", "any"] = "none"
    pick: Literal["all", "random"] = "all"
    empty: Empty = Empty()


class Deadline(Part):
    """A timer of each visit of a node. The reminder fires `repeat` times, the deadline once."""

    name: Literal["remind", "deadline"]
    after_s: int
    clock: Clock = "calendar"
    repeat: int = 1
    urgent: bool = False
    action: Literal["none", "approve", "reject", "transfer", "escalate", "close"] = "none"
    to: Selector | None = None


class OnReject(Part):
    """What a rejection does: end the instance, go back to a node, or leave by the exit `rejected`."""

    action: Literal["end", "return", "edge"] = "end"
    to: str | None = None


class _Node(Part):
    """What all nodes have.

    Attributes:
        next: exits by outcome: `passed`, and where the drawing has them `rejected` and `error`.
        region: the forks around it, outermost first, each with the number of the branch.
        dominators: the nodes that every path to it passes, nearest last.
    """

    label: str = ""
    next: Mapping[str, Exit] = {}
    region: tuple[tuple[str, int], ...] = ()
    dominators: tuple[str, ...] = ()


class StartNode(_Node):
    kind: Literal["start"] = "start"
    fields: Mapping[str, str] = {}


class HumanNode(_Node):
    """People decide (`approver`), or do something and say so (`handler`, which knows no rejection)."""

    kind: Literal["approver", "handler"] = "approver"
    roster: tuple[Selector, ...]
    tally: Tally = Tally()
    policies: Policies = Policies()
    deadlines: tuple[Deadline, ...] = ()
    on_reject: OnReject = OnReject()
    return_targets: tuple[str, ...] = ()
    allow: frozenset[Act] = frozenset()
    abstain: bool = False
    claim: bool = False
    comment: Literal["never", "optional", "on_reject", "always"] = "optional"
    signature: Literal["none", "drawn", "electronic"] = "none"
    fields: Mapping[str, str] = {}
    skip_when: Condition | None = None
    auto: Literal["none", "approve", "reject"] = "none"

    @field_serializer("allow")
    def _in_order(self, allow: frozenset[Act]) -> list[Act]:
        # A set has no order, and checksums need one.
        return sorted(allow)


class CcNode(_Node):
    kind: Literal["cc"] = "cc"
    recipients: tuple[Selector, ...]
    when: Literal["each_visit", "once"] = "each_visit"
    fields: Mapping[str, str] = {}


class ChoiceNode(_Node):
    """The first branch whose condition holds is taken; the last one always does."""

    kind: Literal["choice"] = "choice"
    branches: tuple[Branch, ...]


class ForkNode(_Node):
    """`parallel`: all branches are taken; `inclusive`: those whose conditions hold, or the last one if none does."""

    kind: Literal["parallel", "inclusive"] = "parallel"
    branches: tuple[Branch, ...]
    join: str


class JoinNode(_Node):
    """Waits for all branches of its fork that were taken. A rejected one ends the instance, or counts as arrived."""

    kind: Literal["join"] = "join"
    fork: str
    branch_reject: Literal["end", "arrive"] = "end"


class DelayNode(_Node):
    """Waits `for_s` seconds, or until a field's or a fixed instant (`until`: `form.<name>`, or ISO 8601)."""

    kind: Literal["delay"] = "delay"
    for_s: int | None = None
    until: str | None = None
    clock: Clock = "calendar"


class OnError(Part):
    """What a failed effect does."""

    action: Literal["incident", "ignore", "edge"] = "incident"


class EffectNode(_Node):
    """Something outside happens: `webhook`, `notify`, or what a plugin brings (`effect` is `<plugin>.<name>`).

    `retries` and `timeout_s` of one attempt are the effect's own where they are None.
    """

    kind: Literal["effect"] = "effect"
    effect: str
    config: Mapping[str, Any] = {}
    retries: int | None = None
    timeout_s: int | None = None
    wait_callback: bool = False
    callback_timeout_s: int | None = None
    save: Mapping[str, str] = {}
    on_error: OnError = OnError()
    compensate_on_reject: bool = False


class SubflowNode(_Node):
    """Another process. `starter` is whose request it is: the submitter, or a field that names somebody."""

    kind: Literal["subflow"] = "subflow"
    process: str
    version: int | None = None
    wait: bool = True
    starter: str = "initiator"
    map_in: Mapping[str, str] = {}
    map_out: Mapping[str, str] = {}
    on_reject: OnReject = OnReject()


class EndNode(_Node):
    kind: Literal["end"] = "end"
    result: Literal["approved", "rejected"] = "approved"


Node: TypeAlias = Annotated[
    StartNode | HumanNode | CcNode | ChoiceNode | ForkNode | JoinNode | DelayNode | EffectNode | SubflowNode | EndNode,
    Field(discriminator="kind"),
]


def exits_of(node: Node) -> Sequence[Exit]:
    """All ways out of a node."""
    return node.branches if isinstance(node, ChoiceNode | ForkNode) else tuple(node.next.values())


class Needs(Part):
    """What the process cannot do without; looked at when it is published, and when one of these disappears."""

    resolvers: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


class Limits(Part):
    """How large it is."""

    nodes: int
    max_parallel: int
    longest_path: int


class Who(Part):
    """Somebody named in the settings: `everyone`, or a user, role, department or group."""

    type: Literal["everyone", "user", "role", "department", "group"]
    value: str | None = None


class Settings(Part):
    """What holds for the whole process. Notifications are template ids; None sends none."""

    title: str = ""
    start: tuple[Who, ...] = (Who(type="everyone"),)
    withdraw: Literal["until_final", "until_first_decision", "never"] = "until_final"
    revoke_minutes: int = 0
    admins: tuple[Who, ...] = ()
    resubmit: Literal["replay", "direct"] = "replay"
    calendar: str | None = None
    serial: str = "AP-{year}-{number:06}"
    summary: tuple[str, ...] = ()
    notify: Mapping[str, str | None] = {}
    mail_approval: Literal["confirm", "login", "off"] = "confirm"


class CompiledFlow(Part):
    """A published process. `types` are those of the form's fields, for conditions: `{"form.amount": "number"}`."""

    ir: Literal["flow-ir/1"] = "flow-ir/1"
    process: str
    version: int
    checksum: str
    entry: str
    settings: Settings = Settings()
    types: Mapping[str, str] = {}
    nodes: Mapping[str, Node]
    needs: Needs = Needs()
    limits: Limits


__all__ = [
    "Act",
    "Branch",
    "CcNode",
    "ChoiceNode",
    "Clock",
    "CompiledFlow",
    "Condition",
    "Deadline",
    "DelayNode",
    "EffectNode",
    "Empty",
    "EndNode",
    "Exit",
    "ForkNode",
    "HumanNode",
    "JoinNode",
    "Limits",
    "Mode",
    "Needs",
    "Node",
    "OnError",
    "OnReject",
    "Policies",
    "Selector",
    "Settings",
    "StartNode",
    "SubflowNode",
    "Tally",
    "Who",
    "exits_of",
]
