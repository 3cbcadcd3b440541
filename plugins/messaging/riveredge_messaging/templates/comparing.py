"""Looking before publishing: previews, differences between versions, and rehearsals with messages of the past."""

import difflib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.models import Delivery, Message
from riveredge_messaging.templates.catalog import CatalogTemplate, channels
from riveredge_messaging.templates.composing import Composed, Look, Reader, compose, load_look
from riveredge_messaging.templates.declarations import check_data
from riveredge_messaging.templates.models import TemplateVersion
from riveredge_messaging.templates.rendering import RenderError
from riveredge_messaging.templates.schemas import DiffOut, PreviewOut, RehearsalError, RehearsalOut
from riveredge_sdk import get_service, session, utcnow
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import FieldError, Invalid

# Messages and texts that are rendered at once: some seconds of computing.
MAX_MESSAGES = 500
MAX_TEXTS = 3000
_COMPARED = ("texts", "variants", "variables", "sample", "layout", "partials")


async def preview(
    template: CatalogTemplate, data: Mapping[str, Any], reader: Reader, *, only: str | None = None
) -> list[PreviewOut]:
    """What a reader would get, on one channel or on each.

    Raises:
        Invalid: the data does not fit, or a text cannot be rendered.
    """
    wanted = [name for name in template.channels(channels()) if only in (None, name)]
    check_data(data, template.variables, uses=template.uses(wanted))
    look = await load_look()
    found, errors = _composed(template, wanted, data, reader, look)
    if errors:
        raise Invalid(
            f"The template cannot be rendered: {next(iter(errors.values()))}",
            errors=[FieldError(name, error, "template") for name, error in errors.items()],
        )
    return [PreviewOut.of(name, composed) for name, composed in found.items()]


def _composed(
    template: CatalogTemplate, wanted: Sequence[str], data: Mapping[str, Any], reader: Reader, look: Look
) -> tuple[dict[str, Composed], dict[str, str]]:
    found: dict[str, Composed] = {}
    errors: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = compose(template, channels()[name], data, reader, look)
        except RenderError as error:
            errors[name] = str(error)
    return found, errors


async def compare(
    old: tuple[TemplateVersion, CatalogTemplate],
    new: tuple[TemplateVersion, CatalogTemplate],
    data: Mapping[str, Any] | None,
    locale: str,
) -> DiffOut:
    """How two versions differ: what they say, and what a reader gets of each with the same data."""
    names = [f"version {version.number}" for version, _ in (old, new)]
    sources = _diff(_written_out(old[0]), _written_out(new[0]), names)
    look = await load_look()
    reader = Reader(locale=locale)
    sides: list[dict[str, str]] = []
    errors: dict[str, str] = {}
    for version, template in (old, new):
        values = new[0].sample if data is None else data
        found, failed = _composed(template, template.channels(channels()), values, reader, look)
        sides.append({name: _read_out(composed) for name, composed in found.items()})
        errors |= {f"{version.number}:{name}": error for name, error in failed.items()}
    rendered = {
        name: _diff(sides[0].get(name, ""), sides[1].get(name, ""), names) for name in sorted({*sides[0], *sides[1]})
    }
    return DiffOut(sources=sources, rendered={name: text for name, text in rendered.items() if text}, errors=errors)


def _diff(old: str, new: str, names: Sequence[str]) -> str:
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), names[0], names[1], lineterm=""))


def _written_out(version: TemplateVersion) -> str:
    """The version as lines that people can compare: the line breaks of texts are line breaks."""
    lines: list[str] = []

    def write(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for name in sorted(value):
                write(value[name], f"{place}.{name}" if place else name)
        elif isinstance(value, str) and place.partition(".")[0] != "variables":
            lines.append(f"[{place}]")
            lines.extend(value.splitlines())
        elif value not in (None, []):
            lines.append(f"[{place}]")
            lines.append(json.dumps(value, ensure_ascii=False, sort_keys=True))

    write({name: getattr(version, name) for name in _COMPARED}, "")
    return "\n".join(lines)


def _read_out(composed: Composed) -> str:
    parts = [f"Subject: {composed.subject}", "", composed.text]
    if composed.html is not None:
        parts += ["", composed.html]
    if composed.options:
        parts += ["", json.dumps(composed.options, ensure_ascii=False, indent=1, sort_keys=True)]
    return "\n".join(parts)


async def rehearse(template: CatalogTemplate, number: int, days: int) -> RehearsalOut:
    """Render the messages of the last days again with this version, for the readers and channels that they had."""
    query = (
        select(Message)
        .where(col(Message.template) == template.key, col(Message.created_at) >= utcnow() - timedelta(days=days))
        .order_by(col(Message.created_at).desc())
        .limit(MAX_MESSAGES + 1)
    )
    past = (await session().exec(query)).all()
    look, there = await load_look(), channels()
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], UUID] = {}
    texts = 0
    for message in past[:MAX_MESSAGES]:
        for channel, reader in await _readers(message):
            if texts >= MAX_TEXTS or channel not in there:
                continue
            texts += 1
            try:
                check_data(message.data, template.variables)
                compose(template, there[channel], message.data, reader, look)
            except (RenderError, Invalid) as error:
                said = [f"{each.field}: {each.message}" for each in getattr(error, "errors", ())]
                found = (channel, reader.locale, "; ".join(said) or str(error))
                counts[found] += 1
                examples[found] = message.id
    return RehearsalOut(
        number=number,
        messages=len(past[:MAX_MESSAGES]),
        texts=texts,
        complete=len(past) <= MAX_MESSAGES and texts < MAX_TEXTS,
        errors=[
            RehearsalError(channel=key[0], locale=key[1], error=key[2], count=count, message_id=examples[key])
            for key, count in counts.most_common(100)
        ],
    )


async def _readers(message: Message) -> list[tuple[str, Reader]]:
    """The channels of a message, each with one reader of each language."""
    query = select(Delivery.channel, Delivery.recipient_id).where(col(Delivery.message_id) == message.id).limit(500)
    rows = (await session().exec(query)).all()
    people = await get_service(PEOPLE).find(list({recipient for _, recipient in rows}))
    found = {
        (channel, people[recipient].locale): Reader.of(people[recipient])
        for channel, recipient in rows
        if recipient in people
    }
    return [(channel, reader) for (channel, _), reader in found.items()]
