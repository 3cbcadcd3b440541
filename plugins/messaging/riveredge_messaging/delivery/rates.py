"""Rates: how many messages a minute, of an organisation and of a configuration (the generic cell rate algorithm).

A message that has to wait is given its time once, and comes back then with its place taken: nobody asks again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from riveredge_messaging.delivery.models import RateBucket
from riveredge_messaging.delivery.repository import RateBuckets
from riveredge_sdk import savepoint, session

# So much of a minute may go at once.
_BURST = 6


async def reserve(limits: Sequence[tuple[str, int]], count: int, now: datetime) -> list[datetime]:
    """When each of `count` messages may go, the first ones first; `now` or later.

    Args:
        limits: key and messages a minute of each rate that has to be kept.
    """
    slots = [now] * count
    for key, per_minute in sorted(limits):
        row = await _locked(key, now)
        each = timedelta(minutes=1) / per_minute
        burst = each * max(per_minute // _BURST - 1, 0)
        for number in range(count):
            # Where it has to wait for another rate anyway, it takes its place then.
            wanted = max(slots[number], row.next_at - burst)
            slots[number] = wanted
            row.next_at = max(row.next_at, wanted) + each
    return slots


async def _locked(key: str, now: datetime) -> RateBucket:
    query = select(RateBucket).where(col(RateBucket.key) == key).with_for_update()
    found = (await session().exec(query)).one_or_none()
    if found is not None:
        return found
    try:
        async with savepoint():
            return await RateBuckets().add(RateBucket(key=key, next_at=now))
    except IntegrityError:
        return (await session().exec(query)).one()
