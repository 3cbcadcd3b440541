"""The templates and channels of the current tenant: contributed ones, and the tenant's own over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import col

from riveredge_messaging.models import Template
from riveredge_messaging.rendering import Rendered, RenderError, render, variables_of
from riveredge_messaging.repository import Templates
from riveredge_sdk import Plugin, contributions
from riveredge_sdk.features.messaging import MessageChannel
from riveredge_sdk.problems import FieldError, Invalid

DEFAULT_LOCALE = "en"


@dataclass(frozen=True, slots=True)
class CatalogTemplate:
    """A template, whoever it comes from. `texts` by BCP 47 tag, each with subject, text and perhaps html."""

    key: str
    title: str
    description: str
    texts: Mapping[str, Mapping[str, Any]]
    variables: Mapping[str, Any]
    own: bool

    def locale_for(self, wanted: str) -> str:
        """The tag of the texts for a reader: the same, else the same language, else English, else any."""
        language = wanted.partition("-")[0]
        same_language = (tag for tag in self.texts if tag.partition("-")[0] == language)
        for tag in (wanted, *same_language, DEFAULT_LOCALE):
            if tag in self.texts:
                return tag
        return next(iter(self.texts))

    def render(self, data: Mapping[str, Any], *, locale: str, timezone: str) -> Rendered:
        """The texts for a reader.

        Raises:
            RenderError: the template is wrong, or does not fit the data.
        """
        tag = self.locale_for(locale)
        texts = self.texts[tag]
        return render(texts["subject"], texts["text"], texts.get("html"), data, locale=tag, timezone=timezone)


async def find_template(key: str) -> CatalogTemplate | None:
    """The template that messages with this key use."""
    own = await Templates().find(col(Template.key) == key)
    if own is not None:
        return _own(own)
    return contributed().get(key)


async def all_templates() -> list[CatalogTemplate]:
    """Every template that messages may name, by key."""
    found = {**contributed(), **{row.key: _own(row) for row in await Templates().all()}}
    return [found[key] for key in sorted(found)]


def contributed() -> dict[str, CatalogTemplate]:
    """The plugins' templates."""
    return {
        spec.id: CatalogTemplate(
            spec.id,
            spec.title,
            spec.description,
            {tag: {"subject": t.subject, "text": t.text, "html": t.html} for tag, t in spec.texts.items()},
            spec.variables,
            own=False,
        )
        for spec in contributions(Plugin.message_templates)
    }


def _own(row: Template) -> CatalogTemplate:
    return CatalogTemplate(row.key, row.title, row.description, row.texts, row.variables, own=True)


def channels() -> dict[str, MessageChannel]:
    """The channels of the plugins that are on, by id."""
    return {channel.id: channel for channel in contributions(Plugin.message_channels)}


def _is_declaration(variables: Mapping[str, Any]) -> bool:
    """Whether it is a JSON Schema object, as far as `check_data` reads it."""
    properties, required = variables.get("properties", {}), variables.get("required", [])
    return (
        variables.get("type", "object") == "object"
        and isinstance(properties, dict)
        and all(isinstance(each, dict) and isinstance(each.get("type", ""), str) for each in properties.values())
        and isinstance(required, list)
        and all(isinstance(each, str) for each in required)
    )


def check_texts(texts: Mapping[str, Mapping[str, Any]], variables: Mapping[str, Any]) -> None:
    """See that the texts compile and use declared variables only.

    Raises:
        Invalid: naming each text at fault.
    """
    errors: list[FieldError] = []
    properties = variables.get("properties", {})
    if not _is_declaration(variables):
        expected = (
            'Expected {"type": "object", "properties": {"name": {"type": "string"}, …}, "required": ["name", …]}.'
        )
        raise Invalid(expected, errors=[FieldError("variables", expected, "variables")])
    for tag, parts in texts.items():
        for name, source in parts.items():
            if source is None:
                continue
            try:
                unknown = variables_of(source) - properties.keys()
            except RenderError as error:
                errors.append(FieldError(f"texts.{tag}.{name}", str(error), "template"))
                continue
            errors += [
                FieldError(f"texts.{tag}.{name}", f"Declare the variable {variable!r}.", "undeclared")
                for variable in sorted(unknown)
            ]
    if errors:
        raise Invalid(f"{len(errors)} mistake(s) in the texts.", errors=errors)
