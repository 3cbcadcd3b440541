"""What the tests of messaging share."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient, Mailbox

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
