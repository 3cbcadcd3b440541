"""From a plugin's FunctionSpec to an Inngest function that runs in the tenant of its event."""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import inngest
from pydantic import BaseModel

from riveredge_kernel.functions.client import event_id_of
from riveredge_kernel.functions.mirror import RunMirror
from riveredge_kernel.functions.models import RunStatus
from riveredge_kernel.functions.requests import RUN_REQUESTED, RunRequest, is_repeatable
from riveredge_kernel.functions.scoping import flow_control, scope_waits
from riveredge_kernel.metrics import FUNCTION_CALLS
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.timers.service import TimerRef
from riveredge_kernel.tracing import traceparent_of
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.functions import CronTick, FunctionSpec, Subject, read_payload
from riveredge_sdk.models import utcnow
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.timers import NotServedError

if TYPE_CHECKING:
    from riveredge_kernel.tracing.otel import Tracing


class NotHereError(NotServedError):
    """The function is not to run for this tenant; the message says why."""

    def __init__(self, message: str, context: Context) -> None:
        super().__init__(message)
        self.context = context


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What running functions need of the platform."""

    runtime: Runtime
    tenants: TenantDirectory
    plugins: PluginHost
    mirror: RunMirror
    tracing: "Tracing | None" = None

    async def context(self, spec: FunctionSpec[Any], plugin: str, data: Mapping[str, Any], run_id: str) -> Context:
        """The context that a run is served under.

        Raises:
            NonRetriableError: the event names no tenant, or one that is not there.
            NotHereError: the tenant is suspended, or has switched the plugin off.
        """
        meta = data.get("riveredge")
        request_id = str(meta.get("request_id", "")) if isinstance(meta, Mapping) else ""
        if spec.system:
            reason = f"function {spec.id}"
            return Context(runtime=self.runtime, request_id=request_id, system_reason=reason, run_id=run_id)
        try:
            tenant = await self.tenants.get(UUID(str(data.get("tenant_id"))))
        except ValueError:
            tenant = None
        if tenant is None:
            raise inngest.NonRetriableError("the event names no tenant of this platform")
        context = Context(
            runtime=self.runtime,
            tenant_id=tenant.id,
            request_id=request_id,
            locale=tenant.locale,
            timezone=tenant.timezone,
            run_id=run_id,
        )
        if tenant.status != TenantStatus.ACTIVE:
            raise NotHereError("The organisation is suspended.", context)
        if not is_on(self.plugins, plugin, tenant.switches):
            raise NotHereError(f"The plugin {plugin!r} is switched off for this organisation.", context)
        return context


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A function as the host registers it. `expected` are the functions that its event starts for certain."""

    spec: FunctionSpec[Any]
    plugin: str
    expected: Mapping[str, frozenset[str]]
    around: Surroundings

    async def run(self, ctx: inngest.Context) -> Any:
        """What Inngest calls, once for each step and once more for the end."""
        data = ctx.event.data
        try:
            context = await self.around.context(self.spec, self.plugin, data, ctx.run_id)
        except NotHereError as reason:
            with use_context(reason.context):
                await self._begin(ctx, reason)
                # It may have begun while the tenant was served.
                await self.around.mirror.ended(ctx.run_id, RunStatus.CANCELLED, error=str(reason))
            return {"skipped": str(reason)}
        if not self.spec.system:
            if any(event.data.get("tenant_id") != data["tenant_id"] for event in ctx.events or ()):
                raise inngest.NonRetriableError("the events of one run are of several tenants")
            scope_waits(ctx)
        with use_context(context):
            refusal = await self._begin(ctx)
            if refusal is not None:
                return {"skipped": refusal}
            with self._traced(ctx, context):
                return await self.spec.handler(ctx, self._payload(ctx))

    def _traced(self, ctx: inngest.Context, context: Context) -> AbstractContextManager[None]:
        tracing = self.around.tracing
        if tracing is None:
            return contextlib.nullcontext()
        return tracing.serving(ctx, self.spec.id, traceparent_of(ctx.event.data), context.tenant_id)

    async def _begin(self, ctx: inngest.Context, not_here: NotHereError | None = None) -> str | None:
        """Why the run is to end at once, or None."""
        request = RunRequest.of(ctx.event.data) if ctx.event.name == RUN_REQUESTED else None
        known = [event_id_of(event.id) for event in ctx.events or [ctx.event]]
        ids = [event_id for event_id, _ in known if event_id is not None]
        return await self.around.mirror.started(
            ctx.run_id,
            self.spec.id,
            ids,
            request.event if request else ctx.event.name,
            frozenset() if request else self.expected.get(ctx.event.name, frozenset()),
            again=any(again for _, again in known),
            timer=TimerRef.of(ctx.event.data, ids[0] if ids else None),
            subject=self._subject(ctx),
            rerun_of=request.run_id if request else None,
            traceparent=traceparent_of(ctx.event.data),
            not_here=not_here,
        )

    def _subject(self, ctx: inngest.Context) -> Subject | None:
        if self.spec.subject is None:
            return None
        try:
            return self.spec.subject(self._payload(ctx))
        except Exception:  # noqa: BLE001  (what is wrong with the payload is told where it is used)
            return None

    def _payload(self, ctx: inngest.Context) -> BaseModel:
        name = ctx.event.name
        if name == RUN_REQUESTED:
            name = RunRequest.of(ctx.event.data).event
        model = next((e.payload for e in self.spec.events if e.name == name), None)
        if model is None and self.spec.crons:
            return CronTick()
        if model is None:
            raise inngest.NonRetriableError(f"no trigger of {self.spec.id} is called {ctx.event.name!r}")
        payload: BaseModel = read_payload(model, ctx.event)
        return payload


