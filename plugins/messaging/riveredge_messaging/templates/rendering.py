"""Templates: Jinja2 over plain data, cut down to what a message needs.

Tenants write templates, so a template must be able neither to reach anything but its data nor to use up the machine.
Three fences: the sandbox; a list of the only syntax there is (no calls, no assignments, loops only over data, includes
only of given partials); and limits of the output's size, of nesting and of computing time.
"""

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeAlias

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from riveredge_messaging.templates.filters import FILTERS, prepare

MAX_OUTPUT = 200_000
MAX_LOOP_DEPTH = 2
# How deep the syntax nests; a chain of filters nests, too.
MAX_NESTING = 60
# How many partials a text includes, and how deep they include each other.
MAX_INCLUDES = 20
MAX_DEPTH = 4
# Computing time of one text. Ordinary messages take a hundredth of it.
MAX_SECONDS = 0.5
# What every template may use without declaring it.
BUILT_IN = frozenset({"brand", "reader"})

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Const, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Add, nodes.Sub, nodes.Neg, nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip
_TESTS = frozenset({"defined", "none", "string", "number", "boolean", "in", "sequence", "mapping"})
_LOOP = "loop"

# The sources that `{% include "name" %}` may name.
Partials: TypeAlias = Mapping[str, str]
_NONE: Partials = {}


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
def _compile(source: str, partials: tuple[tuple[str, str], ...], *, html: bool) -> Template:
    tree = _parse(source, dict(partials), html=html)
    for loop in tree.find_all(nodes.For):
        # Each round gives something out, so that the time is seen also where nothing is written.
        loop.body.insert(0, nodes.Output([nodes.TemplateData("", lineno=loop.lineno)], lineno=loop.lineno))
    return (_HTML if html else _PLAIN).from_string(tree)


def _parse(source: str, partials: Partials, *, html: bool = False) -> nodes.Template:
    environment = _HTML if html else _PLAIN
    tree = environment.parse(source)
    _check(tree)
    _Includes(partials, environment).fill(tree)
    _check(tree, included=True)
    return tree


class _Includes:
    """Puts partials in the place of includes."""

    def __init__(self, partials: Partials, environment: ImmutableSandboxedEnvironment) -> None:
        self.partials = partials
        self.environment = environment
        self.count = 0

    def fill(self, node: nodes.Node, within: tuple[str, ...] = ()) -> None:
        for field in node.fields:
            value = getattr(node, field)
            if isinstance(value, list):
                setattr(node, field, [new for child in value for new in self._filled(child, within)])

    def _filled(self, child: Any, within: tuple[str, ...]) -> list[Any]:
        if isinstance(child, nodes.Include):
            return self._partial(child, within)
        if isinstance(child, nodes.Node):
            self.fill(child, within)
        return [child]

    def _partial(self, include: nodes.Include, within: tuple[str, ...]) -> list[nodes.Node]:
        name = _name_of(include)
        self.count += 1
        if name not in self.partials:
            raise RenderError(f"line {include.lineno}: there is no partial {name[:100]!r}")
        if name in within or len(within) >= MAX_DEPTH or self.count > MAX_INCLUDES:
            raise RenderError(
                f"line {include.lineno}: at most {MAX_INCLUDES} partials are included, {MAX_DEPTH} deep, in no circle"
            )
        part = self.environment.parse(self.partials[name])
        _check(part)
        self.fill(part, (*within, name))
        return part.body


def _name_of(include: nodes.Include) -> str:
    """The partial that an include names; `_check` has seen that it is a constant."""
    return str(getattr(include.template, "value", ""))


def _check(node: nodes.Node, depth: int = 0, nesting: int = 0, *, included: bool = False) -> None:
    if nesting > MAX_NESTING:
        raise RenderError(f"line {node.lineno}: this nests more than {MAX_NESTING} deep")
    if isinstance(node, nodes.Include) and not included:
        if not isinstance(node.template, nodes.Const) or node.ignore_missing or not node.with_context:
            raise RenderError(f'line {node.lineno}: a partial is included as {{% include "name" %}}')
        return
    _check_name(node)
    if isinstance(node, nodes.For):
        depth += 1
        if depth > MAX_LOOP_DEPTH:
            raise RenderError(f"line {node.lineno}: loops nest at most {MAX_LOOP_DEPTH} deep")
        if not isinstance(node.iter, nodes.Name | nodes.Getattr | nodes.Getitem) or node.recursive:
            raise RenderError(f"line {node.lineno}: a loop goes over a variable")
    for child in node.iter_child_nodes():
        _check(child, depth, nesting + 1, included=included)


def _check_name(node: nodes.Node) -> None:
    """See that a node is of an available kind, and names what there is."""
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


def variables_of(source: str, partials: Partials = _NONE) -> set[str]:
    """The variables that a template uses, with its partials.

    Raises:
        RenderError: its syntax is not right, or not available.
    """
    return set(_variables_of(source, tuple(sorted(partials.items()))))


@lru_cache(maxsize=1024)
def _variables_of(source: str, partials: tuple[tuple[str, str], ...]) -> frozenset[str]:
    try:
        tree = _parse(source, dict(partials))
    except TemplateError as error:
        raise RenderError(_message(error)) from None
    except RecursionError:
        raise RenderError(f"this nests more than {MAX_NESTING} deep") from None
    assigned = {name.name for loop in tree.find_all(nodes.For) for name in _names(loop.target)} | {_LOOP}
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx == "load") - assigned


def includes_of(source: str) -> set[str]:
    """The partials that a template names itself.

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
    return {_name_of(found) for found in tree.find_all(nodes.Include)}


def _names(target: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(target, nodes.Name):
        yield target
    yield from target.find_all(nodes.Name)


def render_text(
    source: str,
    values: Mapping[str, Any],
    *,
    locale: str,
    timezone: str,
    html: bool = False,
    partials: Partials = _NONE,
) -> str:
    """Render one text. In HTML, values are escaped unless they are `Markup`.

    Raises:
        RenderError: the template is wrong, does not fit the data, or takes too much.
    """
    parts: list[str] = []
    size = 0
    # What is loaded once for all messages is not this one's computing time.
    prepare(locale, timezone)
    try:
        template = _compile(source, tuple(sorted(partials.items())), html=html)
        token = _deadline.set(time.thread_time() + MAX_SECONDS)
        try:
            for part in template.generate({**values, "_locale": locale, "_timezone": timezone}):
                _check_time()
                size += len(part)
                if size > MAX_OUTPUT:
                    raise RenderError(f"the text is longer than {MAX_OUTPUT} characters")
                parts.append(part)
        finally:
            _deadline.reset(token)
    except TemplateError as error:
        raise RenderError(_message(error)) from None
    except RenderError:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError, LookupError) as error:
        raise RenderError(f"{type(error).__name__}: {error}"[:300]) from None
    return "".join(parts)


def _message(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    return f"line {line}: {error.message}" if line else str(error.message)
