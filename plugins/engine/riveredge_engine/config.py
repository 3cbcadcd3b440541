"""What an app registers: functions with triggers and flow control, parsed and validated.

The limits are those of the public protocol: a configuration accepted here is accepted by an Inngest server too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from .durations import DAY, HOUR, MINUTE, SECOND, parse_duration
from .errors import ConfigError
from .expressions import ExpressionError, compile_expression
from .schedule import CronSchedule

T = TypeVar("T")
DEFAULT_RETRIES = 4
MAX_RETRIES = 20
_EVENT_NAME = re.compile(r"[^*]+|(?:[^*]*[./])?\*")


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Runs of an event by name; a name may end in `/*` or `.*`."""

    event: str
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """Runs on a schedule of five fields, optionally behind `TZ=…`, each tick up to `jitter_ms` late."""

    cron: str
    jitter_ms: int = 0


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` steps execute at once for each value of `key` within the scope."""

    limit: int
    key: str | None
    scope: Literal["fn", "env", "account"]


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` starts in `period_ms` for each value of `key`; `burst` of them may come at once."""

    limit: int
    period_ms: int
    key: str | None
    burst: int = 1


@dataclass(frozen=True, slots=True)
class Debounce:
    period_ms: int
    timeout_ms: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    max_size: int
    timeout_ms: int
    key: str | None
    condition: str | None


@dataclass(frozen=True, slots=True)
class Singleton:
    mode: Literal["skip", "cancel"]
    key: str | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """An event that cancels running runs when `condition` holds, up to `timeout_ms` after the start."""

    event: str
    condition: str | None
    timeout_ms: int | None


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """One registered function. Durations are milliseconds, `url` is where it is called."""

    slug: str
    name: str
    url: str
    retries: int
    triggers: tuple[EventTrigger | CronTrigger, ...]
    concurrency: tuple[Concurrency, ...] = ()
    throttle: Rate | None = None
    rate_limit: Rate | None = None
    debounce: Debounce | None = None
    batch: Batch | None = None
    singleton: Singleton | None = None
    cancel: tuple[Cancel, ...] = ()
    priority: str | None = None
    idempotency: str | None = None
    start_timeout_ms: int | None = None
    finish_timeout_ms: int | None = None


def parse_function(raw: Mapping[str, Any]) -> FunctionConfig:
    """Read one function of a registration payload. Raises ConfigError with the function's id in its text."""
    slug = raw.get("id")
    if not isinstance(slug, str) or not slug:
        raise ConfigError("a function has no id")
    try:
        return _parse(slug, raw)
    except ConfigError as error:
        raise ConfigError(f"{slug}: {error.message}") from error
    except ExpressionError as error:
        raise ConfigError(f"{slug}: invalid expression: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{slug}: invalid configuration: {error}") from error


def _parse(slug: str, raw: Mapping[str, Any]) -> FunctionConfig:
    steps = raw.get("steps") or {}
    if len(steps) != 1:
        raise ConfigError("exactly one step is expected")
    step = next(iter(steps.values()))
    retries = int((step.get("retries") or {}).get("attempts", DEFAULT_RETRIES))
    _demand(0 <= retries <= MAX_RETRIES, f"retries must be between 0 and {MAX_RETRIES}")
    timeouts = raw.get("timeouts") or {}
    config = FunctionConfig(
        slug=slug,
        name=str(raw.get("name") or slug),
        url=str(step["runtime"]["url"]),
        retries=retries,
        triggers=_triggers(raw.get("triggers") or ()),
        concurrency=_concurrency(raw.get("concurrency") or ()),
        throttle=_optional(raw, "throttle", _throttle),
        rate_limit=_optional(raw, "rateLimit", _rate_limit),
        debounce=_optional(raw, "debounce", _debounce),
        batch=_optional(raw, "batchEvents", _batch),
        singleton=_optional(raw, "singleton", _singleton),
        cancel=_cancels(raw.get("cancel") or ()),
        priority=_expression((raw.get("priority") or {}).get("run")),
        idempotency=_expression(raw.get("idempotency")),
        start_timeout_ms=_optional(timeouts, "start", parse_duration),
        finish_timeout_ms=_optional(timeouts, "finish", parse_duration),
    )
    if config.batch and (config.cancel or config.debounce or config.singleton or config.priority):
        raise ConfigError("batchEvents excludes cancel, debounce, singleton and priority")
    return config


