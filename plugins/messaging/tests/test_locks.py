"""Whoever stops messages and whoever delivers them wait for each other, and never in a circle."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from riveredge_messaging.models import DeliveryStatus
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_messaging.sending import releasing, stopping
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.problems import Conflict
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant

BASE = "/api/v1/messaging"
# Seconds in which the other comes as far as it can. Whoever waits for a lock does so for longer.
PATIENCE = 0.3


async def at_once(message: UUID, first: Callable[[], Awaitable[Any]], other: Callable[[], Awaitable[Any]]) -> None:
    """Hold the message and let the other begin; then go on with it, wherever the other is by then."""

    async def begin() -> None:
        async with unit_of_work(independent=True):
            await other()

    async with unit_of_work():
        await Messages().get(message, lock=True)
        begun = asyncio.create_task(begin())
        await asyncio.wait({begun}, timeout=PATIENCE)
        await first()
    await begun


@pytest.mark.database("postgresql")
def test_who_stops_messages_and_who_delivers_them_do_not_lock_each_other_out(
    client: ApiClient, platform: PlatformUnderTest, tenant: TestTenant
) -> None:
    digest = {"key": "acme.digest", "title": "Digest", "digest": {"window_s": 3600}}
    assert client.post(f"{BASE}/categories", json=digest).status_code == 201
    assert client.user is not None
    body = {"template": "messaging.welcome", "to": [str(client.user.id)], "data": {"product": "x"}}
    body |= {"category": "acme.digest", "correlation": "a.b:7", "channels": ["messaging.in_app"]}

    def waiting() -> tuple[UUID, UUID]:
        """A message and its delivery, which waits for the digest."""
        made = client.post(f"{BASE}/messages", json=body)
        assert made.status_code == 202, made.text
        return UUID(made.json()["id"]), UUID(made.json()["deliveries"][0]["id"])

    def run(work: Awaitable[None]) -> None:
        async def within() -> None:
            with use_context(platform.context(tenant)):
                await work

        platform.run(within())

    message, delivery = waiting()
    # A delivery's row is held, and its timeline gets a line: that refers to the message.
    run(at_once(message, lambda: stopping.cancel_about("a.b:7"), lambda: releasing.release([delivery])))

    message, delivery = waiting()

    async def fail_and_retry() -> None:
        async with unit_of_work():
            (await Deliveries().get(delivery)).status = DeliveryStatus.FAILED

        async def all_failed() -> None:
            await stopping.retry_failed(await Messages().get(message))

        # It waits for its turn, and sees what was done meanwhile.
        with pytest.raises(Conflict, match="The delivery is deferred"):
            await at_once(message, all_failed, lambda: stopping.retry_delivery(delivery))

    run(fail_and_retry())
