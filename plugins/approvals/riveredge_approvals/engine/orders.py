"""What the core wants done outside: collected while tokens move, carried out in the same unit of work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from riveredge_approvals.models import Task, Visit


@dataclass(frozen=True, slots=True)
class VisitOpened:
    """A token came to a node and stays; deadlines of people's nodes are to be set."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class VisitClosed:
    """It has gone; the visit's timers are void."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class TaskOpened:
    """Somebody can decide now, and is to be told."""

    task: Task


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """Nobody can decide on it any more."""

    task: Task


@dataclass(frozen=True, slots=True)
class EffectDue:
    """The visit's effect is to be done; its result comes back as an input."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class DelayDue:
    """The visit waits for a time; the timer comes back as an input."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class SubflowDue:
    """A child is to be started for the visit; its end comes back as an input."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class Copied:
    """People are to know."""

    visit: Visit
    users: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Reminded:
    """Whoever is still asked on the visit is to be reminded. `count` is 1 for the first time."""

    visit: Visit
    count: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """The visit's deadline has passed; its action is under way."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class Raised:
    """The visit is an incident: somebody has to mend something."""

    visit: Visit
    message: str


@dataclass(frozen=True, slots=True)
class Started:
    """The instance was submitted, perhaps `again`."""

    again: bool


@dataclass(frozen=True, slots=True)
class ToSubmitter:
    """It went back to its submitter, who may change and submit it again."""

    by: UUID | None


@dataclass(frozen=True, slots=True)
class Undone:
    """The visit's effect was done, and is not wanted any more: `because` the instance was `withdrawn`, say."""

    visit: Visit
    because: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The instance has ended; its status says how."""

    before: str


Order: TypeAlias = (
    VisitOpened
    | VisitClosed
    | TaskOpened
    | TaskClosed
    | EffectDue
    | DelayDue
    | SubflowDue
    | Copied
    | Reminded
    | Overdue
    | Raised
    | Started
    | ToSubmitter
    | Undone
    | Closed
)
