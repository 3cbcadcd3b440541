"""The engine's records, as they travel between its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class RunStatus(StrEnum):
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class Kind(StrEnum):
    """What a queue item does when it is due."""

    START = "start"
    DISCOVER = "discover"
    STEP = "step"
    GATEWAY = "gateway"
    SLEEP = "sleep"
    WAIT_TIMEOUT = "wait"
    INVOKE_TIMEOUT = "invoke"
    START_TIMEOUT = "start-timeout"
    FINISH_TIMEOUT = "finish-timeout"
    DEBOUNCE = "debounce"
    BATCH = "batch"
    CRON = "cron"
    INTAKE = "intake"


CALLS = frozenset({Kind.START, Kind.DISCOVER, Kind.STEP, Kind.GATEWAY})


@dataclass(frozen=True, slots=True)
class Event:
    """A received event: `id` is the engine's, `external_id` the sender's (may be empty), `body` what functions see."""

    id: str
    name: str
    external_id: str
    ts: int
    received_at: int
    body: dict[str, Any]


class RunKeys(NamedTuple):
    """Key values of a run, evaluated once when it is scheduled; `priority` is in seconds."""

    concurrency: tuple[str, ...] = ()
    throttle: str = ""
    priority: int = 0


@dataclass(slots=True)
class Run:
    """One execution of a function. `output` and `last_error` are JSON text."""

    id: str
    function_id: str
    function_version: int
    event_id: str
    status: str
    queued_at: int
    started_at: int | None
    ended_at: int | None
    output: str | None
    keys: RunKeys
    singleton: str | None
    planned: bool
    racing: bool
    state_size: int
    batch: bool
    invoked: bool
    last_error: str | None


@dataclass(slots=True)
class Item:
    """Something due: a call to an app, or a timer."""

    id: int
    job: str
    kind: str
    due: int
    run_id: str
    function_id: str
    step: str = ""
    attempt: int = 0
    payload: dict[str, Any] | None = None
    keys: RunKeys | None = None


class Memo(NamedTuple):
    """A finished step; `json` is its memo as the SDK reads it."""

    hash: str
    json: str


@dataclass(slots=True)
class Step:
    """A step as reading shows it."""

    hash: str
    op: str
    name: str
    done: bool
    memo: str | None
    at: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to an app, for tests and inspection; `duration` in seconds, `status` 0 when there was no answer."""

    run_id: str
    function: str
    step: str
    attempt: int
    status: int
    duration: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A run that an event wakes (`kind` wait) or ends (`kind` cancel)."""

    id: int
    kind: str
    run_id: str
    step: str
    event_name: str
    condition: str | None
    term_path: str = ""
    term_value: str = ""
    expires_at: int = 0


class Cancellation(NamedTuple):
    """Cancels a function's runs that are created within [`since`, `until`] and whose event meets `condition`."""

    id: str
    function_id: str
    since: int
    until: int
    condition: str | None
    created_at: int


@dataclass(slots=True)
class Sequence:
    """Row numbers handed out in the process, so that no statement needs the database's own."""

    last: int = field(default=0)

    def next(self) -> int:
        self.last += 1
        return self.last
