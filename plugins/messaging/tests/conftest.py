"""What the tests of messaging share."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from riveredge_messaging.channels.in_app import InAppEntry, deliver_many
from riveredge_messaging.inbox.options import InboxOptions
from riveredge_messaging.models import Delivery, Message
from riveredge_messaging.service import Messaging
from riveredge_sdk import session, unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest, TestTenant

Deliveries = list[dict[str, Any]]


@pytest.fixture
def mail_settings(platform: Any, client: ApiClient, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """The tenant's own mail server: the test's mailbox."""
    monkeypatch.setenv("RIVEREDGE_MESSAGING__ALLOW_PRIVATE_SMTP", "true")
    values = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_tls": "none",
        "sender": "Acme <no-reply@acme.example>",
    }
    saved = client.put("/api/v1/settings/messaging", json=values)
    assert saved.status_code == 200, saved.text
    return mailbox


@pytest.fixture
def send(client: ApiClient) -> Callable[..., dict[str, Any]]:
    """`send(to=[…], product="…")`: a message with the welcome template, by mail unless said otherwise."""

    def make(
        to: list[str] | None = None,
        product: str = "RiverEdge",
        channels: tuple[str, ...] = ("messaging.email",),
        **more: Any,
    ) -> dict[str, Any]:
        assert client.user is not None
        body = {
            "template": "messaging.welcome",
            "to": to or [str(client.user.id)],
            "data": {"product": product},
            "channels": channels,
            **more,
        }
        answer = client.post("/api/v1/messaging/messages", json=body)
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return make


@pytest.fixture
def trigger(platform: PlatformUnderTest, client: ApiClient) -> Callable[[Sequence[Notification]], list[UUID]]:
    """`trigger(notifications)`: hands them to the port all at once, each in a transaction of its own."""
    assert client.user is not None
    me = client.user
    # The platform knows which plugins are on for an organisation once it has asked for something.
    assert client.get("/api/v1/messaging/messages").status_code == 200

    async def all_at_once(notifications: Sequence[Notification]) -> list[UUID]:
        async def one(notification: Notification) -> UUID:
            # No more than the pool has connections for: what waits is patient for so long only.
            async with places, unit_of_work():
                return await Messaging().notify(notification)

        places = asyncio.Semaphore(16)
        with use_context(platform.context(me.tenant, me)):
            return list(await asyncio.gather(*(one(each) for each in notifications)))

    return lambda notifications: platform.run(all_at_once(notifications), 120)


@pytest.fixture
def ended(client: ApiClient) -> Callable[[dict[str, Any]], Deliveries]:
    """`ended(message)`: the message's deliveries once none is on its way any more."""

    def wait(message: dict[str, Any], timeout: float = 30) -> Deliveries:
        deadline = time.monotonic() + timeout
        while True:
            answer = client.get(f"/api/v1/messaging/messages/{message['id']}")
            deliveries: Deliveries = answer.json()["deliveries"]
            if all(delivery["status"] not in {"queued", "sending"} for delivery in deliveries):
                return deliveries
            assert time.monotonic() < deadline, deliveries
            time.sleep(0.03)

    return wait


async def put(people: Sequence[UUID], subject: str, category: str = "", **options: Any) -> list[InAppEntry]:
    """A message in each person's inbox, as a fan-out puts it there: in the running unit of work."""
    message = Message(template="messaging.welcome", data={}, correlation=f"test:{subject}")
    session().add(message)
    await session().flush()
    made = [
        Delivery(message_id=message.id, recipient_id=user, channel="messaging.in_app", status="delivered")
        for user in people
    ]
    session().add_all(made)
    await session().flush()
    entries = [
        InAppEntry(
            delivery_id=delivery.id,
            recipient_id=delivery.recipient_id,
            subject=subject,
            text="…",
            category=category,
            options=InboxOptions.model_validate(options),
        )
        for delivery in made
    ]
    await deliver_many(entries)
    return entries


@pytest.fixture
def fill(platform: PlatformUnderTest, tenant: TestTenant) -> Callable[..., None]:
    """`fill(ada, "Subject", category="hr", tags=["urgent"])`: a message in the inbox of that client's user."""

    def make(client: ApiClient, *subjects: str, category: str = "", **options: Any) -> None:
        assert client.user is not None
        user = client.user.id

        async def work() -> None:
            with use_context(platform.context(tenant)):
                for subject in subjects:
                    async with unit_of_work():
                        await put([user], subject, category, **options)

        platform.run(work())

    return make


@dataclass
class Servers:
    """Real mail servers, and the configurations of the client's tenant that lead to them."""

    platform: PlatformUnderTest
    client: ApiClient
    started: list[Mailbox] = field(default_factory=list)

    def start(self) -> Mailbox:
        """One more server."""
        made = Mailbox(self.platform)
        self.platform.run(made.server.start())
        self.started.append(made)
        return made

    def stop(self, mailbox: Mailbox) -> None:
        """Nobody listens there any more, and open connections break off."""
        self.platform.run(mailbox.server.stop())

    def again(self, mailbox: Mailbox) -> None:
        """It listens again, where it did before."""
        self.platform.run(mailbox.server.start())

    def configure(self, mailbox: Mailbox, title: str, *, settings: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """A configuration for the server; the answer's body."""
        own = {"host": "127.0.0.1", "port": mailbox.port, "tls": "none", "sender": "Acme <no-reply@acme.example>"}
        body = {"title": title, "provider": "messaging.smtp", "settings": {**own, **(settings or {})}, **more}
        answer = self.client.post("/api/v1/messaging/configs", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def settle(self) -> None:
        """Everything that was set off has been done."""
        self.platform.settle()

    def sending(self, delivery: Mapping[str, Any]) -> Any:
        """A delivery's status, its attempts and what providers told."""
        return self.client.get(f"/api/v1/messaging/deliveries/{delivery['id']}/sending").json()

    def health(self, config: Mapping[str, Any]) -> Any:
        """How a configuration does."""
        return self.client.get(f"/api/v1/messaging/configs/{config['id']}").json()["health"]


@pytest.fixture
def servers(platform: PlatformUnderTest, client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Mail servers at private addresses, which the installation allows."""
    monkeypatch.setenv("RIVEREDGE_MESSAGING__ALLOW_PRIVATE_SMTP", "true")
    made = Servers(platform, client)
    yield made
    for mailbox in made.started:
        made.stop(mailbox)
