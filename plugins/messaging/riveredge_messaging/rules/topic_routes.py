"""`/api/v1/messaging/topics`: what people follow, and who does."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.permissions import INBOX_USE, TOPIC_READ, TOPIC_WRITE
from riveredge_messaging.rules import following
from riveredge_messaging.rules.models import Follower, Topic
from riveredge_messaging.rules.repository import Followers, Topics
from riveredge_messaging.rules.schemas import Changed, FollowerOut, PeopleIn, TopicChange, TopicIn, TopicOut
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, current_principal

router = Router(prefix="/topics", tag="Messaging: topics", audit="messaging.topic")
topics = Topics()
followers = Followers()


@router.get(require=TOPIC_READ, summary="List topics")
async def list_topics(query: Annotated[ListQuery, Query()]) -> Page[TopicOut]:
    return await topics.page(query, into=TopicOut)


@router.get("/mine", require=INBOX_USE, summary="What I follow")
async def list_my_topics() -> list[TopicOut]:
    mine = await followers.all(col(Follower.user_id) == current_principal().id)
    rows = await topics.all(col(Topic.id).in_([each.topic_id for each in mine]))
    return [TopicOut.model_validate(row) for row in rows]


@router.post("/mine/{topic_id}/leave", require=INBOX_USE, status=200, audit=False, summary="Follow it no longer")
async def leave_topic(topic_id: UUID) -> Changed:
    return Changed(people=await following.remove_followers(await topics.get(topic_id), [current_principal().id]))


@router.get("/{topic_id}", require=TOPIC_READ, summary="One topic")
async def get_topic(topic_id: UUID) -> TopicOut:
    return TopicOut.model_validate(await topics.get(topic_id))


@router.post(require=TOPIC_WRITE, summary="Create a topic")
async def create_topic(body: TopicIn) -> TopicOut:
    return TopicOut.model_validate(await topics.add(Topic(**body.model_dump())))


@router.patch("/{topic_id}", require=TOPIC_WRITE, summary="Change a topic's title")
async def change_topic(topic_id: UUID, body: TopicChange, version: ExpectedVersion) -> TopicOut:
    row = await topics.get(topic_id, version=version, lock=True)
    return TopicOut.model_validate(await topics.change(row, body))


@router.delete("/{topic_id}", require=TOPIC_WRITE, summary="Delete a topic")
async def delete_topic(topic_id: UUID, version: ExpectedVersion) -> None:
    await topics.delete(await topics.get(topic_id, version=version, lock=True))


@router.get("/{topic_id}/followers", require=TOPIC_READ, summary="Who follows a topic")
async def list_followers(topic_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[FollowerOut]:
    row = await topics.get(topic_id)
    return await followers.page(query, col(Follower.topic_id) == row.id, into=FollowerOut)


@router.post("/{topic_id}/followers", require=TOPIC_WRITE, status=200, summary="Let people follow a topic")
async def add_followers(topic_id: UUID, body: PeopleIn) -> Changed:
    return Changed(people=await following.add_followers(await topics.get(topic_id), body.users))


@router.post("/{topic_id}/followers/remove", require=TOPIC_WRITE, status=200, summary="Let people follow it no longer")
async def remove_followers(topic_id: UUID, body: PeopleIn) -> Changed:
    return Changed(people=await following.remove_followers(await topics.get(topic_id), body.users))


@router.post("/{topic_id}/subscribe", require=TOPIC_READ, status=200, summary="Follow a topic myself")
async def follow_topic(topic_id: UUID) -> Changed:
    return Changed(people=await following.add_followers(await topics.get(topic_id), [current_principal().id]))


@router.post("/{topic_id}/unsubscribe", require=TOPIC_READ, status=200, summary="Follow it no longer myself")
async def unfollow_topic(topic_id: UUID) -> Changed:
    return Changed(people=await following.remove_followers(await topics.get(topic_id), [current_principal().id]))
