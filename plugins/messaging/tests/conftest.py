"""What the tests of messaging share."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from riveredge_messaging.channels.in_app import InAppEntry, deliver_many
from riveredge_messaging.inbox.schemas import InboxOptions
from riveredge_messaging.models import Delivery, Message
from riveredge_sdk import session, unit_of_work
from riveredge_sdk.context import use_context
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
        to: list[str] | None = None, product: str = "RiverEdge", channels: tuple[str, ...] = ("messaging.email",)
    ) -> dict[str, Any]:
        assert client.user is not None
        body = {
            "template": "messaging.welcome",
            "to": to or [str(client.user.id)],
            "data": {"product": product},
            "channels": channels,
        }
        answer = client.post("/api/v1/messaging/messages", json=body)
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return make


@pytest.fixture
def ended(client: ApiClient) -> Callable[[dict[str, Any]], Deliveries]:
    """`ended(message)`: the message's deliveries once none is queued any more."""

    def wait(message: dict[str, Any], timeout: float = 30) -> Deliveries:
        deadline = time.monotonic() + timeout
        while True:
            answer = client.get(f"/api/v1/messaging/messages/{message['id']}")
            deliveries: Deliveries = answer.json()["deliveries"]
            if all(delivery["status"] != "queued" for delivery in deliveries):
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
