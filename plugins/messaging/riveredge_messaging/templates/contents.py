"""What a version of a template holds: checked before it is kept, and with the partials it needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from riveredge_messaging.templates.catalog import channels, sources_of
from riveredge_messaging.templates.declarations import check_declaration, declared_names
from riveredge_messaging.templates.models import BlockKind
from riveredge_messaging.templates.rendering import BUILT_IN, RenderError, includes_of, variables_of
from riveredge_messaging.templates.repository import Blocks
from riveredge_messaging.templates.schemas import Contents
from riveredge_sdk.problems import FieldError, Invalid

Partials = dict[str, dict[str, Any]]


async def check_contents(contents: Contents, *, where: str = "") -> Partials:
    """See that the texts compile, use declared variables only, and name channels, a layout and partials that exist.

    Args:
        where: what the names of fields in errors begin with.

    Returns:
        The partials that the texts include, those of partials among them, as they are now.

    Raises:
        Invalid: naming each text at fault.
    """
    check_declaration(contents.variables, where=f"{where}variables")
    blocks = await Blocks().all()
    there = {row.key: {"text": row.text, "html": row.html} for row in blocks if row.kind == BlockKind.PARTIAL}
    errors = list(_outline_errors(contents, {row.key for row in blocks if row.kind == BlockKind.LAYOUT}))
    used: Partials = {}
    declared = declared_names(contents.variables) | BUILT_IN
    for place, source, html in _all_sources(contents):
        try:
            names = _closure(source, there, html=html)
            used |= {name: there[name] for name in names}
            unknown = variables_of(source, {name: _source(there[name], html=html) for name in names}) - declared
        except RenderError as error:
            errors.append(FieldError(place, str(error), "template"))
            continue
        errors += [FieldError(place, f"Declare the variable {name!r}.", "undeclared") for name in sorted(unknown)]
    if errors:
        named = [FieldError(where + error.field, error.message, error.code) for error in errors]
        raise Invalid(f"{len(errors)} mistake(s) in the texts.", errors=named)
    return used


def check_block(kind: str, text: str, html: str | None) -> None:
    """See that a layout or a partial compiles.

    Raises:
        Invalid: naming the text at fault.
    """
    errors = []
    for field, source in (("text", text), ("html", html)):
        if not source:
            continue
        try:
            includes_of(source) if kind == BlockKind.PARTIAL else _check_layout(source)
        except RenderError as error:
            errors.append(FieldError(field, str(error), "template"))
    if not text and not html:
        errors.append(FieldError("text", "Give a text, HTML, or both.", "missing"))
    if kind == BlockKind.PARTIAL and not text:
        errors.append(FieldError("text", "A partial needs a text, for readers of plain text.", "missing"))
    if errors:
        raise Invalid(f"{len(errors)} mistake(s).", errors=errors)


def _check_layout(source: str) -> None:
    names = variables_of(source)
    if "content" not in names:
        raise RenderError("it does not say {{ content }}, so the message would be missing")
    if unknown := names - BUILT_IN - {"content", "subject"}:
        raise RenderError(f"a layout knows content, subject, brand and reader, not {min(unknown)}")


def _outline_errors(contents: Contents, layouts: set[str]) -> Iterator[FieldError]:
    there = channels()
    if not contents.texts and not any(contents.variants.values()):
        yield FieldError("texts", "Give texts, for every channel or for one.", "missing")
    for tag, texts in contents.texts.items():
        if not texts.subject:
            yield FieldError(f"texts.{tag}.subject", "Texts for every channel need a subject.", "missing")
        if texts.provider_template_code is not None:
            place = f"texts.{tag}.provider_template_code"
            yield FieldError(place, "A provider's template belongs into the variant of its channel.", "variant")
    for channel, localized in contents.variants.items():
        if channel not in there:
            yield FieldError(
                f"variants.{channel}", f"There is no such channel; there are: {', '.join(there)}.", "unknown"
            )
            continue
        for tag, texts in localized.items():
            if there[channel].has_subject and not texts.subject:
                yield FieldError(f"variants.{channel}.{tag}.subject", "This channel needs a subject.", "missing")
    if contents.layout and contents.layout not in layouts:
        yield FieldError("layout", f"There is no layout {contents.layout!r} here.", "unknown")


def _all_sources(contents: Contents) -> Iterator[tuple[str, str, bool]]:
    kept = contents.model_dump()
    for tag, parts in kept["texts"].items():
        for place, source, html in sources_of(parts):
            yield f"texts.{tag}.{place}", source, html
    for channel, localized in kept["variants"].items():
        for tag, parts in localized.items():
            for place, source, html in sources_of(parts):
                yield f"variants.{channel}.{tag}.{place}", source, html


def _closure(source: str, there: Mapping[str, Mapping[str, Any]], *, html: bool) -> set[str]:
    found: set[str] = set()
    pending = includes_of(source)
    while pending:
        name = pending.pop()
        if name not in there:
            raise RenderError(f"there is no partial {name[:100]!r}")
        if name not in found:
            found.add(name)
            pending |= includes_of(_source(there[name], html=html))
    return found


def _source(partial: Mapping[str, Any], *, html: bool) -> str:
    return str((html and partial.get("html")) or partial["text"])
