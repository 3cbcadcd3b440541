"""Topics and their followers."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from riveredge_messaging.rules.models import Follower, Topic
from riveredge_messaging.rules.repository import Followers, Topics
from riveredge_messaging.sending.audience import Audience
from riveredge_sdk import savepoint, session


async def follow(key: str, user_ids: Sequence[UUID], *, title: str = "") -> Topic:
    """Make people followers of a topic, which is made if it is not there.

    Raises:
        Invalid: somebody is no active member.
    """
    topic = await Topics().find(col(Topic.key) == key) or await _make(key, title)
    await add_followers(topic, user_ids)
    return topic


async def add_followers(topic: Topic, user_ids: Sequence[UUID]) -> int:
    """Make people followers; how many were not yet.

    Raises:
        Invalid: somebody is no active member.
    """
    if user_ids:
        await Audience(users=list(user_ids)).check()
    count = 0
    for user_id in dict.fromkeys(user_ids):
        mine = (col(Follower.topic_id) == topic.id, col(Follower.user_id) == user_id)
        if await Followers().find(*mine) is not None:
            continue
        try:
            async with savepoint():
                await Followers().add(Follower(topic_id=topic.id, user_id=user_id))
        except IntegrityError:
            continue  # followed at this very moment
        count += 1
    return count


async def unfollow(key: str, user_ids: Sequence[UUID]) -> int:
    """Let people follow a topic no longer; how many did."""
    topic = await Topics().find(col(Topic.key) == key)
    return await remove_followers(topic, user_ids) if topic is not None else 0


async def remove_followers(topic: Topic, user_ids: Sequence[UUID]) -> int:
    """Let people follow a topic no longer; how many did."""
    rows = await Followers().all(col(Follower.topic_id) == topic.id, col(Follower.user_id).in_(list(user_ids)))
    for row in rows:
        await session().delete(row)
    await session().flush()
    return len(rows)


async def _make(key: str, title: str) -> Topic:
    try:
        async with savepoint():
            return await Topics().add(Topic(key=key, title=title))
    except IntegrityError:
        found = await Topics().find(col(Topic.key) == key)
        if found is None:
            raise
        return found
