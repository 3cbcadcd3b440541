"""Whoever stops messages and whoever delivers them wait for each other, and never in a circle."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col

from riveredge_messaging.inbox.models import InboxItem
from riveredge_messaging.inbox.service import Inboxes
from riveredge_messaging.models import DeliveryStatus
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_messaging.sending import flushing, releasing, stopping
from riveredge_messaging.service import Messaging
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.problems import Conflict
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest

BASE = "/api/v1/messaging"
EMAIL, IN_APP = "messaging.email", "messaging.in_app"
# Seconds in which the other comes as far as it can. Whoever waits for a lock does so for longer.
PATIENCE = 0.3


Work = Callable[[], Awaitable[Any]]
Run = Callable[[Awaitable[Any]], Any]


async def at_once(begin: Work, other: Work, end: Work) -> Any:
    """Begin a transaction, let the other have a go, and end the first, wherever the other is by then; what it gave."""

    async def have_a_go() -> Any:
        async with unit_of_work(independent=True):
            return await other()

    async with unit_of_work():
        await begin()
        going = asyncio.create_task(have_a_go())
        await asyncio.wait({going}, timeout=PATIENCE)
        await end()
    return await going


async def nothing() -> None:
    """Ends without more ado."""


@pytest.fixture
def run(platform: PlatformUnderTest, client: ApiClient) -> Run:
    """Runs something in the platform, for the client's user."""
    assert client.user is not None
    me = client.user

    def inside(work: Awaitable[Any]) -> Any:
        async def within() -> Any:
            with use_context(platform.context(me.tenant, me)):
                return await work

        return platform.run(within())

    return inside


class Sender:
    """Sends messages to the client's user."""

    def __init__(self, client: ApiClient, **category: Any) -> None:
        assert client.user is not None
        made = client.post(f"{BASE}/categories", json={"key": "acme.late", "title": "Late", **category})
        assert made.status_code == 201, made.text
        self.client = client
        self.body = {"template": "messaging.welcome", "to": [str(client.user.id)], "data": {"product": "x"}}
        self.body |= {"category": "acme.late", "correlation": "a.b:7"}

    def send(self, *channels: str) -> tuple[UUID, dict[str, UUID]]:
        """A message, and its deliveries by channel."""
        made = self.client.post(f"{BASE}/messages", json={**self.body, "channels": channels})
        assert made.status_code == 202, made.text
        deliveries = {each["channel"]: UUID(each["id"]) for each in made.json()["deliveries"]}
        return UUID(made.json()["id"]), deliveries

    def state(self, delivery: UUID) -> tuple[str, str | None]:
        """A delivery's status and its reason."""
        found = self.client.get(f"{BASE}/deliveries/{delivery}").json()
        return found["status"], found["reason"]


@pytest.mark.database("postgresql")
def test_who_stops_messages_and_who_delivers_them_do_not_lock_each_other_out(client: ApiClient, run: Run) -> None:
    sender = Sender(client, digest={"window_s": 3600})
    message, deliveries = sender.send(IN_APP)
    delivery = deliveries[IN_APP]

    def hold() -> Awaitable[Any]:
        return Messages().get(message, lock=True)

    # A delivery's row is held, and its timeline gets a line: that refers to the message.
    run(at_once(hold, lambda: releasing.release([delivery]), lambda: stopping.cancel_about("a.b:7")))

    message, deliveries = sender.send(IN_APP)
    delivery = deliveries[IN_APP]

    async def fail_and_retry() -> None:
        async with unit_of_work():
            (await Deliveries().get(delivery)).status = DeliveryStatus.FAILED

        async def all_failed() -> None:
            await stopping.retry_failed(await Messages().get(message))

        # It waits for its turn, and sees what was done meanwhile.
        with pytest.raises(Conflict, match="The delivery is deferred"):
            await at_once(hold, lambda: stopping.retry_delivery(delivery), all_failed)

    run(fail_and_retry())


@pytest.mark.database("postgresql")
def test_what_is_read_while_it_escalates_is_not_sent(client: ApiClient, run: Run) -> None:
    sender = Sender(client, escalation=[{"channel": EMAIL, "after_s": 3600}])
    _, deliveries = sender.send(IN_APP, EMAIL)
    assert client.user is not None
    me = client.user.id

    async def read() -> None:
        item = await Inboxes().items.find(col(InboxItem.delivery_id) == deliveries[IN_APP])
        assert item is not None
        await Inboxes().change_one(me, item.id, "read")

    # The reader has not committed yet when the mail is due: it waits for that, and then need not go out.
    assert run(at_once(read, lambda: releasing.release([deliveries[EMAIL]]), nothing)) == 0
    assert sender.state(deliveries[EMAIL]) == ("skipped", "read_already")


@pytest.mark.database("postgresql")
def test_what_comes_while_a_digest_goes_out_is_in_the_next_one(client: ApiClient, run: Run) -> None:
    sender = Sender(client, digest={"window_s": 3600})
    early = [sender.send(IN_APP)[1][IN_APP] for _ in range(2)]
    body: dict[str, Any] = sender.body
    late = Notification(**{**body, "to": [UUID(body["to"][0])], "channels": [IN_APP]})

    async def bucket_of(delivery: UUID) -> UUID | None:
        async with unit_of_work(read_only=True):
            return (await Deliveries().get(delivery)).bucket_id

    bucket = run(bucket_of(early[0]))
    message = run(at_once(lambda: flushing.flush(bucket), lambda: Messaging().notify(late), nothing))
    assert [sender.state(each) for each in early] == [("digested", "digested")] * 2
    (found,) = client.get(f"{BASE}/messages/{message}").json()["deliveries"]
    assert (found["status"], found["reason"]) == ("deferred", "digest")
    assert run(bucket_of(UUID(found["id"]))) not in {bucket, None}
