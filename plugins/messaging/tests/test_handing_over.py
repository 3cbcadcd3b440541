"""What was accepted is handed over in time or not at all, and what a dead process left behind is not guessed at."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from riveredge_messaging.delivery.admission import admit
from riveredge_messaging.delivery.handing_over import lease
from riveredge_messaging.delivery.preparing import prepare
from riveredge_messaging.delivery.queueing import queue
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_sdk import unit_of_work, utcnow
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.smtp import DROP

pytestmark = pytest.mark.database

BASE = "/api/v1/messaging"
EMAIL = "messaging.email"


class Sender:
    """Sends mails, and tells what became of them."""

    def __init__(self, client: ApiClient, engine: EngineControl) -> None:
        self.client, self.engine = client, engine

    def __call__(self, *, lives: timedelta | None = None, **more: Any) -> str:
        """A mail to the client's user that is good for so long; its delivery's id, once all is quiet."""
        assert self.client.user is not None
        body: dict[str, Any] = {
            "template": "messaging.welcome",
            "to": [str(self.client.user.id)],
            "data": {"product": "x"},
        }
        expires_at = (self.engine.now() + lives).isoformat() if lives else None
        body |= {"channels": [EMAIL], "expires_at": expires_at, **more}
        answer = self.client.post(f"{BASE}/messages", json=body)
        assert answer.status_code == 202, answer.text
        self.engine.platform.settle()
        made: str = answer.json()["deliveries"][0]["id"]
        return made

    def outcome(self, delivery: str) -> tuple[str, str | None, int]:
        """Its status, the reason, and how often it was tried."""
        found = self.client.get(f"{BASE}/deliveries/{delivery}").json()
        return found["status"], found["reason"], found["attempts"]

    def told(self, delivery: str) -> list[str]:
        """What its timeline says of it, in words."""
        message = self.client.get(f"{BASE}/deliveries/{delivery}").json()["message_id"]
        decisions = self.client.get(f"{BASE}/messages/{message}/timeline").json()["decisions"]
        return [decision["words"] for decision in decisions if decision["delivery_id"] == delivery]

    def states(self, delivery: str) -> list[str]:
        """Of its attempts."""
        attempts = self.client.get(f"{BASE}/deliveries/{delivery}/sending").json()["attempts"]
        return [attempt["state"] for attempt in attempts]


@pytest.fixture
def mail(client: ApiClient, engine: EngineControl) -> Sender:
    return Sender(client, engine)


@pytest.fixture
def inside(engine: EngineControl, tenant: TestTenant) -> Callable[..., None]:
    """Runs a coroutine function in the platform, for the tenant."""

    def run(work: Callable[[], Any]) -> None:
        async def within() -> None:
            with use_context(engine.platform.context(tenant)):
                await work()

        engine.platform.run(within())

    return run


def test_what_has_waited_too_long_expires(
    client: ApiClient, mail: Sender, servers: Any, engine: EngineControl, inside: Callable[..., None]
) -> None:
    mailbox = servers.start()
    config = servers.configure(mailbox, "A", per_minute=1)
    at_once, later = mail(), mail(lives=timedelta(seconds=20))
    assert mail.outcome(at_once) == ("sent", None, 1)
    # It has its turn in a minute: known at once, and said at once.
    assert mail.outcome(later) == ("expired", "expires_waiting", 0)
    assert "It cannot go out before" in mail.told(later)[-1]
    match = {"If-Match": f'"{config["version"]}"'}
    assert client.patch(f"{BASE}/configs/{config['id']}", json={"per_minute": None}, headers=match).status_code == 200

    mailbox.server.reply = lambda _envelope: "451 4.3.0 later"
    tried = mail(lives=timedelta(seconds=60))
    assert mail.outcome(tried) == ("queued", None, 1)
    engine.advance(seconds=45)
    assert mail.outcome(tried) == ("expired", "expires_waiting", 2)
    engine.advance(minutes=5)

    # Its time is up when its turn comes.
    late = mail(lives=timedelta(minutes=5))

    async def make_late() -> None:
        async with unit_of_work():
            row = await Deliveries().get(UUID(late))
            (await Messages().get(row.message_id)).expires_at = utcnow() - timedelta(seconds=1)

    inside(make_late)
    mailbox.server.reply = None
    engine.advance(minutes=1)
    assert mail.outcome(late) == ("expired", "expired", 1)
    assert mail.told(late)[-1].startswith("It was to be sent until ")

    mailbox.server.reply = lambda _envelope: DROP
    doubtful = mail(lives=timedelta(seconds=10))
    assert mail.outcome(doubtful) == ("unknown", "unknown_expired", 1)
    engine.advance(minutes=5)

    mailbox.server.reply = lambda _envelope: "452 4.3.1 no room"
    resting = mail(lives=timedelta(minutes=2))
    assert mail.outcome(resting) == ("expired", "expires_waiting", 1)
    mailbox.server.reply = None
    engine.advance(minutes=10)
    assert len(mailbox.mails) == 2


def test_a_process_that_died_while_it_sent_leaves_an_attempt_that_nobody_knows_of(
    client: ApiClient, mail: Sender, servers: Any, engine: EngineControl, inside: Callable[..., None]
) -> None:
    """The attempt is committed, and then there is no process any more. The category says what is done."""
    mailbox = servers.start()
    servers.configure(mailbox, "A")
    made = client.post(f"{BASE}/categories", json={"key": "custom.money", "title": "Money", "duplicates": "hold"})
    assert made.status_code == 201, made.text
    mailbox.server.reply = lambda _envelope: "451 4.3.0 later"
    again, held = mail(), mail(category="custom.money")
    short = mail(lives=timedelta(minutes=1))
    mailbox.server.reply = None
    all_of_them = [UUID(again), UUID(held), UUID(short)]

    async def die_while_sending() -> None:
        async with unit_of_work():
            for row in await Deliveries().all():
                row.next_at = None
        attempts = await admit(EMAIL, await prepare(EMAIL, all_of_them), reserved=False, lease=lease())
        assert {attempt.delivery_id for attempt in attempts} == set(all_of_them)

    inside(die_while_sending)
    assert [mail.outcome(str(each))[0] for each in all_of_them] == ["sending"] * 3

    async def ask_again() -> None:
        """As the engine does that got no answer. Somebody may still be sending."""
        async with unit_of_work():
            rows = await Deliveries().all()
            queue(rows)
            for row in rows:
                row.status = "sending"

    inside(ask_again)
    engine.platform.settle()
    engine.advance(seconds=lease().total_seconds() - 5)
    assert mailbox.mails == []
    engine.advance(seconds=10)
    assert mail.outcome(again) == ("sent", None, 3)
    assert mail.states(again) == ["temporary", "unknown", "accepted"]
    assert mail.outcome(held) == ("unknown", "unknown_held", 2)
    assert mail.outcome(short) == ("unknown", "unknown_expired", 2)
    assert mail.states(held) == mail.states(short) == ["temporary", "unknown"]
    assert "it may come twice" in " ".join(mail.told(again))
    assert "is not repeated by itself" in mail.told(held)[-1]
    assert "it expired before it could be sent again" in mail.told(short)[-1]
    engine.advance(minutes=10)
    assert [each.message["Message-ID"].partition("@")[0] for each in mailbox.mails] == [f"<{again}"]


def test_the_rules_are_asked_again_after_a_retry(
    client: ApiClient, mail: Sender, servers: Any, engine: EngineControl
) -> None:
    """While nothing can be sent, one person leaves the category, one reads it in the inbox, and quiet hours begin."""
    mailbox = servers.start()
    servers.configure(mailbox, "A")
    for key, kind in (("custom.offers", "ordinary"), ("custom.news", "ordinary"), ("custom.alarm", "critical")):
        assert client.post(f"{BASE}/categories", json={"key": key, "title": key, "kind": kind}).status_code == 201
    mailbox.server.reply = lambda _envelope: "451 4.3.0 later"
    offer, alarm, waits = mail(category="custom.offers"), mail(category="custom.alarm"), mail(category="custom.news")
    mail(category="custom.news", channels=[EMAIL, "messaging.in_app"])
    seen = next(
        each["id"]
        for each in client.get(f"{BASE}/deliveries", params={"limit": 200}).json()["items"]
        if each["channel"] == EMAIL and each["id"] not in {offer, alarm, waits}
    )
    mailbox.server.reply = None
    assert [mail.outcome(each)[0] for each in (offer, alarm, waits, seen)] == ["queued"] * 4

    left = client.put(f"{BASE}/preferences", json={"choices": [{"category": "custom.offers", "on": False}]})
    assert left.status_code == 200, left.text
    (notice,) = client.get(f"{BASE}/inbox").json()["items"]
    assert client.post(f"{BASE}/inbox/{notice['id']}/read").status_code == 200
    now = engine.now()
    window = {"from": f"{now - timedelta(hours=1):%H:%M}", "until": f"{now + timedelta(hours=1):%H:%M}"}
    quiet = client.put(f"{BASE}/preferences/quiet-hours", json={"windows": [window], "zone": "UTC"})
    assert quiet.status_code == 200, quiet.text

    engine.advance(minutes=1)
    assert mail.outcome(offer) == ("skipped", "refused_category", 1)
    assert mail.outcome(seen) == ("skipped", "read_already", 1)
    assert mail.outcome(alarm) == ("sent", None, 2)
    assert mail.outcome(waits) == ("queued", None, 1)
    assert "Quiet hours until" in mail.told(waits)[-1]
    assert len(mailbox.mails) == 1
    engine.advance(hours=1, minutes=6)
    assert mail.outcome(waits) == ("sent", None, 2)
    assert len(mailbox.mails) == 2
