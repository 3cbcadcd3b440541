"""CEL expressions over `event` and `async`, as they stand in triggers, waits, cancellations and keys.

A field that an event lacks reads as null. Two missing fields of different events are not equal, though: a wait on
`async.data.order == event.data.order` must not match every event that has no order.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple, Protocol, cast

from .strict import is_text

_PATH = re.compile(r"\b(event|async)((?:\.[A-Za-z_]\w*|\[(?:\"[^\"]*\"|'[^']*')\])+)(?!\w*\()")
_PART = re.compile(r"\.([A-Za-z_]\w*)|\[[\"']([^\"']*)[\"']\]")
_STRING = r"\"[^\"\\]*\"|'[^'\\]*'"
_EQUALITY = re.compile(rf"(?P<left>[\w.]+|{_STRING})\s*==\s*(?P<right>[\w.]+|{_STRING})")
_MISSING = object()


class ExpressionError(ValueError):
    """The text is no valid expression, or it cannot be evaluated for an event."""


class _Program(Protocol):
    def execute(self, context: Mapping[str, Any]) -> Any: ...


class EqualityTerm(NamedTuple):
    """`async.<path> == <value>`: what a wait can be found by without evaluating its whole expression."""

    path: str
    value: str


@lru_cache(maxsize=1)
def _cel() -> ModuleType:
    """The native evaluator alone: its Python package imports a command line of 30 MB that nobody needs here."""
    if loaded := sys.modules.get("cel.cel"):
        return loaded
    package = importlib.machinery.PathFinder.find_spec("cel")
    spec = package and importlib.machinery.PathFinder.find_spec("cel.cel", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise RuntimeError("the package common-expression-language is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return sys.modules.setdefault("cel.cel", module)


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> _Program:
    """Compile once. Raises ExpressionError."""
    try:
        return cast("_Program", _cel().compile(text))
    except ValueError as error:
        raise ExpressionError(str(error).splitlines()[0]) from error


def evaluate(text: str, *, event: Mapping[str, Any], incoming: Mapping[str, Any] | None = None) -> Any:
    """The value of an expression; `incoming` is what it calls `async`. Raises ExpressionError."""
    program = compile_expression(text)
    context: dict[str, Any] = {"event": event}
    if incoming is not None:
        context["async"] = incoming
    try:
        return program.execute(context)
    except KeyError:
        return _evaluate_with_nulls(text, program, context)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ExpressionError(str(error)) from error


def _evaluate_with_nulls(text: str, program: _Program, context: dict[str, Any]) -> Any:
    missing = [(root, path) for root, path in _paths(text) if _lookup(context.get(root), path) is _MISSING]
    if len({root for root, _ in missing}) > 1:
        return False
    filled = dict(context)
    for root, path in missing:
        filled[root] = _with_null(filled.get(root), path)
    try:
        return program.execute(filled)
    except (KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ExpressionError(str(error)) from error


def matches(text: str | None, *, event: Mapping[str, Any], incoming: Mapping[str, Any] | None = None) -> bool:
    """Whether a condition holds; none at all holds, one that cannot be evaluated does not."""
    if not text:
        return True
    try:
        return evaluate(text, event=event, incoming=incoming) is True
    except ExpressionError:
        return False


def key_value(text: str, event: Mapping[str, Any]) -> str:
    """The value of a key expression as text, equal exactly when the values are. Raises ExpressionError."""
    value = evaluate(text, event=event)
    return value if isinstance(value, str) and is_text(value) else json.dumps(value, sort_keys=True, default=str)


def equality_term(text: str | None, event: Mapping[str, Any]) -> EqualityTerm | None:
    """The first `async.x == value` that an expression demands, with `event.` replaced by the event's own values."""
    if not text or any(mark in text for mark in ("||", "?", "(")) or any("&&" in s for s in re.findall(_STRING, text)):
        return None
    for part in text.split("&&"):
        found = _EQUALITY.fullmatch(part.strip())
        if found is None:
            continue
        sides = (found["left"], found["right"])
        if sides[1].startswith("async."):
            sides = (sides[1], sides[0])
        value = _constant(sides[1], event)
        if sides[0].startswith("async.") and value is not None:
            return EqualityTerm(sides[0].removeprefix("async."), value)
    return None


def term_value(path: str, event: Mapping[str, Any]) -> str | None:
    """What an incoming event has at the path of an equality term, in the term's notation."""
    return _scalar(_lookup(event, path.split(".")))


def _constant(side: str, event: Mapping[str, Any]) -> str | None:
    if side[0] in "\"'":
        return _scalar(side[1:-1])
    if side.startswith("event."):
        return _scalar(_lookup(event, side.split(".")[1:]))
    return None


def _scalar(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, str) else None


def _paths(text: str) -> list[tuple[str, list[str]]]:
    tested = {found[1] for found in re.finditer(r"has\(\s*([^)]*?)\s*\)", text)}
    found_paths = [found for found in _PATH.finditer(text) if found[0] not in tested]
    return [(found[1], [name or quoted for name, quoted in _PART.findall(found[2])]) for found in found_paths]


def _lookup(value: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _with_null(value: Any, path: list[str]) -> Any:
    if not path:
        return None
    if value is not None and not isinstance(value, Mapping):
        return value
    return {**(value or {}), path[0]: _with_null((value or {}).get(path[0]), path[1:])}
