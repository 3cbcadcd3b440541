"""`/api/v1/messaging/blocks`: layouts around mails, and partials that texts include."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_messaging.permissions import TEMPLATE_READ, TEMPLATE_WRITE
from riveredge_messaging.templates.contents import check_block
from riveredge_messaging.templates.models import Block
from riveredge_messaging.templates.repository import Blocks
from riveredge_messaging.templates.schemas import BlockChange, BlockIn, BlockOut
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router

router = Router(prefix="/blocks", tag="Messaging: layouts and partials", audit="messaging.block")
blocks = Blocks()


@router.get(require=TEMPLATE_READ, summary="List layouts and partials")
async def list_blocks(query: Annotated[ListQuery, Query()]) -> Page[BlockOut]:
    return await blocks.page(query, into=BlockOut)


@router.get("/{block_id}", require=TEMPLATE_READ, summary="One layout or partial")
async def get_block(block_id: UUID) -> BlockOut:
    return BlockOut.model_validate(await blocks.get(block_id))


@router.post(require=TEMPLATE_WRITE, summary="Create a layout or a partial")
async def create_block(body: BlockIn) -> BlockOut:
    check_block(body.kind, body.text, body.html)
    return BlockOut.model_validate(await blocks.add(Block(**body.model_dump())))


@router.patch("/{block_id}", require=TEMPLATE_WRITE, summary="Change a layout or a partial")
async def change_block(block_id: UUID, body: BlockChange, version: ExpectedVersion) -> BlockOut:
    """A layout changes for all mails from now on; a partial for versions that are published from now on."""
    row = await blocks.get(block_id, version=version, lock=True)
    given = body.given()
    check_block(row.kind, given.get("text", row.text), given.get("html", row.html))
    return BlockOut.model_validate(await blocks.change(row, given))


@router.delete("/{block_id}", require=TEMPLATE_WRITE, summary="Delete a layout or a partial")
async def delete_block(block_id: UUID, version: ExpectedVersion) -> None:
    """Mails of templates that name the layout go out without one; published versions keep their partials."""
    await blocks.delete(await blocks.get(block_id, version=version, lock=True))
