"""Traces: one request, the events it causes, the runs they start and their steps are one trace.

OpenTelemetry is an extra, and is imported only where its own variables ask for traces. What has to work without it is
here; `otel` is the rest.

A run lasts longer than any call of Inngest, and its calls may reach different processes. So the ids of an event's and
of a run's span are computed from what everybody knows, and the span itself is written when it has ended.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

if TYPE_CHECKING:
    from riveredge_kernel.settings import Settings
    from riveredge_kernel.tracing.otel import Tracing

log = structlog.get_logger(__name__)

EXTRA = 'pip install "riveredge-kernel[otel]"'
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# W3C Trace Context, §3.2.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# They are there every minute, and nobody's doing.
UNTRACED = frozenset({"kernel.tick", "kernel.tick_shard", "kernel.fire", "kernel.reconcile"})


def wanted() -> bool:
    """Whether OpenTelemetry's variables ask for traces: an exporter is named, or an address for it."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    return any(os.environ.get(name) for name in _ENDPOINTS)


def why_not() -> str:
    """Why traces that are wanted cannot be sent; empty if they can."""
    try:
        # Without importing anything of it.
        version("opentelemetry-sdk"), version("opentelemetry-exporter-otlp-proto-http")
    except PackageNotFoundError:
        return f"OpenTelemetry is not installed: {EXTRA}"
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if exporter not in {"otlp", "console"}:
        return f"OTEL_TRACES_EXPORTER is {exporter!r}; otlp and console are known"
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), "http/protobuf")
    if exporter == "otlp" and protocol != "http/protobuf":
        return f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; http/protobuf is known (port 4318 of a collector)"
    return ""


def open_tracing(settings: "Settings") -> "Tracing | None":
    """Begin to send traces, if they are wanted and can be sent."""
    if not wanted():
        return None
    if reason := why_not():
        log.warning("traces_off", reason=reason)
        return None
    from riveredge_kernel.tracing.otel import Tracing

    return Tracing(settings)


def traceparent_of(data: Mapping[str, Any]) -> str | None:
    """What an event's data tells of the trace that it belongs to; also of the event inside one of Inngest's own."""
    inner = data.get("event")
    for found in (data, inner.get("data") if isinstance(inner, Mapping) else None):
        meta = found.get("riveredge") if isinstance(found, Mapping) else None
        value = meta.get("traceparent") if isinstance(meta, Mapping) else None
        if isinstance(value, str) and _TRACEPARENT.fullmatch(value):
            return value
    return None


def of_event(traceparent: str, event_id: UUID) -> str:
    """The traceparent of the event's own span, below what published it."""
    return f"{traceparent[:36]}{event_span(event_id):016x}{traceparent[52:]}"


def event_span(event_id: UUID) -> int:
    """The id of an event's span: the event's own random bits."""
    return event_id.int & (1 << 64) - 1


def run_ids(run_id: str) -> tuple[int, int]:
    """The id of a run's span, and of its trace if it is the first of one."""
    digest = hashlib.sha256(run_id.encode()).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:24], "big")
