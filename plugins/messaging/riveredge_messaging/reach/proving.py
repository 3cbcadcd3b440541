"""People prove by a code that an address is theirs."""

import hashlib
import hmac
import secrets
from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.channels.sms import SMS
from riveredge_messaging.events import ADDRESS_CLAIMED, AddressClaimed
from riveredge_messaging.reach.models import Address
from riveredge_messaging.reach.repository import Addresses
from riveredge_messaging.templates.catalog import channels
from riveredge_sdk import publish, session, utcnow
from riveredge_sdk.limits import Limit, count_hit
from riveredge_sdk.problems import NotFound, invalid_field

# The channels whose addresses people keep here.
PROVED = frozenset({SMS})
CODE_GOOD_FOR = timedelta(minutes=10)
_ASKED = Limit("messaging.code", hits=5, seconds=3600, reason="That were many codes.")
_ASKED_FOR = Limit("messaging.code_to", hits=5, seconds=24 * 3600, reason="That were many codes for one number.")
_TRIED = Limit("messaging.code_try", hits=5, seconds=600, reason="That were many wrong codes.")


def digest_of(row: Address, code: str) -> str:
    """What is kept of a code: good for this address of this person only."""
    return hashlib.sha256(f"{row.id}\n{row.pending}\n{code}".encode()).hexdigest()


def new_code() -> str:
    """Six digits."""
    return f"{secrets.randbelow(1_000_000):06d}"


class OwnAddresses:
    """A person's own addresses, in the running unit of work."""

    def __init__(self) -> None:
        self.rows = Addresses()

    async def find(self, user: UUID, channel: str, *, lock: bool = False) -> Address:
        """The person's address on a channel.

        Raises:
            NotFound: there is none.
        """
        query = select(Address).where(col(Address.user_id) == user, col(Address.channel) == channel)
        row = (await session().exec(query.with_for_update() if lock else query)).one_or_none()
        if row is None:
            raise NotFound("You have no address on this channel.")
        return row

    async def claim(self, user: UUID, channel: str, address: str) -> Address:
        """A new address; a code is sent there after the commit. Until it is proved, the former one stays in use.

        Raises:
            NotFound: people have no addresses of their own on this channel.
            Invalid: it has not the form of one.
            TooManyRequests: too many codes were asked for, by this person or for this address.
        """
        there = channels().get(channel)
        if there is None or channel not in PROVED:
            raise NotFound(f"Addresses can be kept for: {', '.join(sorted(PROVED))}.")
        try:
            address = there.check_address(address)
        except ValueError as error:
            raise invalid_field("address", f"{error}", "address") from None
        await count_hit(_ASKED, str(user))
        await count_hit(_ASKED_FOR, f"{channel}\n{address}")
        query = select(Address).where(col(Address.user_id) == user, col(Address.channel) == channel).with_for_update()
        row = (await session().exec(query)).one_or_none()
        if row is None:
            row = await self.rows.add(Address(user_id=user, channel=channel))
        nothing = {"code_digest": None, "code_until": None, "error": None}
        await self.rows.change(row, {"pending": address, **nothing})
        publish(ADDRESS_CLAIMED, AddressClaimed(address_id=row.id, pending=address))
        return row

    async def prove(self, user: UUID, channel: str, code: str) -> Address:
        """The person has got the code: the address is theirs.

        Raises:
            NotFound: there is nothing to prove.
            Invalid: the code is wrong or too old.
            TooManyRequests: too many were tried.
        """
        await count_hit(_TRIED, f"{user}\n{channel}")
        row = await self.find(user, channel, lock=True)
        if row.pending is None:
            raise NotFound("There is nothing to prove; give an address first.")
        is_late = row.code_until is None or row.code_until < utcnow()
        is_right = hmac.compare_digest(row.code_digest or "", digest_of(row, code))
        if is_late or not is_right:
            raise invalid_field("code", "This code is wrong or too old; ask for a new one.", "code")
        proved = {"address": row.pending, "verified_at": utcnow()}
        return await self.rows.change(
            row, {**proved, "pending": None, "code_digest": None, "code_until": None, "error": None}
        )

    async def remove(self, user: UUID, channel: str) -> None:
        """Nothing is sent there any more.

        Raises:
            NotFound: there is none.
        """
        await self.rows.delete(await self.find(user, channel, lock=True))
