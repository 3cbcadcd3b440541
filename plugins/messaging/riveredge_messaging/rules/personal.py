"""What the rules hold about a person: choices, quiet hours, what they follow, digests."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col, select

from riveredge_messaging.models import Decision, Message, MessageKind
from riveredge_messaging.rules.models import Allowance, Bucket, Follower, Preference, QuietHours, Topic
from riveredge_sdk import session


async def export(user_id: UUID) -> dict[str, Any]:
    """As JSON."""
    chosen = (await session().exec(select(Preference).where(col(Preference.user_id) == user_id))).all()
    quiet = (await session().exec(select(QuietHours).where(col(QuietHours.user_id) == user_id))).first()
    followed = select(Topic.key).join(Follower, col(Follower.topic_id) == col(Topic.id))
    topics = (await session().exec(followed.where(col(Follower.user_id) == user_id))).all()
    decisions = (
        await session().exec(select(Decision).where(col(Decision.recipient_id) == user_id).order_by(col(Decision.at)))
    ).all()
    sent = (await session().exec(select(Message.id).where(col(Message.sender_id) == user_id))).all()
    return {
        "preferences": [{"category": row.category, "channel": row.channel, "on": row.wanted} for row in chosen],
        "quiet_hours": {"windows": quiet.windows, "zone": quiet.zone} if quiet is not None else None,
        "topics": list(topics),
        "decisions": [
            {
                "at": row.at.isoformat(),
                "message_id": str(row.message_id),
                "rule": row.rule,
                "verdict": row.verdict,
                "reason": row.reason,
            }
            for row in decisions
        ],
        "sent_messages": [str(message_id) for message_id in sent],
    }


async def erase(user_id: UUID) -> int:
    """Delete what the person has chosen, what digests said to them, and their name as a sender. What was decided about
    their deliveries stays with those, as it names nobody."""
    count = 0
    digests = select(Bucket.message_id).where(col(Bucket.recipient_id) == user_id, col(Bucket.message_id).is_not(None))
    ids = [each for each in (await session().exec(digests)).all() if each is not None]
    gathered = (col(Message.id).in_(ids), col(Message.kind) == MessageKind.DIGEST)
    emptied = await session().exec(update(Message).where(*gathered).values(data={"count": 0, "items": []}))
    unnamed = await session().exec(update(Message).where(col(Message.sender_id) == user_id).values(sender_id=None))
    for model, column in (
        (Preference, Preference.user_id),
        (QuietHours, QuietHours.user_id),
        (Follower, Follower.user_id),
        (Bucket, Bucket.recipient_id),
        (Allowance, Allowance.recipient_id),
    ):
        count += (await session().exec(delete(model).where(col(column) == user_id))).rowcount
    return count + emptied.rowcount + unnamed.rowcount
