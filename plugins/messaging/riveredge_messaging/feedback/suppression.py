"""Addresses that get nothing any more: they bounced for good, somebody complained, or an administrator said so."""

import hashlib
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from riveredge_messaging.delivery.models import Suppression
from riveredge_messaging.delivery.repository import Suppressions
from riveredge_messaging.templates.catalog import channels
from riveredge_sdk import current_tenant, savepoint, session
from riveredge_sdk.features.messaging import MessageChannel
from riveredge_sdk.problems import Conflict, invalid_field

HARD_BOUNCE = "hard_bounce"
COMPLAINT = "complaint"
MANUAL = "manual"


def digest(channel: str, address: str) -> str:
    """By what an address is found. It differs from tenant to tenant, so that lists cannot be compared."""
    return hashlib.sha256(f"{current_tenant()}\n{channel}\n{address.casefold()}".encode()).hexdigest()


def hint(address: str) -> str:
    """Enough of an address for somebody who knows it."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}…@{domain}"[:100]
    return f"{address[:3]}…{address[-2:]}" if len(address) > 6 else "…"


def digest_of(channel: MessageChannel, address: str) -> str:
    """The digest of an address as people have it, in whatever form that is."""
    try:
        return digest(channel.id, channel.check_address(address))
    except ValueError:
        return ""


async def among(channel: MessageChannel, addresses: Iterable[str]) -> frozenset[str]:
    """The digests of those addresses that are suppressed. Inside a unit of work."""
    digests = [digest_of(channel, address) for address in addresses]
    query = select(Suppression.digest).where(
        col(Suppression.channel) == channel.id, col(Suppression.digest).in_(digests)
    )
    return frozenset((await session().exec(query)).all())


async def find(channel: str, address: str) -> Suppression | None:
    """The entry of an address. Inside a unit of work."""
    return await Suppressions().find(
        col(Suppression.channel) == channel, col(Suppression.digest) == digest(channel, address)
    )


async def add(
    channel: str, address: str, reason: str, *, detail: str = "", delivery_id: UUID | None = None
) -> Suppression | None:
    """Suppress an address; None if it is already. Inside a unit of work."""
    row = Suppression(
        channel=channel,
        digest=digest(channel, address),
        hint=hint(address),
        reason=reason,
        detail=detail[:500],
        delivery_id=delivery_id,
    )
    try:
        async with savepoint():
            return await Suppressions().add(row)
    except IntegrityError:
        return None


async def add_by_hand(channel: str, address: str, detail: str) -> Suppression:
    """Suppress an address because an administrator says so.

    Raises:
        Invalid: there is no such channel, or it is no address of it.
        Conflict: it is suppressed already.
    """
    made = await add(channel, checked(channel, address), MANUAL, detail=detail)
    if made is None:
        raise Conflict("The address is suppressed already.")
    return made


def checked(channel: str, address: str) -> str:
    """The address in the channel's form.

    Raises:
        Invalid: there is no such channel, or it is no address of it.
    """
    found = channels().get(channel)
    if found is None:
        raise invalid_field("channel", f"There is no channel {channel[:100]!r} here.", "unknown")
    try:
        return found.check_address(address)
    except ValueError as error:
        raise invalid_field("address", str(error), "address") from None
