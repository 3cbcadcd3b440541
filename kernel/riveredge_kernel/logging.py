"""Structured logs on standard error: request, tenant and run ids on each line, secrets left out."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from riveredge_kernel import tracing
from riveredge_kernel.settings import Settings
from riveredge_sdk.context import find_context

_SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie", "signing_key", "event_key", "api_key")


def _add_context(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = find_context()
    if context is not None:
        if context.request_id:
            line.setdefault("request_id", context.request_id)
        if context.tenant_id is not None:
            line.setdefault("tenant", str(context.tenant_id))
        if context.run_id:
            line.setdefault("run", context.run_id)
    return line


def _redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in line.items():
        if any(word in name.lower() for word in _SECRET_WORDS):
            line[name] = "[redacted]"
        elif isinstance(value, Mapping):
            line[name] = _redact(_logger, _method, {str(inner): of for inner, of in value.items()})
    return line


def _add_trace(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    from riveredge_kernel.tracing.otel import trace_ids

    if (ids := trace_ids()) is not None:
        line["trace_id"], line["span_id"] = ids
    return line


def configure(settings: Settings) -> None:
    """Set up structlog and route the standard library's loggers through it. Idempotent."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_context,
        *([_add_trace] if tracing.wanted() and not tracing.why_not() else []),
        _redact,
    ]
    json_lines = settings.log_format == "json"
    renderer: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if json_lines
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in (
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "aiosqlite",
        "uvicorn.access",
        "alembic",
        "mail.log",
    ):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # What its SDK reports, the relay, the function host and the run mirror report as well, with its context.
    logging.getLogger("inngest").setLevel(logging.CRITICAL)
