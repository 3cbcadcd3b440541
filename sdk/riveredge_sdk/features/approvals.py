"""Approvals: start them, act on what was decided, and add approvers, subjects and node types through the hooks.

request_id = await get_service(APPROVALS).start("purchase", form, subject=Subject("orders.order", order.id))
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk.events import EventType
from riveredge_sdk.functions import Subject
from riveredge_sdk.ports import Port

ConfigT = TypeVar("ConfigT", bound=BaseModel)
JSON: TypeAlias = Any
Outcome = Literal["approved", "rejected", "withdrawn", "terminated", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An instance of a process, as resolvers, nodes and subjects see it.

    Args:
        number: its serial number.
        submitter: whose request it is; department: from which she submitted it.
        form: the values at this moment; numbers may be decimal strings.
        node: where it stands, if it stands on one; visit: the id of this stay there.
        callback_url: where a node's result is posted to, once, if the drawing waits for one.
        choices: whom the submitter, or an approver before, has chosen to decide, by node.
        decided: who has decided so far, by node, in the order of their decisions.
        assignee: whose task it is about: where somebody is sought to whom an overdue one is escalated.
    """

    id: UUID
    process: str
    version: int
    number: str
    title: str
    submitter: UUID
    department: UUID | None
    form: Mapping[str, Any]
    subject: Subject | None = None
    node: str | None = None
    visit: UUID | None = None
    callback_url: str | None = None
    choices: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    decided: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    assignee: UUID | None = None


def mention(user_id: UUID) -> str:
    """Stands for a person in `Found.why`. It is kept like that, and shown as the name that they have by then."""
    return f"{{{user_id}}}"


@dataclass(frozen=True, slots=True)
class Found:
    """Who was found, in their order, and why.

    Args:
        why: as part of a sentence: `f"manager of {mention(submitter)} in Purchasing"`.
        texts: the same in other languages, by BCP 47 tag.
        warnings: what people who look after the organisation should know, in sentences; by BCP 47 tag, `en` among
            them, where there is one in more than one language.
    """

    users: Sequence[UUID]
    why: str
    warnings: Sequence[str | Mapping[str, str]] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


