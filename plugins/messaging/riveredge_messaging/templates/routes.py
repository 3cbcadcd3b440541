"""`/api/v1/messaging/templates`: the organisation's templates, from the draft to the archive."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.permissions import MESSAGE_SEND, TEMPLATE_READ, TEMPLATE_WRITE
from riveredge_messaging.schemas import MessageOut
from riveredge_messaging.service import Messaging
from riveredge_messaging.templates import comparing, editing
from riveredge_messaging.templates.catalog import (
    CatalogTemplate,
    all_templates,
    channels,
    find_contributed,
    find_template,
    own_template,
)
from riveredge_messaging.templates.composing import Reader
from riveredge_messaging.templates.contents import check_contents
from riveredge_messaging.templates.models import Template, TemplateVersion
from riveredge_messaging.templates.repository import Templates, Versions
from riveredge_messaging.templates.schemas import (
    AvailableTemplate,
    Contents,
    DiffIn,
    DiffOut,
    PreviewIn,
    PreviewOut,
    PublishIn,
    RehearsalOut,
    RehearseIn,
    RollbackIn,
    SendToMeIn,
    TemplateChange,
    TemplateDetail,
    TemplateIn,
    TemplateOut,
    VersionOut,
)
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, current_context, current_principal
from riveredge_sdk.problems import Conflict, invalid_field

router = Router(prefix="/templates", tag="Messaging: templates", audit=editing.KIND)
templates = Templates()
versions = Versions()
messaging = Messaging()


@router.get(require=TEMPLATE_READ, summary="List the organisation's own templates")
async def list_templates(query: Annotated[ListQuery, Query()]) -> Page[TemplateOut]:
    return await templates.page(query, into=TemplateOut)


@router.get("/available", require=TEMPLATE_READ, summary="Every template that messages may name")
async def list_available_templates() -> list[AvailableTemplate]:
    return [
        AvailableTemplate(
            key=found.key,
            title=found.title,
            description=found.description,
            category=found.category,
            locales=found.locales,
            channels=found.channels(channels()),
            variables=dict(found.variables),
            sample=dict(found.sample),
            own=found.own,
            version=found.number,
        )
        for found in await all_templates()
    ]


@router.post("/preview", require=TEMPLATE_READ, audit=False, status=200, summary="Render a template without sending it")
async def preview_template(body: PreviewIn) -> list[PreviewOut]:
    """What a reader of your name would get on each channel, with the given data or the template's sample."""
    found = await _previewed(body)
    me = current_principal()
    reader = Reader(locale=body.locale, timezone=body.timezone or current_context().timezone, name=me.name)
    data = found.sample if body.data is None else body.data
    return await comparing.preview(found, data, reader, only=body.channel)


async def _previewed(body: PreviewIn) -> CatalogTemplate:
    if body.contents is not None:
        partials = await check_contents(body.contents, where="contents.")
        kept = body.contents.model_dump()
        return CatalogTemplate(key=body.key or "preview", title="", own=True, partials=partials, **kept)
    if body.key is None:
        raise invalid_field("key", "Give a key, or contents.", "missing")
    if body.number is None:
        found = await find_template(body.key)
    else:
        row = await templates.find(col(Template.key) == body.key)
        found = own_template(row, await versions.of(row, body.number)) if row is not None else None
    if found is None:
        raise invalid_field("key", f"There is no template {body.key!r} here.", "unknown_template")
    return found


@router.get("/{template_id}", require=TEMPLATE_READ, summary="One of the organisation's own templates")
async def get_template(template_id: UUID) -> TemplateDetail:
    return await _detail(await templates.get(template_id))


async def _detail(row: Template) -> TemplateDetail:
    async def version(number: int | None) -> VersionOut | None:
        return VersionOut.model_validate(await versions.of(row, number)) if number is not None else None

    known = TemplateOut.model_validate(row).model_dump()
    return TemplateDetail(**known, current=await version(row.published), working=await version(row.draft))


@router.post(require=TEMPLATE_WRITE, summary="Create a template, or the organisation's version of one")
async def create_template(body: TemplateIn) -> TemplateDetail:
    """Published at once, unless `publish` is false. With the key of a plugin's template it takes that one's place."""
    return await _detail(await editing.create(body))


@router.post("/from-contributed/{key}", require=TEMPLATE_WRITE, summary="Begin a draft with a plugin's texts")
async def copy_contributed_template(key: str) -> TemplateDetail:
    found = find_contributed(key)
    if found is None:
        raise invalid_field("key", f"No plugin brings a template {key[:100]!r}.", "unknown_template")
    body = TemplateIn.model_validate(
        {
            "key": found.key,
            "title": found.title,
            "description": found.description,
            "category": found.category,
            "texts": found.texts,
            "variants": found.variants,
            "variables": found.variables,
            "sample": found.sample,
            "publish": False,
        }
    )
    return await _detail(await editing.create(body))


