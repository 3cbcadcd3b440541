"""Scheduling: what schedules can run. Plugins add actions through the hook `task_actions`.

    class SendReport(TaskAction[ReportParams]):
        id = "reports.send"
        title = "Send a report"
        params = ReportParams
        permission = "reports.report.send"

        async def run(self, ctx: FireContext, params: ReportParams) -> JSON: ...

People choose an action and fill in its parameters; the scheduling plugin says when, and runs it with the rights of
whoever made the schedule.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel

from riveredge_sdk.ports import Port

ParamsT = TypeVar("ParamsT", bound=BaseModel)
JSON: TypeAlias = Any

# scheduled: on time. catch_up: late, because nothing ran when it was due. manual: somebody asked for it now.
# backfill: of a range in the past that somebody asked for.
FireKind = Literal["scheduled", "catch_up", "manual", "backfill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FireContext:
    """One run of a schedule's action.

    Args:
        fire_id: the same over all attempts; the key by which a repetition is told.
        task_id, task_key: the schedule.
        kind: why it runs.
        nominal_at: the instant of the plan it stands for, UTC; not delayed by jitter, load or retries.
        zone: the schedule's IANA time zone, for actions that ask which day it is.
        attempt: 1 for the first.
        missed_count: how many earlier instants of the plan this run stands for as well.
    """

    fire_id: UUID
    task_id: UUID
    task_key: str
    kind: FireKind
    nominal_at: datetime
    zone: str
    attempt: int = 1
    missed_count: int = 0


class ActionError(Exception):
    """The action did not succeed; the message is for people. Tried again unless `retry` is False.

    Args:
        retry_after: seconds until the next attempt, if the peer asked for it.
    """

    def __init__(self, message: str, *, retry: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after = retry_after


class TaskAction(ABC, Generic[ParamsT]):
    """Something that schedules can run. One object serves all tenants.

    Attributes:
        id: `<plugin>.<name>`.
        title, description: for people.
        params: the pydantic model of its parameters; its JSON Schema is the form. Forbid unknown fields, and give each
            field a title or description.
        permission: what the schedule's owner has to hold, when the schedule is saved and at every run; None: nothing
            besides the right to make schedules.
        idempotency: one sentence for people: what happens if it runs twice for one fire.
        transactional: `run` is called inside the unit of work that also notes the fire's end, so its effect happens
            exactly once, and many fires share a transaction. For actions that only write rows and publish events.
            Others are called outside of any unit of work, may do I/O, and may be repeated after a crash.
        retries: attempts after the first, where the schedule names none (0 to 20).
        timeout_s: seconds for one attempt, where the schedule names none (at most 3600).
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    params: type[ParamsT]
    permission: ClassVar[str | None] = None
    idempotency: ClassVar[str]
    transactional: ClassVar[bool] = False
    retries: ClassVar[int] = 3
    timeout_s: ClassVar[float] = 60

    async def check(self, params: ParamsT) -> None:
        """Refuse parameters that name what is not there. Called when a schedule is saved, in its unit of work.

        Raises:
            Invalid: with fields relative to the parameters (`template`, `to.0`).
        """

    @abstractmethod
    async def run(self, ctx: FireContext, params: ParamsT) -> JSON:
        """Do it, in the schedule's tenant and as its owner (`current_principal()`).

        Returns:
            A small JSON value, kept with the fire.

        Raises:
            ActionError: it failed; any other exception is a failure, too, and tried again.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSchedule:
    """A schedule that a plugin brings for every tenant where it is on. Tenants may only pause it.

    It runs with no person's rights, so its action must not need a permission.

    Args:
        id: `<plugin>.<name>`.
        cron: five fields, in the tenant's time zone.
        action: the id of a task action.
        params: its parameters.
    """

    id: str
    title: str
    cron: str
    action: str
    params: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


class Workdays(Protocol):
    """The port's interface: on which days an organisation works, by one of its calendars."""

    async def between(self, calendar: str, first: date, last: date) -> Sequence[date]:
        """The workdays from `first` to `last`, both included, in their order. Inside a unit of work.

        Args:
            calendar: its key.

        Raises:
            LookupError: there is no such calendar.
        """
        ...


WORKDAYS: Port[Workdays] = Port("scheduling.workdays", version=1)


__all__ = ["JSON", "WORKDAYS", "ActionError", "FireContext", "FireKind", "SystemSchedule", "TaskAction", "Workdays"]
