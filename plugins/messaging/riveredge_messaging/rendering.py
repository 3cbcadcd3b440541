"""Templates: Jinja2 over plain data, cut down to what a message needs.

Tenants write templates, so a template must be able neither to reach anything but its data nor to use up the machine.
Three fences: the sandbox; a list of the only syntax there is (no calls, no assignments, no includes, loops only over
data); and limits of the data's and the output's size, of nesting and of computing time.
"""

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from riveredge_messaging.filters import FILTERS
from riveredge_sdk.problems import FieldError, Invalid

MAX_DATA_BYTES = 64_000
MAX_ITEMS = 500
MAX_OUTPUT = 200_000
MAX_LOOP_DEPTH = 2
# How deep the syntax nests; a chain of filters nests, too.
MAX_NESTING = 60
# Computing time of one text. Ordinary messages take a hundredth of it.
MAX_SECONDS = 0.5

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Const, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Add, nodes.Sub, nodes.Neg, nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip
_TESTS = frozenset({"defined", "none", "string", "number", "boolean", "in", "sequence", "mapping"})
_LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The texts of a message."""

    subject: str
    text: str
    html: str | None


class RenderError(ValueError):
    """A template cannot be rendered with this data; the message says why."""


# When the text being rendered has to be done, by the thread's own clock.
_deadline: ContextVar[float | None] = ContextVar("riveredge_messaging_deadline", default=None)


def _check_time() -> None:
    deadline = _deadline.get()
    if deadline is not None and time.thread_time() > deadline:
        raise RenderError(f"the text takes more than {MAX_SECONDS} seconds of computing")


def _timed(work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def call(*args: Any, **kwargs: Any) -> Any:
        _check_time()
        return work(*args, **kwargs)

    return call


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(autoescape=autoescape, undefined=StrictUndefined, keep_trailing_newline=True)
    made.globals.clear()
    made.filters = {name: _timed(work) for name, work in FILTERS.items()}
    made.tests = {name: test for name, test in made.tests.items() if name in _TESTS}
    return made


_PLAIN = _environment(autoescape=False)
_HTML = _environment(autoescape=True)


@lru_cache(maxsize=1024)
def _compile(source: str, *, html: bool) -> Template:
    environment = _HTML if html else _PLAIN
    tree = environment.parse(source)
    _check(tree)
    for loop in tree.find_all(nodes.For):
        # Each round gives something out, so that `_render` sees the time also where nothing is written.
        loop.body.insert(0, nodes.Output([nodes.TemplateData("", lineno=loop.lineno)], lineno=loop.lineno))
    return environment.from_string(tree)


def _check(node: nodes.Node, depth: int = 0, nesting: int = 0) -> None:
    if nesting > MAX_NESTING:
        raise RenderError(f"line {node.lineno}: this nests more than {MAX_NESTING} deep")
    if not isinstance(node, _ALLOWED):
        raise RenderError(f"line {node.lineno}: {type(node).__name__.lower()} is not available in messages")
    if isinstance(node, nodes.Name) and node.name == "self":
        raise RenderError(f"line {node.lineno}: self is not available in messages")
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise RenderError(f"line {node.lineno}: there is no test {node.name!r}")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise RenderError(
            f"line {node.lineno}: there is no filter {node.name!r}; there are: {', '.join(sorted(FILTERS))}"
        )
    if isinstance(node, nodes.For):
        depth += 1
        if depth > MAX_LOOP_DEPTH:
            raise RenderError(f"line {node.lineno}: loops nest at most {MAX_LOOP_DEPTH} deep")
        if not isinstance(node.iter, nodes.Name | nodes.Getattr | nodes.Getitem) or node.recursive:
            raise RenderError(f"line {node.lineno}: a loop goes over a variable")
    for child in node.iter_child_nodes():
        _check(child, depth, nesting + 1)


def variables_of(source: str) -> set[str]:
    """The variables that a template uses.

    Raises:
        RenderError: its syntax is not right, or not available.
    """
    try:
        tree = _PLAIN.parse(source)
        _check(tree)
    except TemplateError as error:
        raise RenderError(_message(error)) from None
    except RecursionError:
        raise RenderError(f"this nests more than {MAX_NESTING} deep") from None
    assigned = {name.name for loop in tree.find_all(nodes.For) for name in _names(loop.target)} | {_LOOP}
    return {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"} - assigned


def _names(target: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(target, nodes.Name):
        yield target
    yield from target.find_all(nodes.Name)


def check_data(data: Mapping[str, Any], variables: Mapping[str, Any], *, where: str = "data") -> None:
    """See that the data is plain, small, and what the template's variables declare.

    Raises:
        Invalid: naming each value at fault.
    """
    if len(json.dumps(data, default=str)) > MAX_DATA_BYTES:
        raise Invalid(
            "The data is too large.", errors=[FieldError(where, f"At most {MAX_DATA_BYTES} bytes.", "too_large")]
        )
    errors = [
        FieldError(f"{where}.{name}", "This variable of the template needs a value.", "missing")
        for name in variables.get("required", variables.get("properties", {}))
        if name not in data
    ]
    for name, value in data.items():
        declared = variables.get("properties", {}).get(name)
        if declared is None:
            errors.append(FieldError(f"{where}.{name}", "The template has no such variable.", "unknown"))
        elif not _has_type(value, declared.get("type")):
            errors.append(FieldError(f"{where}.{name}", f"Expected {declared['type']}.", "type"))
        elif _longest(value) > MAX_ITEMS:
            errors.append(FieldError(f"{where}.{name}", f"A list has at most {MAX_ITEMS} items.", "too_long"))
    if errors:
        raise Invalid("The data does not fit the template.", errors=errors)


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def _has_type(value: Any, declared: str | None) -> bool:
    if declared is None or declared not in _TYPES:
        return True
    return isinstance(value, _TYPES[declared]) and (declared == "boolean" or not isinstance(value, bool))


def _longest(value: Any) -> int:
    if isinstance(value, list):
        return max([len(value), *(_longest(item) for item in value)])
    if isinstance(value, dict):
        return max([0, *(_longest(item) for item in value.values())])
    return 0


def render(
    subject: str, text: str, html: str | None, data: Mapping[str, Any], *, locale: str, timezone: str
) -> Rendered:
    """Render the texts of one locale.

    Raises:
        RenderError: a template is wrong, or the output too long.
    """
    values = {**data, "_locale": locale, "_timezone": timezone}
    return Rendered(
        " ".join(_render(subject, values, html=False).split())[:500],
        _render(text, values, html=False),
        _render(html, values, html=True) if html is not None else None,
    )


def _render(source: str, values: Mapping[str, Any], *, html: bool) -> str:
    parts: list[str] = []
    size = 0
    token = _deadline.set(time.thread_time() + MAX_SECONDS)
    try:
        for part in _compile(source, html=html).generate(values):
            _check_time()
            size += len(part)
            if size > MAX_OUTPUT:
                raise RenderError(f"the text is longer than {MAX_OUTPUT} characters")
            parts.append(part)
    except TemplateError as error:
        raise RenderError(_message(error)) from None
    except (TypeError, ValueError, ArithmeticError, RecursionError, LookupError) as error:
        raise RenderError(f"{type(error).__name__}: {error}"[:300]) from None
    finally:
        _deadline.reset(token)
    return "".join(parts)


def _message(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    return f"line {line}: {error.message}" if line else str(error.message)