@router.patch("/{template_id}", require=TEMPLATE_WRITE, summary="Change a template's title, description or category")
async def change_template(template_id: UUID, body: TemplateChange, version: ExpectedVersion) -> TemplateOut:
    row = await templates.get(template_id, version=version, lock=True)
    return TemplateOut.model_validate(await templates.change(row, body.given()))


@router.delete("/{template_id}", require=TEMPLATE_WRITE, summary="Delete a template that no message has used")
async def delete_template(template_id: UUID, version: ExpectedVersion) -> None:
    await editing.delete(await templates.get(template_id, version=version, lock=True))


@router.put("/{template_id}/draft", require=TEMPLATE_WRITE, summary="Write the draft")
async def save_draft(template_id: UUID, body: Contents, version: ExpectedVersion) -> TemplateDetail:
    """Messages go on using the published version until the draft is published. If-Match is the template's version."""
    row = await templates.get(template_id, version=version, lock=True)
    await editing.save_draft(row, body)
    return await _detail(row)


@router.delete("/{template_id}/draft", require=TEMPLATE_WRITE, summary="Throw the draft away")
async def discard_draft(template_id: UUID, version: ExpectedVersion) -> None:
    await editing.discard_draft(await templates.get(template_id, version=version, lock=True))


@router.post("/{template_id}/publish", require=TEMPLATE_WRITE, status=200, summary="Publish the draft")
async def publish_template(template_id: UUID, body: PublishIn, version: ExpectedVersion) -> TemplateDetail:
    """New messages use it from now on; those accepted before keep their version."""
    row = await templates.get(template_id, version=version, lock=True)
    return await _detail(await editing.publish(row, body.note))


@router.post("/{template_id}/rollback", require=TEMPLATE_WRITE, status=200, summary="Use an earlier version again")
async def roll_back_template(template_id: UUID, body: RollbackIn, version: ExpectedVersion) -> TemplateDetail:
    row = await templates.get(template_id, version=version, lock=True)
    return await _detail(await editing.roll_back(row, body.number))


@router.post("/{template_id}/archive", require=TEMPLATE_WRITE, status=200, summary="Take a template out of use")
async def archive_template(template_id: UUID, version: ExpectedVersion) -> TemplateOut:
    """New messages cannot name it, or get the plugin's template with the same key; accepted ones still go out."""
    row = await templates.get(template_id, version=version, lock=True)
    return TemplateOut.model_validate(await editing.set_archived(row, archived=True))


@router.post("/{template_id}/restore", require=TEMPLATE_WRITE, status=200, summary="Take it out of the archive")
async def restore_template(template_id: UUID, version: ExpectedVersion) -> TemplateOut:
    row = await templates.get(template_id, version=version, lock=True)
    return TemplateOut.model_validate(await editing.set_archived(row, archived=False))


@router.get("/{template_id}/versions", require=TEMPLATE_READ, summary="The versions of a template, newest first")
async def list_template_versions(template_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[VersionOut]:
    row = await templates.get(template_id)
    return await versions.page(query, col(TemplateVersion.template_id) == row.id, into=VersionOut)


@router.get("/{template_id}/versions/{number}", require=TEMPLATE_READ, summary="One version of a template")
async def get_template_version(template_id: UUID, number: int) -> VersionOut:
    return VersionOut.model_validate(await versions.of(await templates.get(template_id), number))


@router.post("/{template_id}/diff", require=TEMPLATE_READ, audit=False, status=200, summary="Compare two versions")
async def compare_template_versions(template_id: UUID, body: DiffIn) -> DiffOut:
    """Their sources, and what a reader gets of each with the same data."""
    row = await templates.get(template_id)
    old, new = await versions.of(row, body.old), await versions.of(row, body.new)
    return await comparing.compare((old, own_template(row, old)), (new, own_template(row, new)), body.data, body.locale)


@router.post("/{template_id}/rehearse", require=TEMPLATE_WRITE, audit=False, status=200, summary="Rehearse a version")
async def rehearse_template(template_id: UUID, body: RehearseIn) -> RehearsalOut:
    """Renders the messages of the last days again, and lists every error, before anybody publishes it."""
    version, template = await _working(template_id, body.number)
    return await comparing.rehearse(template, version.number, body.days)


@router.post("/{template_id}/send-to-me", require=MESSAGE_SEND, status=202, summary="Send a version to oneself")
async def send_template_to_me(template_id: UUID, body: SendToMeIn) -> MessageOut:
    _, template = await _working(template_id, body.number)
    data = template.sample if body.data is None else body.data
    return MessageOut.model_validate(await messaging.send_test(template, data, body.channels))


async def _working(template_id: UUID, number: int | None) -> tuple[TemplateVersion, CatalogTemplate]:
    row = await templates.get(template_id)
    wanted = number or row.draft or row.published
    if wanted is None:
        raise Conflict("The template has no version.")
    version = await versions.of(row, wanted)
    return version, own_template(row, version)
