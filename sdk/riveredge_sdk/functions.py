"""Durable functions: what to run, when, under which limits.

The handler is an ordinary Inngest function: it gets Inngest's own `Context` (`ctx.step.run`, `ctx.step.sleep`, …), so
Inngest's documentation holds, and the validated payload::

    async def deliver(ctx: FunctionContext, event: DeliveryDue) -> None:
        @unit_of_work()
        async def accept() -> str: ...

        await ctx.step.run("accept", accept)

    DELIVER = FunctionSpec(id="messaging.deliver", title="Deliver a message", trigger=DELIVERY_DUE, handler=deliver)

The kernel enters the event's tenant before it calls the handler, mirrors the run's status into the database and adds
the per-tenant concurrency limit. A step may be repeated after a crash: make it idempotent.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inngest import (
    Batch,
    Cancel,
    Concurrency,
    Debounce,
    NonRetriableError,
    Priority,
    RateLimit,
    RetryAfterError,
    Singleton,
    StepError,
    Throttle,
    Timeouts,
)
from inngest import Context as FunctionContext
from inngest import Event as InngestEvent
from pydantic import BaseModel, ValidationError

from riveredge_sdk.events import RESERVED_KEYS, EventType

PayloadT = TypeVar("PayloadT", bound=BaseModel)
JSON: TypeAlias = Any
Handler: TypeAlias = Callable[[FunctionContext, PayloadT], Awaitable[JSON]]

# Inngest's limits.
MAX_TRIGGERS = 10
MAX_RETRIES = 20
MAX_BATCH = 100


@dataclass(frozen=True, slots=True)
class Cron:
    """A fixed schedule of five fields, for example `Cron("0 3 * * *", zone="Europe/Berlin")`. Needs `system=True`.

    Tenants' own schedules are the scheduling plugin's; this is for a plugin's housekeeping.
    """

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise ValueError(f"cron {self.expression!r}: expected five fields")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"cron {self.expression!r}: there is no time zone {self.zone!r}") from None


class CronTick(BaseModel):
    """The payload of a function that a `Cron` started."""

    scheduled_at: datetime | None = None


class Failure(BaseModel):
    """What `on_failure` receives after the last attempt: the error's name and message, and the payload's raw data."""

    run_id: str
    error: str
    message: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PerTenant:
    """How many steps of one function may run at the same time for one tenant, so that none starves the others."""

    limit: int = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that a run serves: shown beside the run, and runs are found by it.

    `type` is `<plugin>.<thing>`, `id` the object's id; both up to 100 characters.
    """

    type: str
    id: UUID | str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec(Generic[PayloadT]):
    """A durable function.

    Args:
        id: `<plugin>.<name>`; Inngest sees it with a dash.
        trigger: an event type, a `Cron`, or several event types with the same payload; also a `Cron` among them, if
            that payload is `CronTick`.
        handler: called with Inngest's context and the payload; returns a JSON value.
        condition: CEL expression over `event`, for example `event.data.channel == 'email'`.
        system: runs without a tenant (platform housekeeping). Events that carry no tenant are refused otherwise.
        retries: attempts after the first, per step (0 to 20).
        per_tenant: the tenant concurrency limit the kernel adds; None for none.
        on_failure: called under the same tenant when the run has failed for good, in a step of its own: it takes
            none itself, and may be repeated.
        subject: the object that a run with this payload serves, for example
            `lambda event: Subject("messaging.delivery", event.delivery_id)`.
        batch: one run for several events; the handler gets the first one's payload, and `payloads` gives all.
        The others are Inngest's own configuration. What drops, merges or ends runs (rate limit, debounce, singleton,
        idempotency, batch, cancel) works within each tenant, whatever its key; throttle and concurrency only delay,
        and hold for all tenants together unless their key says otherwise.
    """

    id: str
    title: str
    trigger: EventType[PayloadT] | Cron | Sequence[EventType[PayloadT] | Cron]
    handler: Handler[PayloadT]
    description: str = ""
    condition: str | None = None
    system: bool = False
    retries: int = 4
    per_tenant: PerTenant | None = PerTenant()
    on_failure: Callable[[FunctionContext, Failure], Awaitable[None]] | None = None
    subject: Callable[[PayloadT], Subject | None] | None = None
    concurrency: Concurrency | None = None
    throttle: Throttle | None = None
    rate_limit: RateLimit | None = None
    debounce: Debounce | None = None
    cancel: Sequence[Cancel] = ()
    priority: Priority | None = None
    singleton: Singleton | None = None
    batch: Batch | None = None
    idempotency: str | None = None
    timeouts: Timeouts | None = None

    def __post_init__(self) -> None:
        # Inngest takes all functions of the platform or none, so a mistake has to end with the plugin that makes it.
        if self.crons and not self.system:
            raise ValueError(f"function {self.id!r}: a cron has no tenant, so the function needs system=True")
        if self.crons and any(event.payload is not CronTick for event in self.events):
            raise ValueError(f"function {self.id!r}: beside a cron, events need CronTick as their payload")
        if not 1 <= len(self.events) + len(self.crons) <= MAX_TRIGGERS:
            raise ValueError(f"function {self.id!r}: expected 1 to {MAX_TRIGGERS} event types as its trigger")
        if not 0 <= self.retries <= MAX_RETRIES:
            raise ValueError(f"function {self.id!r}: retries must be 0 to {MAX_RETRIES}")
        if self.batch is not None:
            self._check_batch(self.batch)

    def _check_batch(self, batch: Batch) -> None:
        if not 2 <= batch.max_size <= MAX_BATCH:
            raise ValueError(f"function {self.id!r}: a batch has 2 to {MAX_BATCH} events")
        excluded = ("cancel", "debounce", "idempotency", "priority", "rate_limit", "singleton")
        if clash := [name for name in excluded if getattr(self, name)]:
            raise ValueError(f"function {self.id!r}: Inngest knows no batch with {', '.join(clash)}")

    @property
    def events(self) -> tuple[EventType[PayloadT], ...]:
        """The event types that start it; empty for a cron."""
        return tuple(trigger for trigger in self._triggers if isinstance(trigger, EventType))

    @property
    def crons(self) -> tuple[Cron, ...]:
        """The fixed times at which it starts."""
        return tuple(trigger for trigger in self._triggers if isinstance(trigger, Cron))

    @property
    def _triggers(self) -> Sequence[EventType[PayloadT] | Cron]:
        return (self.trigger,) if isinstance(self.trigger, EventType | Cron) else self.trigger


def payloads(ctx: FunctionContext, payload: type[PayloadT]) -> list[PayloadT]:
    """The payloads of all events of a run, in their order: one, or those of a batch.

    Raises:
        NonRetriableError: the data of one does not fit.
    """
    return [read_payload(payload, event) for event in ctx.events or [ctx.event]]


def read_payload(payload: type[PayloadT], event: InngestEvent) -> PayloadT:
    """An event's data, validated, without what the kernel has added.

    Raises:
        NonRetriableError: it does not fit.
    """
    try:
        return payload.model_validate({k: v for k, v in event.data.items() if k not in RESERVED_KEYS})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NonRetriableError(f"the event's data does not fit: {where}: {first['msg']}") from None


__all__ = [
    "JSON",
    "Batch",
    "Cancel",
    "Concurrency",
    "Cron",
    "CronTick",
    "Debounce",
    "Failure",
    "FunctionContext",
    "FunctionSpec",
    "NonRetriableError",
    "PerTenant",
    "Priority",
    "RateLimit",
    "RetryAfterError",
    "Singleton",
    "StepError",
    "Subject",
    "Throttle",
    "Timeouts",
    "payloads",
    "read_payload",
]
