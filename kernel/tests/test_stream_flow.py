"""The live stream when things go wrong: gaps, clients that do not read, rollbacks, restarts; and server-sent events."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col

from riveredge_example.service import NOTES
from riveredge_kernel.db.grants import CHANNEL as GRANTS
from riveredge_kernel.stream.follower import MAX_WAITING, Credential, Follower, Subscription
from riveredge_kernel.stream.models import StreamMessage
from riveredge_kernel.stream.wire import CHANNEL
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import push, unit_of_work, utcnow, uuid7
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser, OpenStream
from riveredge_sdk.testing.stream import StreamClient
from riveredge_sdk.uow import Pushed

pytestmark = pytest.mark.database


def write(client: ApiClient, title: str = "Milk") -> str:
    """A new note's id."""
    answer = client.post("/api/v1/example/notes", json={"title": title})
    assert answer.status_code == 201, answer.text
    note_id: str = answer.json()["id"]
    return note_id


def push_many(platform: ThreadedPlatform, tenant: TestTenant, count: int) -> None:
    """So many pushes in one commit."""

    async def work() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                for _ in range(count):
                    push(NOTES, what="written", data={"note": uuid7()})

    platform.run(work())


# -- what was missed ------------------------------------------------------------------------------------------------


def test_a_rollback_tells_nobody(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    write(client)
    first = live.next()["seq"]

    async def fail() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                push(NOTES, what="written")
                raise LookupError

    with pytest.raises(LookupError):
        platform.run(fail())
    write(client)
    assert live.next()["seq"] == first + 1


def test_what_another_process_has_pushed_before_comes_first(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    write(client)
    first = live.next()["seq"]

    async def push_elsewhere() -> None:
        mine = platform.platform
        with use_context(platform.context(tenant)):
            # As other processes do: this one's connections are not told.
            async with mine.database.unit_of_work(before_commit=mine.stream.write, after_commit=lambda _: None) as unit:
                unit.add_push(Pushed(topic=NOTES.id, key="", what="written", data={}))

    platform.run(push_elsewhere())
    write(client)
    assert [live.next()["seq"] for _ in range(2)] == [first + 1, first + 2]


def test_a_full_note_book_pushes_nothing(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    answer = client.post("/api/v1/example/notes/import", json=[{"title": "Good"}, {"title": ""}])
    assert answer.status_code == 422
    note = write(client)
    assert live.next()["data"] == {"note": note}


def test_too_much_to_replay_is_a_gap(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    push_many(platform, tenant, 1)
    start = stream(client).subscribe("example.notes")["seq"]
    push_many(platform, tenant, 501)
    live = stream(client)
    assert live.subscribe("example.notes", since=start)["seq"] == start + 501
    assert live.next() == {"type": "gap", "topic": "example.notes", "key": None, "seq": start + 501}
    push_many(platform, tenant, 1)
    assert live.next()["seq"] == start + 502


def test_five_hundred_are_replayed(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    push_many(platform, tenant, 1)
    start = stream(client).subscribe("example.notes")["seq"]
    push_many(platform, tenant, 200)
    live = stream(client)
    live.subscribe("example.notes", since=start)
    assert [live.next()["seq"] for _ in range(200)] == list(range(start + 1, start + 201))


@pytest.mark.database("postgresql")
def test_forged_notifications_bring_nothing(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    """Whoever reaches the database may say anything there: it is looked up, not believed."""
    push_many(platform, tenant, 1)
    live = stream(client)
    start = live.subscribe("example.notes")["seq"]

    async def forge() -> None:
        connection = await asyncpg.connect(str(platform.platform.settings.database.url).replace("+asyncpg", ""))
        entry = [tenant.id.hex, "example.notes", ""]
        forged = ["", "x", "{}", "[1]", "[[],[]]", json.dumps(["me", [entry]]), json.dumps(["me", [[1, 2, 3]]])]
        try:
            for channel in (CHANNEL, GRANTS):
                for payload in (*forged, "[" * 3000):
                    await connection.execute("SELECT pg_notify($1, $2)", channel, payload)
        finally:
            await connection.close()

    platform.run(forge())
    push_many(platform, tenant, 1)
    assert live.next()["seq"] == start + 1


def test_what_is_forgotten_is_a_gap(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    push_many(platform, tenant, 1)
    start = stream(client).subscribe("example.notes")["seq"]
    push_many(platform, tenant, 3)

    async def forget() -> None:
        database, runtime = platform.platform.database, platform.platform.runtime
        async with database.system("test", runtime) as session:
            old = utcnow() - timedelta(days=2)
            of_tenant = col(StreamMessage.tenant_id) == tenant.id
            await session.exec(
                update(StreamMessage).where(of_tenant, col(StreamMessage.seq) <= start + 2).values(created_at=old)
            )
        with use_context(Context(runtime=runtime, system_reason="test")):
            await platform.platform.stream.journal.prune()

    platform.run(forget())
    live = stream(client)
    live.subscribe("example.notes", since=start)
    assert live.next()["type"] == "gap"
    later = stream(client)
    later.subscribe("example.notes", since=start + 2)
    assert later.next()["seq"] == start + 3


def test_a_number_from_the_future_is_a_gap(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    """As after the restore of a backup."""
    push_many(platform, tenant, 1)
    live = stream(client)
    last = live.subscribe("example.notes")["seq"]
    assert live.subscribe("example.notes", since=last + 7)["seq"] == last
    assert live.next()["type"] == "gap"


def test_subscribing_twice_tells_once(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    live.subscribe("example.notes")
    push_many(platform, tenant, 1)
    first = live.next()["seq"]
    push_many(platform, tenant, 1)
    assert live.next()["seq"] == first + 1


def test_what_was_unsubscribed_is_quiet(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    live.subscribe("kernel.runs")
    live.send(type="unsubscribe", topic="example.notes", key=None)
    assert live.receive()["type"] == "unsubscribed"
    push_many(platform, tenant, 1)
    write(client)
    assert live.next()["topic"] == "kernel.runs"


# -- clients that do not read ---------------------------------------------------------------------------------------


async def test_what_waits_for_a_slow_client_is_bounded() -> None:
    """A connection whose client does not read keeps so many pushes, and then one word about all the others."""
    tenant = uuid7()
    follower = Follower(Principal(id=uuid7()), tenant, Credential(""))
    subscription = Subscription(follower, NOTES, "example", "", position=0)
    for seq in range(1, 10 * MAX_WAITING):
        follower.offer(subscription, seq, str(seq))
    items = await follower.take(1)
    assert len(items) == MAX_WAITING + 1
    assert [item.text for item in items[:-1]] == [str(seq) for seq in range(1, MAX_WAITING + 1)]
    last = json.loads(items[-1].text)
    assert (last["type"], last["seq"]) == ("gap", 10 * MAX_WAITING - 1)
    follower.offer(subscription, 10 * MAX_WAITING, "next")
    assert [item.text for item in await follower.take(1)] == ["next"]


def test_a_client_that_does_not_read_does_not_hold_up_others(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, stream: OpenStream
) -> None:
    slow = stream(client, max_queue=1)
    slow.subscribe("example.notes")
    live = stream(client)
    live.subscribe("example.notes")
    for _ in range(20):
        push_many(platform, tenant, 100)
        first = live.next()["seq"]
        assert [live.next()["seq"] for _ in range(99)] == list(range(first + 1, first + 100))


# -- server-sent events ---------------------------------------------------------------------------------------------


class Events:
    """The events of an answer."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()
        self.last_id = ""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("data: "):
                yield json.loads(line[6:])

    def next(self) -> dict[str, Any]:
        """The next one that is no heartbeat."""
        return next(event for event in self if event["type"] != "heartbeat")


def test_events_hold_the_same_and_go_on_where_they_ended(client: ApiClient) -> None:
    where = {"topic": ["example.notes", "messaging.inbox"]}
    with client.stream("GET", "/api/v1/stream", params=where) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        events = Events(answer)
        assert [events.next()["type"] for _ in range(3)] == ["hello", "subscribed", "subscribed"]
        first = write(client)
        assert events.next()["data"] == {"note": first}
        last = events.last_id
    missed = [write(client), write(client)]
    with client.stream("GET", "/api/v1/stream", params=where, headers={"Last-Event-ID": last}) as answer:
        events = Events(answer)
        told = [events.next() for _ in range(5)]
        assert [event["data"]["note"] for event in told if event["type"] == "message"] == missed


def test_events_open_with_a_ticket(client: ApiClient, anonymous: ApiClient) -> None:
    params = {"topic": "example.notes", "ticket": StreamClient(client).ticket()}
    with anonymous.stream("GET", "/api/v1/stream", params=params) as answer:
        assert answer.status_code == 200
        assert Events(answer).next()["type"] == "hello"
    assert anonymous.get("/api/v1/stream", params=params).status_code == 401


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"topic": "example.nothing"}, 404),
        ({"topic": "example.note"}, 400),
        ({"topic": [f"example.note:{n}" for n in range(21)]}, 400),
        ({"topic": f"messaging.inbox:{UUID(int=1)}"}, 403),
    ],
)
def test_events_that_are_refused_are_problems(client: ApiClient, params: dict[str, Any], status: int) -> None:
    answer = client.get("/api/v1/stream", params=params)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_events_of_other_origins_and_heads_are_refused(client: ApiClient) -> None:
    params = {"topic": "example.notes"}
    assert client.get("/api/v1/stream", params=params, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.head("/api/v1/stream", params=params).status_code == 405


def test_events_end_with_the_right_to_them(as_user: AsUser, platform: ThreadedPlatform) -> None:
    user = as_user({"example.note.read"})
    with user.stream("GET", "/api/v1/stream", params={"topic": "example.notes"}) as answer:
        events = Events(answer)
        assert [events.next()["type"] for _ in range(2)] == ["hello", "subscribed"]

        async def shut_out() -> None:
            from riveredge_kernel.auth.models import User

            async with platform.platform.database.system("test", platform.platform.runtime) as session:
                assert user.user is not None
                row = await session.get(User, user.user.id)
                assert row is not None
                row.active = False

        platform.run(shut_out())
        closed = events.next()
        assert (closed["type"], closed["code"]) == ("closed", 4401)
