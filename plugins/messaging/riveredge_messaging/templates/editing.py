"""The life of a template: drafted, published, rolled back, archived."""

from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.models import Message
from riveredge_messaging.repository import Messages
from riveredge_messaging.templates.contents import check_contents
from riveredge_messaging.templates.models import Template, TemplateVersion, VersionStatus
from riveredge_messaging.templates.repository import Templates, Versions
from riveredge_messaging.templates.schemas import Contents, TemplateIn
from riveredge_sdk import current_context, session, utcnow
from riveredge_sdk.audit import record
from riveredge_sdk.problems import Conflict

KIND = "messaging.template"
_CONTENTS = ("texts", "variants", "variables", "sample", "layout")


async def create(body: TemplateIn) -> Template:
    """A template with its first version."""
    partials = await check_contents(body)
    template = await Templates().add(
        Template(key=body.key, title=body.title, description=body.description, category=body.category, draft=1)
    )
    await Versions().add(_version(template, 1, body))
    return await _publish(template, partials, note="") if body.publish else template


async def save_draft(template: Template, contents: Contents) -> TemplateVersion:
    """Write the draft; the first time beside the published version."""
    await check_contents(contents)
    if template.draft is not None:
        draft = await Versions().of(template, template.draft)
        values = {**_values(contents), "author_id": _author()}
        saved = await Versions().change(draft, values)
    else:
        number = await _last_number(template) + 1
        saved = await Versions().add(_version(template, number, contents))
        template.draft = number
    await _touch(template)
    return saved


async def discard_draft(template: Template) -> None:
    """Throw the draft away.

    Raises:
        Conflict: there is none, or it is all there is.
    """
    draft = await _draft(template)
    if template.published is None:
        raise Conflict("The template has never been published: delete it instead.")
    template.draft = None
    await Versions().delete(draft)
    await _touch(template)


async def publish(template: Template, note: str) -> Template:
    """Make the draft what new messages use.

    Raises:
        Conflict: there is no draft.
        Invalid: something that it needs is gone.
    """
    draft = await _draft(template)
    partials = await check_contents(Contents(**{name: getattr(draft, name) for name in _CONTENTS}))
    return await _publish(template, partials, note)


async def roll_back(template: Template, number: int) -> Template:
    """Let new messages use an earlier version again. It stays as it was, and so do those after it.

    Raises:
        NotFound: there is no such version.
        Conflict: it was never published.
    """
    version = await Versions().of(template, number)
    if version.status != VersionStatus.PUBLISHED:
        raise Conflict(f"Version {number} is a draft: publish it instead.")
    before, template.published = template.published, number
    record(
        "messaging.template.roll_back", KIND, template.id, title=template.key, details={"from": before, "to": number}
    )
    await _touch(template)
    return template


async def set_archived(template: Template, archived: bool) -> Template:
    """Take the template out of use, or back into it. Messages that have been accepted still go out."""
    template.archived_at = utcnow() if archived else None
    await _touch(template)
    return template


async def delete(template: Template) -> None:
    """Delete a template that no message has used.

    Raises:
        Conflict: one has.
    """
    versions = await Versions().all(col(TemplateVersion.template_id) == template.id)
    ids = [version.id for version in versions]
    if await Messages().find(col(Message.template_version_id).in_(ids)) is not None:
        raise Conflict("Messages were sent with this template, and show what it said: archive it instead.")
    await Templates().delete(template)


async def _publish(template: Template, partials: dict[str, Any], note: str) -> Template:
    draft = await _draft(template)
    published = {"status": VersionStatus.PUBLISHED, "partials": partials, "note": note, "published_at": utcnow()}
    await Versions().change(draft, {**published, "author_id": _author()})
    template.published, template.draft = draft.number, None
    await _touch(template)
    return template


async def _draft(template: Template) -> TemplateVersion:
    if template.draft is None:
        raise Conflict("The template has no draft: write one with PUT …/draft.")
    return await Versions().of(template, template.draft)


async def _last_number(template: Template) -> int:
    versions = await Versions().all(col(TemplateVersion.template_id) == template.id)
    return max((version.number for version in versions), default=0)


async def _touch(template: Template) -> None:
    """Count up the template's version, which clients name when they change anything of it."""
    template.updated_at = utcnow()
    await session().flush()


def _version(template: Template, number: int, contents: Contents) -> TemplateVersion:
    return TemplateVersion(template_id=template.id, number=number, author_id=_author(), **_values(contents))


def _values(contents: Contents) -> dict[str, Any]:
    kept = contents.model_dump()
    return {name: kept[name] for name in _CONTENTS}


def _author() -> UUID | None:
    principal = current_context().principal
    return principal.id if principal is not None else None
