"""The live stream: tell the browsers that follow a topic that something has changed, after the commit.

    NOTES = StreamTopic("example.notes", "Notes", permission="example.note.read")

    push(NOTES, what="written", data={"note": note.id})

A push says *what* changed and names it by ids and counters, never by content: whoever is told fetches the object by
REST, and is authorised there. Pushes of one channel (topic and key, in one tenant) are numbered without gaps in the
order of their commits, so a client that comes back gets exactly what it missed, or is told to fetch everything anew.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from uuid import UUID

from riveredge_sdk.context import current_tenant
from riveredge_sdk.uow import Counters, Pushed, unit

Scope: TypeAlias = Literal["tenant", "user", "object"]
Value: TypeAlias = UUID | str | int | bool | None
Authorise: TypeAlias = Callable[[str], Awaitable[bool]]

MAX_DATA_BYTES = 1000
MAX_PUSHES = 5000
_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
# Ids, names of states, public numbers: what needs no permission of its own to be read.
_TOKEN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._:/-]{0,99}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class StreamTopic:
    """Something that can be followed.

    Args:
        id: `<plugin>.<name>`.
        permission: who follows it needs it; None: every member of the tenant may.
        scope: `tenant`: one channel in each tenant. `user`: one for each user, who alone can follow it; the key is the
            user's id. `object`: one for each object; the key is the object's id.
        authorise: for `object`: may the current principal see the object with this key? It is called in that
            principal's context, in a unit of work for reading, when somebody subscribes and when grants change.
        counters: numbers that each push carries besides its data, for each of these keys. They are read in the unit of
            work when its pushes are numbered, as the last thing before the commit: nobody else commits a push of the
            same channel meanwhile, so that they are exact however many write at once.
    """

    id: str
    title: str
    permission: str | None = None
    scope: Scope = "tenant"
    authorise: Authorise | None = field(default=None, compare=False)
    description: str = ""
    counters: Counters | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"topic {self.id!r}: expected '<plugin>.<name>' in lower case")
        if (self.scope == "object") != (self.authorise is not None):
            raise ValueError(f"topic {self.id!r}: the scope 'object', and no other, needs authorise=")


def push(
    topic: StreamTopic, key: UUID | str | None = None, *, what: str, data: Mapping[str, Value] | None = None
) -> None:
    """Tell those who follow the topic, when the running unit of work has been committed; nobody if it rolls back.

    Args:
        key: whose or which channel: the user's id, the object's id, or None for a topic of the whole tenant.
        what: one word for what happened: `added`, `changed`, `removed`, …
        data: ids and counters. Texts are refused.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
        NoTenantError: no tenant is being served.
        ValueError: the key does not fit the topic's scope, or the data holds content, or is too large.
    """
    current_tenant()
    if (topic.scope == "tenant") != (key is None):
        raise ValueError(
            f"topic {topic.id!r} has the scope {topic.scope!r}: a key is needed for users and objects only"
        )
    if topic.scope == "user":
        key = UUID(str(key))
    name = _token(topic, "the key", str(key)) if key is not None else ""
    if not _NAME.fullmatch(what):
        raise ValueError(f"topic {topic.id!r}: what={what!r} is not one lower-case word")
    values = {item: _value(topic, item, value) for item, value in (data or {}).items()}
    if len(json.dumps(values)) > MAX_DATA_BYTES:
        raise ValueError(f"topic {topic.id!r}: the data is larger than {MAX_DATA_BYTES} bytes; push ids, not content")
    unit().add_push(Pushed(topic=topic.id, key=name, what=what, data=values, counters=topic.counters))


def _value(topic: StreamTopic, name: str, value: object) -> str | int | None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"topic {topic.id!r}: {name!r} is no name for a value")
    if isinstance(value, int) or value is None:
        return value
    if isinstance(value, UUID | str):
        return _token(topic, name, str(value))
    raise ValueError(f"topic {topic.id!r}: {name} is a {type(value).__name__}; push ids and counters only")


def _token(topic: StreamTopic, name: str, value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError(
            f"topic {topic.id!r}: {name} is no id (letters, digits and ._:/- only, up to 100): {value[:40]!r}"
        )
    return value


__all__ = ["MAX_DATA_BYTES", "MAX_PUSHES", "StreamTopic", "push"]
