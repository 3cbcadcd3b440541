"""What a request is called, and what lists and messages show of it.

A title's pattern names fields in braces: `{form.amount}`, `{submitter}`, `{process}`, `{number}`; what is not there is
left empty.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from riveredge_approvals.ir.document import CompiledFlow
from riveredge_sdk import get_service
from riveredge_sdk.features.people import PEOPLE

TITLE_NAMES: Final = frozenset({"submitter", "process", "number"})
_NAMED = re.compile(r"\{(form\.[\w.-]{1,100}|submitter|process|number)\}")
MAX_TITLE = 300
MAX_SHOWN = 200


async def make_title(flow: CompiledFlow, form: Mapping[str, Any], submitter: UUID, number: str) -> str:
    """The title of a request with this form."""
    pattern = flow.settings.title or "{submitter}: {number}"
    name = ""
    if "{submitter}" in pattern:
        person = (await get_service(PEOPLE).find([submitter])).get(submitter)
        name = person.name if person is not None else ""
    plain = {"submitter": name, "process": flow.process, "number": number}

    def fill(found: re.Match[str]) -> str:
        key = found[1]
        return plain[key] if key in plain else _shown(form.get(key.removeprefix("form.")))

    return _NAMED.sub(fill, pattern)[:MAX_TITLE].strip() or number


def make_summary(flow: CompiledFlow, schema: Mapping[str, Any], form: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields that lists show: name, title and value."""
    known = schema.get("properties", {})
    names = [name.removeprefix("form.") for name in flow.settings.summary]
    return [
        {"field": name, "title": known.get(name, {}).get("title", name), "value": _shown(form.get(name))}
        for name in names
        if name in form
    ]


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "✓" if value else "✗"
        case {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case list():
            return ", ".join(_shown(each) for each in value)[:MAX_SHOWN]
        case dict():
            return ""
        case _:
            return str(value)[:MAX_SHOWN]
