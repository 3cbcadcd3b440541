"""Digests: many messages to one person become one.

The first message opens a bucket and sets its timer; those after it join under the bucket's lock. Flushing closes the
bucket before it looks at what is in it, so a message either is in the digest or opens the next bucket.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from riveredge_messaging.events import DIGEST_DUE, DigestRef
from riveredge_messaging.models import Message
from riveredge_messaging.rules.models import Bucket, BucketStatus
from riveredge_messaging.rules.repository import Buckets
from riveredge_sdk import savepoint, session, timers
from riveredge_sdk.features.message_categories import DigestRule, MessageCategory
from riveredge_sdk.features.people import Person

_TIMER = "flush"


async def gather(message: Message, person: Person, category: MessageCategory, now: datetime) -> Bucket | None:
    """Put a message into the person's bucket; None if it goes at once, as the first of those to come."""
    assert category.digest is not None  # noqa: S101  (the caller has asked whether it gathers)
    rule = category.digest
    bucket, is_new = await _open_bucket(_key(message), person, category, rule, now)
    if is_new and rule.leading:
        return None
    bucket.count += 1
    if bucket.count >= rule.max_items:
        await _flush_at(bucket, now)
    elif rule.extend and not rule.at and not is_new:
        await _flush_at(bucket, min(now + timedelta(seconds=rule.window_s), bucket.latest_at))
    await session().flush()
    return bucket


async def look(message: Message, person: Person, category: MessageCategory, now: datetime) -> datetime | None:
    """Until when it would be gathered, without doing so; None if it would go at once."""
    assert category.digest is not None  # noqa: S101
    found = (await session().exec(_query(_key(message), person.id))).first()
    if found is not None:
        return found.due_at
    return None if category.digest.leading else _due(category.digest, person.timezone, now)


def _key(message: Message) -> str:
    return f"{message.category}:{message.digest_key or ''}"


def _query(key: str, user_id: UUID) -> SelectOfScalar[Bucket]:
    return select(Bucket).where(
        col(Bucket.recipient_id) == user_id, col(Bucket.key) == key, col(Bucket.status) == BucketStatus.OPEN
    )


async def _open_bucket(
    key: str, person: Person, category: MessageCategory, rule: DigestRule, now: datetime
) -> tuple[Bucket, bool]:
    """The open bucket, locked, and whether it has just been made."""
    query = _query(key, person.id).with_for_update().execution_options(populate_existing=True)
    while True:
        found = (await session().exec(query)).first()
        if found is not None:
            return found, False
        due_at = _due(rule, person.timezone, now)
        bucket = Bucket(
            recipient_id=person.id,
            key=key,
            category=category.id,
            rule=rule.model_dump(mode="json"),
            due_at=due_at,
            latest_at=max(due_at, now + timedelta(seconds=rule.max_wait_s)),
        )
        try:
            async with savepoint():
                await Buckets().add(bucket)
        except IntegrityError:
            continue  # somebody else has opened one at the same time
        await _flush_at(bucket, due_at)
        return bucket, True


async def _flush_at(bucket: Bucket, due_at: datetime) -> None:
    bucket.due_at = due_at
    owner = timers.Owner("messaging.digest", bucket.id)
    await timers.set(owner, _TIMER, due_at, DIGEST_DUE, DigestRef(bucket_id=bucket.id))


def _due(rule: DigestRule, zone: str, now: datetime) -> datetime:
    """The end of the window, or the next of the times of the day."""
    if not rule.at:
        return now + timedelta(seconds=rule.window_s)
    place = ZoneInfo(zone)
    today = now.astimezone(place)
    times = [
        datetime.fromisoformat(f"{today.date() + timedelta(days=days)}T{wall}").replace(tzinfo=place).astimezone(UTC)
        for days in (0, 1)
        for wall in rule.at
    ]
    return min(moment for moment in times if moment > now)


async def close(bucket_id: UUID) -> Bucket | None:
    """Close a bucket; None if it is not open any more. Part of the unit of work."""
    query = select(Bucket).where(col(Bucket.id) == bucket_id).with_for_update()
    bucket = (await session().exec(query.execution_options(populate_existing=True))).first()
    if bucket is None or bucket.status != BucketStatus.OPEN:
        return None
    bucket.status = BucketStatus.CLOSED
    await session().flush()
    return bucket
