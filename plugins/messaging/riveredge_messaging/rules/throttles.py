"""At most so many messages to a person: a place in time is reserved, so that two at once do not take the same.

The generic cell rate algorithm (ITU-T I.371): one instant is remembered, until which the allowance is taken.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from riveredge_messaging.rules.models import Allowance
from riveredge_sdk import savepoint, session
from riveredge_sdk.features.message_categories import ThrottleRule


async def reserve(user_id: UUID, category: str, channel: str, rule: ThrottleRule, now: datetime) -> datetime | None:
    """Take the next place; when that is, or None if it is now. Part of the unit of work."""
    row = await _locked(user_id, category, channel, now)
    due_at = _due(row.taken_until, rule, now)
    row.taken_until = max(row.taken_until, now) + timedelta(seconds=rule.per_s / rule.messages)
    await session().flush()
    return due_at


async def look(user_id: UUID, category: str, channel: str, rule: ThrottleRule, now: datetime) -> datetime | None:
    """When the next place would be, without taking it."""
    row = (await session().exec(_query(user_id, category, channel))).first()
    return _due(row.taken_until, rule, now) if row is not None else None


def _due(taken_until: datetime, rule: ThrottleRule, now: datetime) -> datetime | None:
    due_at = taken_until - timedelta(seconds=rule.per_s / rule.messages * (rule.messages - 1))
    return due_at if due_at > now else None


def _query(user_id: UUID, category: str, channel: str) -> SelectOfScalar[Allowance]:
    return select(Allowance).where(
        col(Allowance.recipient_id) == user_id, col(Allowance.category) == category, col(Allowance.channel) == channel
    )


async def _locked(user_id: UUID, category: str, channel: str, now: datetime) -> Allowance:
    query = _query(user_id, category, channel).with_for_update().execution_options(populate_existing=True)
    found = (await session().exec(query)).first()
    if found is not None:
        return found
    row = Allowance(recipient_id=user_id, category=category, channel=channel, taken_until=now)
    try:
        async with savepoint():
            session().add(row)
            await session().flush()
    except IntegrityError:
        return (await session().exec(query)).one()
    return row
