"""Traces by OpenTelemetry. Imported only where they are on; `OTEL_…` variables are read by its own SDK.

No span holds names, addresses, paths or messages of errors: traces leave the platform.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime
from inspect import isawaitable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from riveredge_kernel import __version__
from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions.models import Run, RunStatus
from riveredge_kernel.settings import Settings
from riveredge_kernel.tracing import UNTRACED, event_span, run_ids
from riveredge_sdk.tracing import SpanKind, Value

_KINDS = {"internal": trace.SpanKind.INTERNAL, "client": trace.SpanKind.CLIENT}
# How long what is not sent yet may hold up the end of the process.
_CLOSE_SECONDS = 5.0
_propagator = TraceContextTextMapPropagator()
_given: ContextVar[tuple[int, int] | None] = ContextVar("riveredge_span_ids", default=None)


class _Ids(RandomIdGenerator):
    """Random, but for spans whose ids were computed: `_given` holds span and trace."""

    def generate_span_id(self) -> int:
        given = _given.get()
        return given[0] if given else super().generate_span_id()

    def generate_trace_id(self) -> int:
        given = _given.get()
        return given[1] if given else super().generate_trace_id()


class OpenSpan:
    """Implements `riveredge_sdk.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def rename(self, name: str) -> None:
        self._span.update_name(name)


class Tracing:
    """One platform's traces; the parts of the kernel call it where it is there."""

    def __init__(self, settings: Settings) -> None:
        self.accept_from = settings.tracing.accept_from
        self._provider = TracerProvider(resource=_resource(), id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_exporter()))
        self._tracer = self._provider.get_tracer("riveredge", __version__)

    # -- what is being served ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def span(self, name: str, attributes: Mapping[str, Value], kind: SpanKind) -> Iterator[OpenSpan]:
        with self._open(name, _KINDS[kind], attributes) as opened:
            yield opened

    @contextlib.contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[OpenSpan]:
        """A request that is answered. `headers` are those that are believed about what trace it belongs to."""
        parent = _propagator.extract(headers, OtelContext())
        with self._open(method, trace.SpanKind.SERVER, {"http.request.method": method}, parent) as opened:
            yield opened

    def current(self) -> str | None:
        """The traceparent of what is being served; None for nothing."""
        context = trace.get_current_span().get_span_context()
        return _traceparent(context) if context.is_valid else None

    # -- events ------------------------------------------------------------------------------------------------------

    def event_sent(self, row: OutboxEvent, sent_at: datetime) -> None:
        """The engine has taken an event for the first time: its span lasts from the commit until now."""
        if row.traceparent is None:
            return
        attributes = {
            "messaging.system": "inngest",
            "messaging.operation.type": "send",
            "messaging.destination.name": row.name,
            "messaging.message.id": str(row.id),
            "riveredge.request_id": row.request_id,
            **_tenant(row.tenant_id),
        }
        parent = _parse(row.traceparent)
        ids = (event_span(row.id), parent.trace_id)
        self._write(
            f"send {row.name}",
            trace.SpanKind.PRODUCER,
            parent=parent,
            ids=ids,
            attributes=attributes,
            began=row.created_at,
            ended=sent_at,
        )

    # -- runs --------------------------------------------------------------------------------------------------------

    def trace_of_run(self, run_id: str, function: str, traceparent: str | None) -> str | None:
        """The id of the run's trace: its event's, or one of its own."""
        return None if function in UNTRACED else f"{self._run(run_id, traceparent).trace_id:032x}"

    @contextlib.contextmanager
    def serving(self, ctx: Any, function: str, traceparent: str | None, tenant_id: object) -> Iterator[None]:
        """One call of Inngest: what happens belongs to the run, and each step that is carried out has a span."""
        if function in UNTRACED:
            yield
            return
        run_step = ctx.step.run
        attributes = {"riveredge.run_id": ctx.run_id, "riveredge.function": function, **_tenant(tenant_id)}

        async def traced(step_id: str, handler: Any, *arguments: Any, **options: Any) -> Any:
            async def work(*given: Any) -> Any:
                more = {**attributes, "riveredge.step": step_id, "riveredge.attempt": ctx.attempt}
                with self._open(f"step {step_id}", trace.SpanKind.INTERNAL, more):
                    made = handler(*given)
                    return await made if isawaitable(made) else made

            return await run_step(step_id, work, *arguments, **options)

        ctx.step.run = traced
        with trace.use_span(NonRecordingSpan(self._run(ctx.run_id, traceparent))):
            yield

    def run_ended(self, run: Run) -> None:
        """Write the run's span, from its first call to its end."""
        if run.trace_id is None or run.ended_at is None:
            return
        attributes: dict[str, Value] = {
            "messaging.system": "inngest",
            "messaging.operation.type": "process",
            "messaging.destination.name": run.event_name,
            "riveredge.run_id": run.run_id,
            "riveredge.function": run.function,
            "riveredge.status": run.status,
            "riveredge.request_id": run.request_id,
            **_tenant(run.tenant_id),
        }
        if run.event_id is not None:
            attributes["messaging.message.id"] = str(run.event_id)
        parent = _parse(run.traceparent) if run.traceparent else None
        failed = run.status if run.status in {RunStatus.FAILED, RunStatus.LOST} else None
        ids = (run_ids(run.run_id)[0], int(run.trace_id, 16))
        self._write(
            f"run {run.function}",
            trace.SpanKind.CONSUMER,
            parent=parent,
            ids=ids,
            attributes=attributes,
            began=run.started_at,
            ended=run.ended_at,
            failed=failed,
        )

    def _run(self, run_id: str, traceparent: str | None) -> SpanContext:
        span_id, trace_id = run_ids(run_id)
        if traceparent is not None:
            parent = _parse(traceparent)
            return SpanContext(parent.trace_id, span_id, is_remote=True, trace_flags=parent.trace_flags)
        # The same for every call: samplers go by the trace's id.
        decision = self._provider.sampler.should_sample(None, trace_id, "run").decision
        sampled = decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    # -- the rest ----------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Send what is left, but do not wait for a collector that is away."""
        closed, loop = asyncio.Event(), asyncio.get_running_loop()

        def shut() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=shut, name="close traces", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closed.wait(), _CLOSE_SECONDS)

    @contextlib.contextmanager
    def _open(
        self, name: str, kind: trace.SpanKind, attributes: Mapping[str, Value], context: OtelContext | None = None
    ) -> Iterator[OpenSpan]:
        span = self._tracer.start_span(name, context, kind, attributes)
        opened = OpenSpan(span)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield opened
        except Exception as error:
            opened.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def _write(
        self,
        name: str,
        kind: trace.SpanKind,
        *,
        parent: SpanContext | None,
        ids: tuple[int, int],
        attributes: Mapping[str, Value],
        began: datetime,
        ended: datetime,
        failed: str | None = None,
    ) -> None:
        """Write a span that has ended; `ids` are its own and its trace's."""
        context = (
            OtelContext() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), OtelContext())
        )
        token = _given.set(ids)
        try:
            span = self._tracer.start_span(name, context, kind, attributes, start_time=_nanoseconds(began))
        finally:
            _given.reset(token)
        if failed is not None:
            OpenSpan(span).fail(failed)
        span.end(_nanoseconds(max(began, ended)))


def trace_ids() -> tuple[str, str] | None:
    """Trace and span of what is being served, for the log; None for nothing."""
    context = trace.get_current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def _exporter() -> SpanExporter:
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "console":
        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _resource() -> Resource:
    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "") or os.environ.get("OTEL_SERVICE_NAME")
    own = {SERVICE_VERSION: __version__, **({} if named else {SERVICE_NAME: "riveredge"})}
    return Resource.create().merge(Resource(own))


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _parse(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _tenant(tenant_id: object) -> dict[str, Value]:
    return {} if tenant_id is None else {"riveredge.tenant_id": str(tenant_id)}


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1000