class ApproverResolver(ABC, Generic[ConfigT]):
    """A way to say who decides. Contributed by `Plugin.approver_resolvers`; one object serves all tenants.

    Attributes:
        id: `<plugin>.<name>`; drawings name it.
        config: what a drawing gives it; its JSON Schema is the designer's form.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    config: type[ConfigT]

    async def check(self, config: ConfigT) -> Sequence[str]:
        """What is wrong with a configuration in the current tenant, in sentences; asked when a process is published."""
        return ()

    @abstractmethod
    async def resolve(self, request: Request, config: ConfigT) -> Found:
        """Who it is now. Inside a unit of work; no I/O but the database. Nobody is an answer, too.

        Substitutes, duplicates and the submitter are looked after by the approvals plugin.
        """


class EffectError(Exception):
    """A node's work failed; the message is for people. Tried again unless `retry` is False."""

    def __init__(self, message: str, *, retry: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after = retry_after


class ApprovalNode(ABC, Generic[ConfigT]):
    """A type of node that does something. Contributed by `Plugin.approval_nodes`; one object serves all tenants.

    Attributes:
        id: `<plugin>.<name>`; it is the node's `type` in drawings.
        config: the rest of the node's `data`; its JSON Schema is the designer's form.
        retries, timeout_s: attempts after the first, and seconds for one attempt, where the drawing says nothing.
        waits: whether a drawing may let it wait for a call to `Request.callback_url`.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    config: type[ConfigT]
    retries: ClassVar[int] = 4
    timeout_s: ClassVar[float] = 60
    waits: ClassVar[bool] = False

    async def check(self, config: ConfigT) -> Sequence[str]:
        """What is wrong with a configuration in the current tenant, in sentences; asked when a process is published."""
        return ()

    @abstractmethod
    async def run(self, request: Request, config: ConfigT) -> Mapping[str, JSON]:
        """Do it, outside of any unit of work. May be repeated after a crash: `request.visit` tells a repetition.

        Returns:
            What the node's `save` may write into the form.

        Raises:
            EffectError: it failed; any other exception is a failure, too, and tried again.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectInfo:
    """What approvals show of a subject. `link` is a path of the console; `form` what its fields say."""

    title: str
    link: str | None = None
    form: Mapping[str, Any] = field(default_factory=dict)


class ApprovalSubject(ABC):
    """A kind of record that can be approved, and acts on the decision. Contributed by `Plugin.approval_subjects`.

    The methods run in units of work of the current tenant; those that tell something may come more than once.

    Attributes:
        type: `<plugin>.<thing>`.
    """

    type: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    async def describe(self, subject_id: str) -> SubjectInfo:
        """The record, for whoever submits it now.

        Raises:
            NotFound: there is none, or she may not see it.
            Conflict: it cannot be submitted as it stands.
        """

    async def on_submitted(self, request: Request) -> None:  # noqa: B027  (many need not know)
        """It is on its way: keep it from being changed, say. Inside the unit of work that submits it."""

    @abstractmethod
    async def on_closed(self, request: Request, outcome: Outcome) -> None:
        """It was decided, or taken back. Comes after the commit, at least once."""

    async def on_revoke(self, request: Request) -> None:  # noqa: B027  (many may be revoked)
        """An approval is taken back; inside the unit of work that does it.

        Raises:
            Conflict: what was approved has been used already.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """How a request stands.

    Args:
        status: `draft` (back with its submitter), `running`, `suspended`, or an `Outcome`.
        nodes: the labels of the nodes on which it waits.
        note: what was said at its end.
    """

    id: UUID
    process: str
    number: str
    title: str
    submitter: UUID
    status: str
    nodes: Sequence[str] = ()
    note: str = ""
    submitted_at: datetime | None = None
    finished_at: datetime | None = None


class Approvals(Protocol):
    """The port's interface. All of it happens in the running unit of work.

    Whether somebody may see or take back what a plugin asks about is the plugin's to know: nothing here asks.
    """

    async def start(
        self,
        process: str,
        form: Mapping[str, Any],
        *,
        subject: Subject | None = None,
        submitter: UUID | None = None,
        department: UUID | None = None,
        choices: Mapping[str, Sequence[UUID]] | None = None,
    ) -> UUID:
        """Submit a request; its id.

        Args:
            process: the key of a published process.
            submitter: whose request it is; None: the current user's.
            department: from which she submits; None: her main one.
            choices: whom the submitter chose, by node.

        Raises:
            Invalid: the form does not fit, naming the fields (`form.amount`).
            NotFound: there is no such process that could be started, or no such record.
            Conflict: the process is archived or not published, or the record cannot be submitted as it stands.
            Forbidden: the submitter may not start it.
        """
        ...

    async def state(self, instance_id: UUID) -> RequestState:
        """How a request stands.

        Raises:
            NotFound: there is none.
        """
        ...

    async def states_of(self, subject: Subject) -> Sequence[RequestState]:
        """The requests about a record, the latest first; at most 100."""
        ...

    async def withdraw(self, instance_id: UUID, *, reason: str = "") -> None:
        """Take a request back, as its submitter could.

        Raises:
            NotFound: there is none.
            Conflict: it has ended, or its process does not let it be withdrawn any more.
        """
        ...


APPROVALS: Port[Approvals] = Port("approvals.approvals", version=1)


class InstanceChanged(BaseModel):
    """A request, and how it stands. `outcome` is set at its end."""

    instance_id: UUID
    process: str
    number: str
    status: str
    outcome: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None


class TaskChanged(BaseModel):
    """A task, and how it stands."""

    task_id: UUID
    instance_id: UUID
    node: str
    assignee_id: UUID
    state: str
    at: datetime


class EffectUndone(BaseModel):
    """An effect that was done, and is not wanted any more.

    Attributes:
        visit_id: on which it was done; what a webhook had as its `Idempotency-Key`.
        effect: the type of the node: `webhook`, or `<plugin>.<name>`.
        result: what it came to.
        because: the request was `withdrawn`, `terminated`, `revoked` or `rejected` (where the node says so), or it was
            `returned`, or `jumped` back by an administrator: it may come that way again, by another visit then.
    """

    instance_id: UUID
    process: str
    number: str
    visit_id: UUID
    node: str
    effect: str
    result: Any
    because: str
    subject_type: str | None = None
    subject_id: str | None = None


INSTANCE_STARTED = EventType("approvals/instance.started", InstanceChanged, "A request was submitted")
INSTANCE_CLOSED = EventType("approvals/instance.closed", InstanceChanged, "A request was decided or taken back")
TASK_OPENED = EventType("approvals/task.opened", TaskChanged, "Somebody is asked to decide")
TASK_CLOSED = EventType("approvals/task.closed", TaskChanged, "A task was decided or closed")
EFFECT_COMPENSATE = EventType("approvals/effect.compensate", EffectUndone, "What was done is not wanted any more")


__all__ = [
    "APPROVALS",
    "EFFECT_COMPENSATE",
    "INSTANCE_CLOSED",
    "INSTANCE_STARTED",
    "JSON",
    "TASK_CLOSED",
    "TASK_OPENED",
    "ApprovalNode",
    "ApprovalSubject",
    "Approvals",
    "ApproverResolver",
    "EffectError",
    "EffectUndone",
    "Found",
    "InstanceChanged",
    "Outcome",
    "Request",
    "RequestState",
    "SubjectInfo",
    "TaskChanged",
    "mention",
]
