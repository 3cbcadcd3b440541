"""The process dies between the mail server's 250 and its own commit: then nobody knows, and the category decides."""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from riveredge_sdk.testing.smtp import MailServer

pytestmark = [pytest.mark.database, pytest.mark.slow]

BASE = "/api/v1/messaging"


class Doubtful(MailServer):
    """Answers the first two mails together, and has `before` called before."""

    before: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.answered = threading.Event()
        self._both = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """As the base, later."""
        reply = await super().handle_DATA(server, session, envelope)
        if len(self.mails) == 2:
            self.before()
            self._both.set()
        await self._both.wait()
        asyncio.get_running_loop().call_soon(self.answered.set)
        return reply

    async def close(self) -> None:
        """Stop, and end the sessions that clients keep open."""
        await self.stop()
        sessions = asyncio.all_tasks() - {asyncio.current_task()}
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


@pytest.fixture
def server() -> Iterator[Doubtful]:
    """A mail server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Doubtful()
    asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Rows:
    """The world's database, from outside."""

    def __init__(self, world: Any) -> None:
        if world.database is None:
            self._connection: Any = sqlite3.connect(
                world.directory / "riveredge.db", isolation_level=None, check_same_thread=False, timeout=30
            )
            self._lock: tuple[str, ...] = ("BEGIN IMMEDIATE",)
        else:
            url = world.database["system_url"].replace("+asyncpg", "")
            self._connection = psycopg.connect(url, autocommit=True)
            self._lock = ("BEGIN", "LOCK TABLE messaging_delivery, messaging_attempt IN EXCLUSIVE MODE")

    def lock(self) -> None:
        """Let nobody write."""
        for statement in self._lock:
            self._connection.execute(statement)

    def unlock(self) -> None:
        self._connection.execute("ROLLBACK")

    def states(self) -> Counter[str]:
        """Of the attempts."""
        return Counter(state for (state,) in self._connection.execute("SELECT state FROM messaging_attempt").fetchall())

    def end_leases(self) -> None:
        """As if they had been over."""
        self._connection.execute("UPDATE messaging_attempt SET lease_until = created_at")

    def close(self) -> None:
        self._connection.close()


def test_a_process_that_dies_after_the_250_leaves_it_to_the_category(
    any_world: Any, server: Doubtful, wait: Any
) -> None:
    world = any_world
    world.engine_away()
    world.environment["RIVEREDGE_MESSAGING__ALLOW_PRIVATE_SMTP"] = "true"
    world.start_engine()
    world.start_platform()
    client = world.sign_in()
    me = client.get("/api/v1/auth/me").json()["user"]["id"]
    settings = {"host": "127.0.0.1", "port": server.port, "tls": "none", "sender": "Acme <no-reply@acme.example>"}
    configured = client.post(f"{BASE}/configs", json={"title": "A", "provider": "messaging.smtp", "settings": settings})
    assert configured.status_code == 201, configured.text
    ids = {}
    for policy in ("retry", "hold"):
        category = {"key": f"custom.{policy}", "title": policy, "duplicates": policy}
        assert client.post(f"{BASE}/categories", json=category).status_code == 201

    with closing(Rows(world)) as rows:
        server.before = rows.lock
        for policy in ("retry", "hold"):
            body = {
                "template": "messaging.welcome",
                "to": [me],
                "data": {"product": policy},
                "channels": ["messaging.email"],
                "category": f"custom.{policy}",
            }
            sent = client.post(f"{BASE}/messages", json=body)
            assert sent.status_code == 202, sent.text
            ids[policy] = sent.json()["deliveries"][0]["id"]
        assert server.answered.wait(60)
        world.kill(world.platform)
        rows.unlock()
        assert rows.states() == {"sending": 2}
        rows.end_leases()

    world.start_platform()

    def ended() -> dict[str, dict[str, Any]] | None:
        found = {policy: client.get(f"{BASE}/deliveries/{delivery}").json() for policy, delivery in ids.items()}
        return found if all(each["status"] not in {"queued", "sending"} for each in found.values()) else None

    found = wait(ended, what="an end of both deliveries", timeout=90)
    assert (found["retry"]["status"], found["retry"]["attempts"]) == ("sent", 2)
    assert (found["hold"]["status"], found["hold"]["attempts"]) == ("unknown", 1)
    # Whoever gets it twice can tell: the reader's program drops the second.
    seen = Counter(mail.message["Message-ID"].partition("@")[0][1:] for mail in server.mails)
    assert seen == {ids["retry"]: 2, ids["hold"]: 1}
    tried = client.get(f"{BASE}/deliveries/{ids['retry']}/sending").json()["attempts"]
    assert [attempt["state"] for attempt in tried] == ["unknown", "accepted"]
    reasons = {}
    for policy in ids:
        told = client.get(f"{BASE}/messages/{found[policy]['message_id']}/timeline").json()["decisions"]
        reasons[policy] = {decision["reason"] for decision in told}
    assert "unknown_again" in reasons["retry"]
    assert "unknown_held" in reasons["hold"]
