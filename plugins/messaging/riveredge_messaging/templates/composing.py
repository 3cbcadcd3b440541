"""From a template and data to what one reader gets on one channel: texts, layout and brand."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup
from sqlmodel import col

from riveredge_messaging.inbox.links import check_link
from riveredge_messaging.settings import MessagingTenantSettings
from riveredge_messaging.templates.catalog import CatalogTemplate
from riveredge_messaging.templates.models import Block, BlockKind
from riveredge_messaging.templates.rendering import RenderError, render_text
from riveredge_messaging.templates.repository import Blocks
from riveredge_sdk import tenant_settings
from riveredge_sdk.features.messaging import MessageChannel
from riveredge_sdk.features.people import Person

MAX_SUBJECT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whom the texts are for."""

    locale: str = "en"
    timezone: str = "UTC"
    name: str = ""

    @classmethod
    def of(cls, person: Person) -> "Reader":
        """The person as a reader."""
        return cls(locale=person.locale, timezone=person.timezone, name=person.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The tenant's brand and layouts, as they are now. `default`: the key of the layout of templates that name none."""

    brand: Mapping[str, str] = field(default_factory=dict)
    layouts: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    default: str | None = None


# For mails of the installation, which have no tenant's look.
PLAIN = Look(brand={"name": "", "url": "", "logo_url": "", "color": "", "footer": ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """What one reader gets. `options`: what the channel needs besides the texts, such as actions and their links."""

    locale: str
    subject: str
    text: str
    html: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


async def load_look() -> Look:
    """The current tenant's look. Inside a unit of work."""
    settings = await tenant_settings(MessagingTenantSettings)
    rows = await Blocks().all(col(Block.kind) == BlockKind.LAYOUT)
    return Look(
        brand={
            "name": settings.brand_name,
            "url": settings.brand_url,
            "logo_url": settings.brand_logo_url,
            "color": settings.brand_color,
            "footer": settings.brand_footer,
        },
        layouts={row.key: (row.text, row.html) for row in rows},
        default=settings.layout,
    )


def compose(
    template: CatalogTemplate, channel: MessageChannel, data: Mapping[str, Any], reader: Reader, look: Look = PLAIN
) -> Composed:
    """Render the template for one reader on one channel.

    Raises:
        RenderError: the template is wrong, or does not fit the data; nothing may be sent then.
    """
    locale, parts = template.texts_for(channel.id, reader.locale)
    writer = _Writer(template, locale, reader, look, data)
    subject = writer.line("subject", parts.get("subject") or "")[:MAX_SUBJECT]
    text = writer.write("text", parts["text"])
    html = writer.write("html", parts["html"], html=True) if parts.get("html") and channel.has_html else None
    if channel.has_html:
        text, html = writer.lay_out(subject, text, html)
    return Composed(locale=locale, subject=subject, text=text, html=html, options=_options(parts, writer))


def _options(parts: Mapping[str, Any], writer: "_Writer") -> dict[str, Any]:
    options: dict[str, Any] = {}
    if parts.get("link"):
        options["link"] = writer.link("link", parts["link"])
    if parts.get("tags"):
        options["tags"] = parts["tags"]
    if parts.get("actions"):
        options["actions"] = [
            {
                "id": action["id"],
                "label": writer.line(f"actions.{index}.label", action["label"]),
                "style": action["style"],
                "link": writer.link(f"actions.{index}.link", action["link"]) if action.get("link") else None,
            }
            for index, action in enumerate(parts["actions"])
        ]
    if parts.get("provider_template_code"):
        options["provider_template_code"] = parts["provider_template_code"]
        options["parameters"] = {
            name: writer.write(f"parameters.{name}", source) for name, source in (parts.get("parameters") or {}).items()
        }
    return options


class _Writer:
    """Renders the texts of one message for one reader."""

    def __init__(
        self, template: CatalogTemplate, locale: str, reader: Reader, look: Look, data: Mapping[str, Any]
    ) -> None:
        self.locale = locale
        self.timezone = reader.timezone
        self.partials = {html: template.partial_texts(html=html) for html in (False, True)}
        self.values = {"brand": look.brand, "reader": {"name": reader.name, "locale": reader.locale}, **data}
        self.layout = look.layouts.get(look.default or "" if template.layout is None else template.layout)

    def write(self, place: str, source: str, *, html: bool = False, **further: Any) -> str:
        try:
            return render_text(
                source,
                {**self.values, **further},
                locale=self.locale,
                timezone=self.timezone,
                html=html,
                partials=self.partials[html],
            )
        except RenderError as error:
            raise RenderError(f"{place}: {error}") from None

    def line(self, place: str, source: str) -> str:
        """One line: a break inside would begin a header line of its own in a mail."""
        text = self.write(place, source).strip()
        if any(character != "\t" and unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
            raise RenderError(f"{place}: it has a line break or another control character")
        return " ".join(text.split())

    def link(self, place: str, source: str) -> str:
        try:
            return check_link(self.write(place, source).strip())
        except RenderError:
            raise
        except ValueError as error:
            raise RenderError(f"{place}: {error}") from None

    def lay_out(self, subject: str, text: str, html: str | None) -> tuple[str, str | None]:
        """The texts with the layout around them."""
        if self.layout is None:
            return text, html
        around_text, around_html = self.layout
        if around_text:
            text = self.write("layout", around_text, subject=subject, content=text)
        if around_html and html is not None:
            content = Markup(html)  # noqa: S704  (rendered before, and escaped there)
            html = self.write("layout", around_html, html=True, subject=subject, content=content)
        return text, html
