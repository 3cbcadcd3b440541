"""`/api/v1/messaging`: providers, their configurations, and how messages go through them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.configs import service
from riveredge_messaging.delivery.models import MessageConfig
from riveredge_messaging.delivery.repository import Configs
from riveredge_messaging.delivery.schemas import (
    ConfigChange,
    ConfigIn,
    ConfigOut,
    ConfigRow,
    DrillIn,
    ProviderOut,
    RouteOut,
    TestOut,
)
from riveredge_messaging.permissions import CONFIG_READ, CONFIG_WRITE
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router

router = Router(prefix="/configs", tag="Messaging: providers", audit="messaging.config")
providers_router = Router(tag="Messaging: providers")
configs = Configs()


@providers_router.get("/providers", require=CONFIG_READ, summary="The providers there are, with their forms")
async def list_providers() -> list[ProviderOut]:
    return service.all_providers()


@providers_router.get(
    "/routing/{channel}", require=CONFIG_READ, summary="What a channel's messages go through, in order"
)
async def get_routing(channel: str) -> list[RouteOut]:
    """Also what is no configuration: the organisation's mail settings, and the installation's mail server."""
    return await service.route_of(channel)


@router.get(require=CONFIG_READ, summary="List configurations")
async def list_configs(query: Annotated[ListQuery, Query()]) -> Page[ConfigOut]:
    page = await configs.page(query, into=ConfigRow)
    rows = {row.id: row for row in await configs.all(col(MessageConfig.id).in_([item.id for item in page.items]))}
    return Page(items=await service.shown([rows[item.id] for item in page.items]), next=page.next)


@router.get("/{config_id}", require=CONFIG_READ, summary="One configuration, and how it does")
async def get_config(config_id: UUID) -> ConfigOut:
    return await _shown(await configs.get(config_id))


@router.post(require=CONFIG_WRITE, summary="Configure a provider")
async def create_config(body: ConfigIn) -> ConfigOut:
    return await _shown(await service.create(body))


@router.patch("/{config_id}", require=CONFIG_WRITE, summary="Change a configuration")
async def change_config(config_id: UUID, body: ConfigChange, version: ExpectedVersion) -> ConfigOut:
    """Settings that are not given stay as they are, secrets too; null takes one away. A changed server needs the
    secrets anew."""
    row = await configs.get(config_id, version=version, lock=True)
    return await _shown(await service.change(row, body))


@router.delete("/{config_id}", require=CONFIG_WRITE, summary="Delete a configuration")
async def delete_config(config_id: UUID, version: ExpectedVersion) -> None:
    await service.delete(await configs.get(config_id, version=version, lock=True))


@router.post("/{config_id}/test", require=CONFIG_WRITE, status=202, summary="Send a test to myself through it")
async def test_config(config_id: UUID) -> TestOut:
    """Also through one that is not active or has failed. The delivery shows what came of it."""
    delivery = await service.send_test(await configs.get(config_id))
    return TestOut(message_id=delivery.message_id, delivery_id=delivery.id)


@router.post("/{config_id}/drill", require=CONFIG_WRITE, status=200, summary="Take it out of use for a while")
async def drill_config(config_id: UUID, body: DrillIn) -> ConfigOut:
    """Shows whether the others take over. It comes back by itself, or by `resume`."""
    row = await configs.get(config_id)
    await service.take_out(row, body.minutes)
    return await _shown(row)


@router.post("/{config_id}/resume", require=CONFIG_WRITE, status=200, summary="Use it again at once")
async def resume_config(config_id: UUID) -> ConfigOut:
    """Ends a drill and a pause, and forgets faults."""
    row = await configs.get(config_id)
    await service.resume(row)
    return await _shown(row)


async def _shown(row: MessageConfig) -> ConfigOut:
    return (await service.shown([row]))[0]
