"""Whom a message is for: people by id, roles, groups, the followers of topics, or everybody. Each of them once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import col, select

from riveredge_messaging.rules.models import Follower, Topic
from riveredge_sdk import find_service, get_service, session
from riveredge_sdk.features.people import GROUPS, PEOPLE
from riveredge_sdk.problems import FieldError, Invalid

MAX_ERRORS = 20
_PLACES = {
    "role": "GET /api/v1/roles",
    "group": "the directory that keeps groups",
    "topic": "GET /api/v1/messaging/topics",
}


class Audience(BaseModel):
    """What a message says about its recipients; kept with it."""

    users: list[UUID] = []
    roles: list[str] = []
    groups: list[str] = []
    topics: list[str] = []
    everyone: bool = False

    async def check(self) -> None:
        """See that everything it names is there.

        Raises:
            Invalid: naming each that is not.
        """
        people = await get_service(PEOPLE).find(self.users) if self.users else {}
        errors = [
            FieldError(f"to.{index}", f"{user_id} is no active member of this organisation.", "unknown_recipient")
            for index, user_id in enumerate(self.users)
            if user_id not in people or not people[user_id].active
        ]
        for field in ("roles", "groups", "topics"):
            for index, key in enumerate(getattr(self, field)):
                flaw = await _flaw(field, key)
                if flaw is not None:
                    errors.append(FieldError(f"{field}.{index}", flaw, f"unknown_{field.removesuffix('s')}"))
        if not (self.users or self.roles or self.groups or self.topics or self.everyone):
            errors.append(FieldError("to", "Name people, roles, groups or topics, or everyone.", "missing"))
        if errors:
            raise Invalid(f"{len(errors)} recipient(s) are not there.", errors=errors[:MAX_ERRORS])

    async def page(self, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        """The next people in the order of their ids, each with what they are reached by: `user`, `role:…`, `topic:…`.

        Roles, groups and topics that are gone since have no members.
        """
        found: dict[UUID, str] = {}
        users = sorted(user_id for user_id in set(self.users) if after is None or user_id > after)
        found |= dict.fromkeys(users[:limit], "user")
        for kind in ("role", "group", "topic"):
            for key in getattr(self, f"{kind}s"):
                try:
                    members = await _members(kind, key, after, limit)
                except LookupError:
                    continue
                for user_id in members:
                    found.setdefault(user_id, f"{kind}:{key}")
        if self.everyone:
            for user_id in await get_service(PEOPLE).members(after=after, limit=limit):
                found.setdefault(user_id, "everyone")
        # The first `limit` of the whole are among the first `limit` of each part.
        return sorted(found.items())[:limit]

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


async def _flaw(field: str, key: str) -> str | None:
    if field == "groups" and find_service(GROUPS) is None:
        return (
            "Nothing here knows groups: no installed plugin provides the port directory.groups. "
            "Name people, roles or topics."
        )
    kind = field.removesuffix("s")
    try:
        await _members(kind, key, None, 1)
    except LookupError:
        return f"There is no {kind} {key[:100]!r} here; {_PLACES[kind]} lists them."
    return None


async def _members(kind: str, key: str, after: UUID | None, limit: int) -> Sequence[UUID]:
    if kind == "role":
        return await get_service(PEOPLE).members(role=key, after=after, limit=limit)
    if kind == "group":
        groups = find_service(GROUPS)
        if groups is None:
            raise LookupError(key)
        return await groups.members(key, after=after, limit=limit)
    topic = (await session().exec(select(Topic.id).where(col(Topic.key) == key))).first()
    if topic is None:
        raise LookupError(key)
    query = select(Follower.user_id).where(col(Follower.topic_id) == topic).order_by(col(Follower.user_id))
    if after is not None:
        query = query.where(col(Follower.user_id) > after)
    return (await session().exec(query.limit(limit))).all()