def inngest_id(spec_id: str) -> str:
    """How Inngest sees a function's id."""
    return spec_id.replace(".", "-")


def build(client: inngest.Inngest, wrapped: Wrapped) -> inngest.Function[Any]:
    """The Inngest function."""
    spec = wrapped.spec
    triggers: list[Any] = [
        *(inngest.TriggerCron(cron=f"TZ={cron.zone} {cron.expression}") for cron in spec.crons),
        *(inngest.TriggerEvent(event=e.name, expression=spec.condition) for e in spec.events),
    ]
    if is_repeatable(spec):
        mine = f"event.data.riveredge.function == '{spec.id}'"
        triggers.append(inngest.TriggerEvent(event=RUN_REQUESTED, expression=mine))
    create = client.create_function(
        fn_id=inngest_id(spec.id),
        name=spec.title,
        trigger=triggers,
        retries=spec.retries,
        **flow_control(spec),
    )
    return create(wrapped.run)


def mirroring(host: Any) -> type[inngest.Middleware]:
    """The middleware class that tells the mirror what became of steps and runs.

    Args:
        host: has `find(function id) -> Wrapped | None`, asked when calls come in.
    """

    class Mirroring(inngest.Middleware):
        """One object for each call of Inngest."""

        _ctx: inngest.Context | None = None
        _wrapped: Wrapped | None = None
        _began: datetime | None = None

        async def transform_input(self, ctx: Any, function: Any, steps: Any) -> None:
            self._ctx, self._wrapped = ctx, host.find(function.local_id)

        async def before_execution(self) -> None:
            self._began = utcnow()

        async def transform_output(self, result: Any) -> None:
            if self._ctx is None or self._wrapped is None:
                return
            outcome = "ok" if result.error is None else "error"
            FUNCTION_CALLS.labels(self._wrapped.spec.id, outcome).inc()
            wrapped, ctx = self._wrapped, self._ctx
            try:
                context = await wrapped.around.context(wrapped.spec, wrapped.plugin, ctx.event.data, ctx.run_id)
            except (NotHereError, inngest.NonRetriableError):
                return
            with use_context(context):
                await _note(wrapped.around.mirror, ctx, result, self._began or utcnow())

    return Mirroring


async def _note(mirror: RunMirror, ctx: inngest.Context, result: Any, began: datetime) -> None:
    error = f"{type(result.error).__name__}: {result.error}" if result.error is not None else None
    if result.step is None:
        if error is not None:
            await mirror.attempt_failed(ctx.run_id, attempt=ctx.attempt, error=error)
        else:
            await mirror.ended(ctx.run_id, RunStatus.COMPLETED)
        return
    op = str(getattr(result.step.op, "value", result.step.op))
    if op != "StepPlanned":
        waiting = error is None and op not in {"StepRun", "StepError", "Step"}
        await mirror.step(ctx.run_id, result.step.id, began=began, attempt=ctx.attempt, error=error, waiting=waiting)
