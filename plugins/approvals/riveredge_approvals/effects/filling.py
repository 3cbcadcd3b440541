"""Templates of calls: texts with `{{ form.amount }}` in them, filled with what a request says.

There is nothing but names: no expressions, no calls. A text that is one name alone becomes the value itself, so that a
number stays a number in JSON. What is filled into a path is escaped, and nothing filled in breaks a header.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from riveredge_sdk.features.approvals import EffectError, Request

# What every request has, besides its form's fields.
NAMES: Final = frozenset(
    {
        "form",
        "instance.id",
        "instance.number",
        "instance.title",
        "instance.process",
        "initiator.id",
        "initiator.department",
        "subject.type",
        "subject.id",
        "visit",
        "callback_url",
    }
)
_NAME = re.compile(r"\{\{\s*([^{}\s]{1,200})\s*\}\}")


def values_of(request: Request) -> dict[str, Any]:
    """What templates can name: `form.<field>`, `instance.…`, `initiator.…`, `subject.…`, `visit`, `callback_url`."""
    values: dict[str, Any] = {f"form.{name}": value for name, value in request.form.items()}
    subject = request.subject
    return values | {
        "form": dict(request.form),
        "instance.id": str(request.id),
        "instance.number": request.number,
        "instance.title": request.title,
        "instance.process": request.process,
        "initiator.id": str(request.submitter),
        "initiator.department": str(request.department) if request.department is not None else None,
        "subject.type": subject.type if subject is not None else None,
        "subject.id": str(subject.id) if subject is not None else None,
        "visit": str(request.visit),
        "callback_url": request.callback_url,
    }


def names_in(template: Any) -> Iterator[str]:
    """The names that a template of any JSON shape uses."""
    if isinstance(template, str):
        yield from _NAME.findall(template)
    elif isinstance(template, Mapping):
        for key, value in template.items():
            yield from names_in(key)
            yield from names_in(value)
    elif isinstance(template, list):
        for each in template:
            yield from names_in(each)


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A template of any JSON shape, filled.

    Raises:
        EffectError: it names something that there is not; trying again cannot help.
    """
    if isinstance(template, str):
        alone = _NAME.fullmatch(template.strip())
        return _value(alone[1], values) if alone else fill_text(template, values)
    if isinstance(template, Mapping):
        return {fill_text(key, values): fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    return template


def fill_text(template: str, values: Mapping[str, Any]) -> str:
    """A text, filled with texts."""
    return _filled(template, values, lambda text: text)


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """A path, filled with values that stay within their place: none can add a segment or a parameter."""
    return _filled(template, values, lambda text: quote(text, safe=""))


def _filled(template: str, values: Mapping[str, Any], written: Callable[[str], str]) -> str:
    return _NAME.sub(lambda found: written(_text(_value(found[1], values))), template)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise EffectError(f"There is no {name!r} that could be filled in.", retry=False)
    return values[name]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def at_pointer(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points at.

    Raises:
        EffectError: there is nothing.
    """
    found = document
    for part in pointer.split("/")[1:] if pointer else []:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise EffectError(f"The result has nothing at {pointer!r}.", retry=False)
    return found