def _triggers(raw: Sequence[Mapping[str, Any]]) -> tuple[EventTrigger | CronTrigger, ...]:
    _demand(1 <= len(raw) <= 10, "between 1 and 10 triggers are allowed")
    triggers = tuple(_cron_trigger(item) if "cron" in item else _event_trigger(item) for item in raw)
    crons = [trigger.cron for trigger in triggers if isinstance(trigger, CronTrigger)]
    _demand(len(crons) == len(set(crons)), "a cron schedule stands twice")
    return triggers


def _event_trigger(raw: Mapping[str, Any]) -> EventTrigger:
    name = raw["event"]
    _demand(0 < len(name) <= 255, "an event name has 1 to 255 characters")
    _demand(_EVENT_NAME.fullmatch(name) is not None, "a wildcard stands only at the end, after '/' or '.'")
    return EventTrigger(name, _expression(raw.get("expression")))


def _cron_trigger(raw: Mapping[str, Any]) -> CronTrigger:
    jitter = _optional(raw, "jitter", parse_duration) or 0
    _demand(jitter == 0 or SECOND <= jitter <= 5 * MINUTE, "jitter must be between 1s and 5m")
    CronSchedule.parse(raw["cron"])
    return CronTrigger(raw["cron"], jitter)


def _concurrency(raw: Sequence[Mapping[str, Any]]) -> tuple[Concurrency, ...]:
    _demand(len(raw) <= 2, "at most 2 concurrency limits are allowed")
    limits = []
    for item in raw:
        scope = cast("Literal['fn', 'env', 'account']", item.get("scope") or "fn")
        _demand(scope in {"fn", "env", "account"}, f"unknown concurrency scope {scope!r}")
        _demand(scope == "fn" or bool(item.get("key")), f"a concurrency limit of scope {scope!r} needs a key")
        _demand(int(item["limit"]) >= 1, "a concurrency limit is at least 1")
        limits.append(Concurrency(int(item["limit"]), _expression(item.get("key")), scope))
    return tuple(limits)


def _throttle(raw: Mapping[str, Any]) -> Rate:
    return Rate(*_limit_and_period(raw), _expression(raw.get("key")), max(1, int(raw.get("burst") or 1)))


def _rate_limit(raw: Mapping[str, Any]) -> Rate:
    limit, period = _limit_and_period(raw)
    _demand(period <= DAY, "the period of a rate limit is at most 24h")
    return Rate(limit, period, _expression(raw.get("key")), burst=limit)


def _limit_and_period(raw: Mapping[str, Any]) -> tuple[int, int]:
    limit, period = int(raw["limit"]), parse_duration(raw["period"])
    _demand(limit >= 1 and period >= SECOND, "a limit is at least 1 and a period at least 1s")
    return limit, period


def _debounce(raw: Mapping[str, Any]) -> Debounce:
    period = parse_duration(raw["period"])
    _demand(SECOND <= period <= 7 * DAY, "the period of a debounce is between 1s and 7d")
    return Debounce(period, _optional(raw, "timeout", parse_duration), _expression(raw.get("key")))


def _batch(raw: Mapping[str, Any]) -> Batch:
    size = int(raw["maxSize"])
    timeout = _optional(raw, "timeout", parse_duration) or MINUTE
    _demand(2 <= size <= 100 and SECOND <= timeout <= HOUR, "a batch has 2 to 100 events and a timeout of 1s to 1h")
    return Batch(size, timeout, _expression(raw.get("key")), _expression(raw.get("if")))


def _singleton(raw: Mapping[str, Any]) -> Singleton:
    _demand(raw["mode"] in {"skip", "cancel"}, f"unknown singleton mode {raw['mode']!r}")
    return Singleton(cast("Literal['skip', 'cancel']", raw["mode"]), _expression(raw.get("key")))


def _cancels(raw: Sequence[Mapping[str, Any]]) -> tuple[Cancel, ...]:
    _demand(len(raw) <= 5, "at most 5 cancellations are allowed")
    return tuple(
        Cancel(item["event"], _expression(item.get("if")), _optional(item, "timeout", parse_duration)) for item in raw
    )


def _expression(text: str | None) -> str | None:
    if text is not None:
        compile_expression(text)
    return text or None


def _optional(raw: Mapping[str, Any], key: str, parse: Callable[[Any], T]) -> T | None:
    value = raw.get(key)
    return None if value is None else parse(value)


def _demand(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
