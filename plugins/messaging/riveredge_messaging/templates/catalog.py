"""The templates and channels of the current tenant: contributed ones, and the tenant's own over them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.templates.models import Template, TemplateVersion
from riveredge_messaging.templates.rendering import BUILT_IN, RenderError, variables_of
from riveredge_sdk import Plugin, contributions, session
from riveredge_sdk.features.messaging import MessageChannel, MessageTemplateSpec, TemplateText

DEFAULT_LOCALE = "en"

Texts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CatalogTemplate:
    """A template, whoever it comes from.

    Args:
        texts: by BCP 47 tag, for every channel that has no variant.
        variants: by channel id, then by tag.
        layout: the key of the layout; None: the tenant's, empty: none.
        version_id, number: of the tenant's version; None for a contributed one.
    """

    key: str
    title: str
    texts: Texts
    variables: Mapping[str, Any]
    description: str = ""
    own: bool = False
    category: str | None = None
    variants: Mapping[str, Texts] = field(default_factory=dict)
    sample: Mapping[str, Any] = field(default_factory=dict)
    layout: str | None = None
    partials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    version_id: UUID | None = None
    number: int | None = None

    def channels(self, there: Iterable[str]) -> list[str]:
        """Those of the channels that it has texts for."""
        return [channel for channel in there if self.texts or channel in self.variants]

    def texts_for(self, channel: str, wanted: str) -> tuple[str, Mapping[str, Any]]:
        """The tag and the texts for a reader: the nearest to the reader's tag, else English, else any.

        Raises:
            RenderError: it has none for the channel.
        """
        texts = self.variants.get(channel) or self.texts
        for tag in fall_back(wanted, texts):
            return tag, texts[tag]
        raise RenderError(f"the template has no text for {channel}")

    @property
    def locales(self) -> list[str]:
        """Every tag that there are texts for."""
        return sorted({tag for texts in (self.texts, *self.variants.values()) for tag in texts})

    def uses(self, channels: Iterable[str]) -> dict[str, set[str]]:
        """The variables that each channel's texts use."""
        found: dict[str, set[str]] = {}
        for channel in channels:
            names: set[str] = set()
            for parts in (self.variants.get(channel) or self.texts).values():
                for _, source, html in sources_of(parts):
                    names |= variables_of(source, self.partial_texts(html=html))
            found[channel] = names - BUILT_IN
        return found

    def partial_texts(self, *, html: bool) -> dict[str, str]:
        """The partials for one kind of text."""
        return {name: (html and parts.get("html")) or parts["text"] for name, parts in self.partials.items()}


def fall_back(wanted: str, there: Iterable[str]) -> list[str]:
    """The tags that there are, the nearest first: zh-Hant-TW, zh-Hant, zh, any Chinese, English, any."""
    tags = list(there)
    parts = wanted.split("-")
    nearer = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    by_lower = {tag.lower(): tag for tag in tags}
    found = [by_lower[tag.lower()] for tag in nearer if tag.lower() in by_lower]
    found += [tag for tag in tags if tag.partition("-")[0].lower() == parts[0].lower()]
    found += [tag for tag in tags if tag.partition("-")[0] == DEFAULT_LOCALE]
    return list(dict.fromkeys([*found, *tags]))


def sources_of(parts: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    """The Jinja2 sources in the texts of one locale: their place, the source, and whether it is HTML."""
    for name in ("subject", "text", "html", "link"):
        if parts.get(name) is not None:
            yield name, parts[name], name == "html"
    for index, action in enumerate(parts.get("actions") or ()):
        yield f"actions.{index}.label", action["label"], False
        if action.get("link") is not None:
            yield f"actions.{index}.link", action["link"], False
    for name, source in (parts.get("parameters") or {}).items():
        yield f"parameters.{name}", source, False


async def find_template(key: str) -> CatalogTemplate | None:
    """The template that new messages with this key use."""
    query = (
        select(Template, TemplateVersion)
        .join(TemplateVersion, col(TemplateVersion.template_id) == col(Template.id))
        .where(
            col(Template.key) == key,
            col(Template.archived_at).is_(None),
            col(TemplateVersion.number) == col(Template.published),
        )
    )
    found = (await session().exec(query)).first()
    return own_template(*found) if found is not None else find_contributed(key)


async def known_templates(keys: Collection[str]) -> frozenset[str]:
    """Those of the keys that new messages may name."""
    contributed_ids = {spec.id for spec in contributions(Plugin.message_templates)}
    own = select(Template.key).where(
        col(Template.key).in_(keys), col(Template.archived_at).is_(None), col(Template.published).is_not(None)
    )
    found = (await session().exec(own)).all() if keys else ()
    return frozenset(found) | (contributed_ids & {*keys})


async def pinned_template(key: str, version_id: UUID | None) -> CatalogTemplate | None:
    """The template as it was when a message was accepted."""
    if version_id is None:
        return find_contributed(key) or await find_template(key)
    query = (
        select(Template, TemplateVersion)
        .join(Template, col(TemplateVersion.template_id) == col(Template.id))
        .where(col(TemplateVersion.id) == version_id)
    )
    found = (await session().exec(query)).first()
    return own_template(*found) if found is not None else None


async def all_templates() -> list[CatalogTemplate]:
    """Every template that messages may name, by key."""
    query = (
        select(Template, TemplateVersion)
        .join(TemplateVersion, col(TemplateVersion.template_id) == col(Template.id))
        .where(col(Template.archived_at).is_(None), col(TemplateVersion.number) == col(Template.published))
    )
    own = {row.key: own_template(row, version) for row, version in (await session().exec(query)).all()}
    found = {**contributed(), **own}
    return [found[key] for key in sorted(found)]


def find_contributed(key: str) -> CatalogTemplate | None:
    """A plugin's template."""
    return next((_contributed(spec) for spec in contributions(Plugin.message_templates) if spec.id == key), None)


def contributed() -> dict[str, CatalogTemplate]:
    """The plugins' templates."""
    return {spec.id: _contributed(spec) for spec in contributions(Plugin.message_templates)}


def _contributed(spec: MessageTemplateSpec) -> CatalogTemplate:
    return CatalogTemplate(
        key=spec.id,
        title=spec.title,
        description=spec.description,
        texts={tag: _parts(text) for tag, text in spec.texts.items()},
        variants={
            channel: {tag: _parts(text) for tag, text in texts.items()} for channel, texts in spec.variants.items()
        },
        variables=spec.variables,
        sample=spec.sample,
        category=spec.category,
    )


def _parts(text: TemplateText) -> dict[str, Any]:
    return {
        "subject": text.subject,
        "text": text.text,
        "html": text.html,
        "link": text.link,
        "actions": [asdict(action) for action in text.actions],
        "tags": list(text.tags),
        "provider_template_code": text.provider_template_code,
        "parameters": dict(text.parameters),
    }


def own_template(row: Template, version: TemplateVersion) -> CatalogTemplate:
    """One version of a tenant's template."""
    return CatalogTemplate(
        key=row.key,
        title=row.title,
        description=row.description,
        texts=version.texts,
        variables=version.variables,
        own=True,
        category=row.category,
        variants=version.variants,
        sample=version.sample,
        layout=version.layout,
        partials=version.partials,
        version_id=version.id,
        number=version.number,
    )


def channels() -> dict[str, MessageChannel]:
    """The channels of the plugins that are on, by id."""
    return {channel.id: channel for channel in contributions(Plugin.message_channels)}
