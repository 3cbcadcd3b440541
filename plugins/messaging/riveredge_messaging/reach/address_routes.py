"""`/api/v1/messaging/addresses`: where one is reached oneself."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.permissions import INBOX_USE
from riveredge_messaging.reach.models import Address
from riveredge_messaging.reach.proving import OwnAddresses
from riveredge_messaging.reach.schemas import AddressIn, AddressOut, CodeIn
from riveredge_sdk import ListQuery, Page, Router, current_principal

router = Router(prefix="/addresses", tag="Messaging: addresses")
addresses = OwnAddresses()


def _me() -> UUID:
    return current_principal().id


@router.get(require=INBOX_USE, summary="My addresses, by channel")
async def list_addresses(query: Annotated[ListQuery, Query()]) -> Page[AddressOut]:
    return await addresses.rows.page(query, col(Address.user_id) == _me(), into=AddressOut)


@router.put("/{channel}", require=INBOX_USE, status=202, summary="Give an address, and get a code there")
async def claim_address(channel: str, body: AddressIn) -> AddressOut:
    """For `messaging.sms` a phone number with its country code. The former one stays in use until the new one is
    proved."""
    return AddressOut.model_validate(await addresses.claim(_me(), channel, body.address))


@router.post("/{channel}/verify", require=INBOX_USE, status=200, summary="Prove an address by its code")
async def prove_address(channel: str, body: CodeIn) -> AddressOut:
    return AddressOut.model_validate(await addresses.prove(_me(), channel, body.code))


@router.delete("/{channel}", require=INBOX_USE, summary="Remove my address")
async def delete_address(channel: str) -> None:
    await addresses.remove(_me(), channel)
