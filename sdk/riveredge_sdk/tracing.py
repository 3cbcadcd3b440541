"""Parts of what operators see in their traces, where the installation has OpenTelemetry; else nothing, at no cost::

    with span("print sheet", {"print.pages": 3}) as work:
        work.set("print.printer_id", str(printer.id))

Requests, events, runs and steps have their spans by themselves, and so has every call of `outbound_client`. Attributes
are for ids, numbers and fixed words: no names, addresses or texts, because traces leave the platform.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

from riveredge_sdk.context import find_context

SpanKind = Literal["internal", "client"]
Value = str | int | float | bool


class Span(Protocol):
    """A part of a trace, still open."""

    def set(self, name: str, value: Value) -> None:
        """Add or replace an attribute."""
        ...

    def fail(self, kind: str) -> None:
        """Mark it as failed. `kind` is a class of errors such as `timeout`, never a message."""
        ...


class Tracer(Protocol):
    """What the kernel lends to `span`, if traces are on."""

    def span(self, name: str, attributes: Mapping[str, Value], kind: SpanKind) -> AbstractContextManager[Span]: ...


class _Nothing:
    def set(self, name: str, value: Value) -> None:
        pass

    def fail(self, kind: str) -> None:
        pass


_NOTHING = _Nothing()


@contextmanager
def span(name: str, attributes: Mapping[str, Value] | None = None, *, kind: SpanKind = "internal") -> Iterator[Span]:
    """The time of the block, as a part of the request or run that is being served.

    An exception marks it as failed, with the exception's class and without its message.

    Args:
        name: from a short, fixed list; what differs belongs into the attributes.
        kind: `client` for a call of another service.
    """
    context = find_context()
    tracer = getattr(context.runtime, "tracer", None) if context is not None else None
    if tracer is None:
        yield _NOTHING
        return
    with tracer.span(name, attributes or {}, kind) as opened:
        yield opened


__all__ = ["Span", "SpanKind", "Tracer", "Value", "span"]
