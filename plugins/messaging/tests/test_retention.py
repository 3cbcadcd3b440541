"""What need not be kept any more goes by night; what is on its way keeps its history."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from riveredge_messaging.delivery.models import DeliveryAttempt, ProviderNotice
from riveredge_messaging.models import Decision, Delivery, Message
from riveredge_sdk import unit_of_work, utcnow
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant

API = "/api/v1/messaging"


@pytest.mark.database
def test_old_history_goes_and_messages_as_the_organisation_wishes(  # noqa: PLR0917
    client: ApiClient, tenant: TestTenant, servers: Any, send: Any, ended: Any, engine: EngineControl
) -> None:
    mailbox = servers.start()
    servers.configure(mailbox, "A")
    both = ("messaging.email", "messaging.in_app")
    old = send(channels=both)
    assert {delivery["status"] for delivery in ended(old)} == {"sent", "delivered"}
    assert client.user is not None
    later = {
        "template": "messaging.welcome",
        "to": [str(client.user.id)],
        "data": {"product": "x"},
        "send_at": (engine.now() + timedelta(days=30)).isoformat(),
    }
    waiting = client.post(f"{API}/messages", json=later).json()

    async def age() -> None:
        """As if everything were a hundred days old."""
        then = utcnow() - timedelta(days=100)
        with use_context(engine.platform.context(tenant)):
            async with unit_of_work() as session:
                await session.exec(update(Decision).values(at=then))
                for model in (Message, Delivery, DeliveryAttempt, ProviderNotice):
                    await session.exec(update(model).values(created_at=then))

    engine.platform.run(age())
    young = send(channels=both)
    ended(young)

    def history(message: Any) -> tuple[int, int]:
        """How many decisions and attempts are kept of a message."""
        decisions = client.get(f"{API}/messages/{message['id']}/timeline").json()["decisions"]
        deliveries = client.get(f"{API}/messages/{message['id']}").json()["deliveries"]
        return len(decisions), sum(len(servers.sending(delivery)["attempts"]) for delivery in deliveries)

    assert history(old) == history(young) == (3, 1)
    engine.advance(days=1)
    assert (history(old), history(young), history(waiting)) == ((0, 0), (3, 1), (2, 0))
    # Nothing is forgotten of the messages themselves, until the organisation says so.
    assert {delivery["status"] for delivery in ended(old)} == {"sent", "delivered"}
    assert len(client.get(f"{API}/inbox").json()["items"]) == 2
    refused = client.put("/api/v1/settings/messaging", json={"message_days": 30})
    assert [error["field"] for error in refused.json()["errors"]] == ["message_days"]
    assert client.put("/api/v1/settings/messaging", json={"message_days": 40}).status_code == 200
    engine.advance(days=1)
    assert client.get(f"{API}/messages/{old['id']}").status_code == 404
    assert len(client.get(f"{API}/inbox").json()["items"]) == 1
    assert (history(young), history(waiting)) == ((3, 1), (2, 0))
