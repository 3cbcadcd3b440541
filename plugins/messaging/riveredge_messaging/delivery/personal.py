"""What handing over holds about a person: attempts, providers' reports, suppressed addresses, attachments."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, update
from sqlmodel import col, select

from riveredge_messaging.delivery.models import DeliveryAttempt, MessageFile, ProviderNotice, Suppression
from riveredge_messaging.feedback import suppression
from riveredge_messaging.models import Decision, Delivery, Message
from riveredge_messaging.templates.catalog import channels
from riveredge_sdk import session

# Whose details quote servers, which quote addresses.
_QUOTING = ("delivery", "provider", "unknown")


async def export(user_id: UUID) -> dict[str, Any]:
    """As JSON."""
    mine = _of(user_id)
    attempts = select(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id).in_(mine))
    notices = select(ProviderNotice).where(col(ProviderNotice.delivery_id).in_(mine))
    suppressed = select(Suppression).where(await _is_suppressed(user_id))
    return {
        "attempts": [
            {
                "delivery_id": str(row.delivery_id),
                "number": row.number,
                "provider": row.provider,
                "state": row.state,
                "at": row.created_at.isoformat(),
                "error": row.error,
                "reference": row.reference,
            }
            for row in (await session().exec(attempts.order_by(col(DeliveryAttempt.id)))).all()
        ],
        "provider_reports": [
            {"delivery_id": str(row.delivery_id), "kind": row.kind, "at": row.at.isoformat(), "detail": row.detail}
            for row in (await session().exec(notices.order_by(col(ProviderNotice.at)))).all()
        ],
        "suppressed_addresses": [
            {
                "channel": row.channel,
                "address": row.hint,
                "reason": row.reason,
                "detail": row.detail,
                "since": row.created_at.isoformat(),
            }
            for row in (await session().exec(suppressed.order_by(col(Suppression.created_at)))).all()
        ],
    }


async def erase(user_id: UUID) -> int:
    """Take the person out of what was handed over, and empty the messages that were for them alone.

    A suppressed address stays so, as a digest that tells nothing: whoever did not want messages does not get any when
    the address comes again.
    """
    mine = _of(user_id)
    hidden = {"hint": "…", "detail": "", "delivery_id": None}
    only = select(Message.id).where(
        col(Message.recipients) == 1,
        col(Message.id).in_(select(Delivery.message_id).where(col(Delivery.recipient_id) == user_id)),
    )
    alone: Sequence[UUID] = (await session().exec(only)).all()
    statements = (
        update(Suppression).where(await _is_suppressed(user_id)).values(hidden),
        update(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id).in_(mine)).values(error=None, reference=None),
        update(ProviderNotice).where(col(ProviderNotice.delivery_id).in_(mine)).values(detail=""),
        update(Decision)
        .where(col(Decision.recipient_id) == user_id, col(Decision.rule).in_(_QUOTING))
        .values(detail={}),
        update(Message).where(col(Message.id).in_(alone)).values(data={}, files=0),
        delete(MessageFile).where(col(MessageFile.message_id).in_(alone)),
        update(Delivery).where(col(Delivery.recipient_id) == user_id).values(address=None, error=None, reference=None),
    )
    return sum([(await session().exec(statement)).rowcount for statement in statements])


def _of(user_id: UUID) -> Any:
    return select(Delivery.id).where(col(Delivery.recipient_id) == user_id)


async def _is_suppressed(user_id: UUID) -> ColumnElement[bool]:
    """The condition for addresses that are the person's now, or that messages to the person went to."""
    digests = []
    for channel in channels().values():
        address = await channel.address_of(user_id)
        if address is not None:
            digests.append(suppression.digest_of(channel, address))
    return or_(col(Suppression.digest).in_(digests), col(Suppression.delivery_id).in_(_of(user_id)))
