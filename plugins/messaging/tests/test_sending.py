"""One request reaches everybody it is for, once: by roles, topics and names, now or later, page by page."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from riveredge_kernel.events.models import OutboxEvent
from riveredge_messaging import service
from riveredge_messaging.schemas import MessageIn
from riveredge_messaging.sending import functions as sending_functions
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser, OpenStream
from riveredge_sdk.testing.stream import StreamClient

MESSAGES = "/api/v1/messaging/messages"
TOPICS = "/api/v1/messaging/topics"
Made = dict[str, Any]
Trigger = Callable[[Sequence[Notification]], list[UUID]]
IN_APP = ["messaging.in_app"]


def user_id(client: ApiClient) -> str:
    assert client.user is not None
    return str(client.user.id)


def role_of(client: ApiClient) -> str:
    """The role that the testing kit has made for this user alone."""
    assert client.user is not None
    return client.user.email.partition("@")[0]


def welcome(**more: Any) -> Made:
    return {"template": "messaging.welcome", "data": {"product": "x"}, "channels": IN_APP, **more}


def post(client: ApiClient, body: Made, **params: Any) -> Made:
    answer = client.post(MESSAGES, json=body, params=params)
    assert answer.status_code in {200, 202}, answer.text
    made: Made = answer.json()
    return made


def inbox(client: ApiClient) -> list[str]:
    return [item["subject"] for item in client.get("/api/v1/messaging/inbox").json()["items"]]


def events(platform: PlatformUnderTest, client: ApiClient, name: str) -> list[Made]:
    """The events of the name that the client's organisation has published."""
    assert client.user is not None
    tenant = client.user.tenant

    async def read() -> list[Made]:
        with use_context(platform.context(tenant)):
            async with unit_of_work(read_only=True) as session:
                found = await session.exec(select(OutboxEvent.data).where(col(OutboxEvent.name) == name))
                return [dict(data) for data in found]

    return platform.run(read())


@pytest.mark.database
def test_a_thousand_identical_triggers_are_one_message(
    client: ApiClient, platform: PlatformUnderTest, trigger: Trigger
) -> None:
    body = welcome(to=[user_id(client)], idempotency_key="order:17")
    notification = MessageIn.model_validate(body).notification()

    def post_it(_: int) -> tuple[int, str]:
        answer = client.post(MESSAGES, json=body)
        return answer.status_code, answer.json().get("id", answer.text)

    # From plugins and from clients at the same time.
    with ThreadPoolExecutor(9) as pool:
        triggered = pool.submit(trigger, [notification] * 900)
        answers = set(pool.map(post_it, range(100)))
    assert {(202, str(message_id)) for message_id in triggered.result()} | answers == answers
    assert len(answers) == 1, answers
    platform.settle()
    assert inbox(client) == ["Welcome to x"]
    other = client.post(MESSAGES, json={**body, "data": {"product": "y"}})
    assert [(error["field"], error["code"]) for error in other.json()["errors"]] == [("idempotency_key", "key_used")]


@pytest.mark.database
def test_whoever_is_named_more_than_once_gets_it_once(
    client: ApiClient, as_user: AsUser, platform: PlatformUnderTest
) -> None:
    ada, bob, eve = (as_user({"messaging.inbox.use", "messaging.topic.read"}) for _ in range(3))
    topic = client.post(TOPICS, json={"key": "invoices.invoice:7", "title": "Invoice 7"}).json()
    followers = f"{TOPICS}/{topic['id']}/followers"
    assert client.post(followers, json={"users": [user_id(ada), user_id(bob)]}).json() == {"people": 2}
    assert bob.post(f"{TOPICS}/{topic['id']}/subscribe").json() == {"people": 0}
    body = welcome(to=[user_id(ada)], roles=[role_of(bob), role_of(eve)], topics=["invoices.invoice:7"])

    planned = post(client, body, dry_run=True)
    assert (planned["complete"], planned["channels"]) == (True, IN_APP)
    assert {each["id"]: each["via"] for each in planned["recipients"]} == {
        user_id(ada): "user",
        user_id(bob): f"role:{role_of(bob)}",
        user_id(eve): f"role:{role_of(eve)}",
    }
    (line,) = planned["recipients"][0]["deliveries"]
    assert (line["status"], line["rendered"]["subject"]) == ("queued", "Welcome to x")
    # Nothing was sent, and nothing is left of it.
    assert client.get(MESSAGES).json()["items"] == []
    assert client.get("/api/v1/messaging/deliveries").json()["items"] == []

    made = post(client, body)
    assert (made["progress"]["recipients"], made["progress"]["complete"]) == (3, True)
    # One event tells others of all three.
    (told,) = events(platform, client, "messaging/delivery.sent")
    assert (told["channel"], sorted(told["deliveries"])) == (
        IN_APP[0],
        sorted(each["id"] for each in made["deliveries"]),
    )
    assert bob.get(f"{TOPICS}/mine").json()[0]["key"] == "invoices.invoice:7"
    assert bob.post(f"{TOPICS}/mine/{topic['id']}/leave").json() == {"people": 1}
    post(client, welcome(topics=["invoices.invoice:7"], data={"product": "y"}))
    platform.settle()
    assert [sorted(inbox(each)) for each in (ada, bob, eve)] == [
        ["Welcome to x", "Welcome to y"],
        ["Welcome to x"],
        ["Welcome to x"],
    ]
    unknown = client.post(MESSAGES, json=welcome(roles=["no.such"], groups=["staff"], topics=["a.b:c"]))
    assert {error["field"]: error["message"] for error in unknown.json()["errors"]} == {
        "roles.0": "There is no role 'no.such' here; GET /api/v1/roles lists them.",
        "groups.0": "There is no group 'staff' here; the directory that keeps groups lists them.",
        "topics.0": "There is no topic 'a.b:c' here; GET /api/v1/messaging/topics lists them.",
    }
    client.put("/api/v1/plugins/directory", json={"enabled": False})
    nowhere = client.post(MESSAGES, json=welcome(groups=["staff"])).json()["errors"]
    assert [error["field"] for error in nowhere] == ["groups.0"]
    assert nowhere[0]["message"].startswith("Nothing here knows groups")


@pytest.mark.database
def test_a_message_waits_for_its_time(client: ApiClient, as_user: AsUser, engine: EngineControl) -> None:
    later = (engine.now() + timedelta(hours=2)).isoformat()
    mine: Made = {"to": [user_id(client)], "send_at": later}
    gone = as_user(())
    mine["to"].append(user_id(gone))
    kept = post(client, welcome(**mine, expires_at=(engine.now() + timedelta(hours=3)).isoformat()))
    mine["to"].pop()
    found = client.get("/api/v1/members", params={"filter": _eq("user_id", user_id(gone))}).json()["items"][0]
    leave = {"If-Match": f'"{found["version"]}"'}
    assert client.patch(f"/api/v1/members/{found['id']}", json={"active": False}, headers=leave).status_code == 200
    post(client, welcome(**mine, data={"product": "gone"}, correlation="orders.order:7"))
    assert kept["progress"]["status"] == "scheduled"
    assert client.post(f"{MESSAGES}/cancel", json={"correlation": "orders.order:7"}).json() == {"deliveries": 0}
    cancelled = client.get(MESSAGES, params={"filter": _eq("correlation", "orders.order:7")}).json()["items"][0]
    assert client.get(f"{MESSAGES}/{cancelled['id']}").json()["progress"]["status"] == "cancelled"
    assert client.post(f"{MESSAGES}/{cancelled['id']}/cancel").status_code == 409
    # The engine loses all it knows; the database remembers.
    engine.forget()
    engine.advance(hours=1)
    assert inbox(client) == []
    engine.advance(hours=1)
    assert inbox(client) == ["Welcome to x"]
    # Who has left meanwhile is not simply missing.
    states = {each["recipient_id"]: (each["status"], each["reason"]) for each in deliveries(client, kept)}
    assert states == {user_id(client): ("delivered", None), user_id(gone): ("skipped", "no_member")}
    for wrong, field in (
        ({"send_at": later, "expires_at": engine.now().isoformat()}, "expires_at"),
        ({"send_at": (engine.now() + timedelta(days=400)).isoformat()}, "send_at"),
    ):
        refused = client.post(MESSAGES, json=welcome(to=[user_id(client)], **wrong))
        assert [error["field"] for error in refused.json()["errors"]] == [field]


def deliveries(client: ApiClient, message: Made) -> list[Made]:
    found: list[Made] = client.get(f"{MESSAGES}/{message['id']}").json()["deliveries"]
    return found


def _eq(field: str, value: str) -> str:
    return f'{{"conditions": [{{"field": "{field}", "op": "eq", "value": "{value}"}}]}}'


def followed(live: StreamClient, until: str) -> list[Made]:
    """What is pushed until a message has that status."""
    pushes = [live.next()]
    while pushes[-1]["what"] != until:
        pushes.append(live.next())
    return pushes


@pytest.mark.database
def test_a_broadcast_is_paused_resumed_and_only_its_failures_tried_again(
    client: ApiClient,
    *,
    as_user: AsUser,
    other_tenant: TestTenant,
    engine: EngineControl,
    mail_settings: Mailbox,
    stream: OpenStream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "INLINE", 2)
    monkeypatch.setattr(sending_functions, "PAGE", 4)
    people = [as_user({"messaging.inbox.use"}) for _ in range(10)]
    unlucky = people[3].user
    assert unlucky is not None
    mail_settings.server.reply = lambda envelope: "550 no" if unlucky.email in envelope.rcpt_tos else None
    later = (engine.now() + timedelta(hours=1)).isoformat()
    made = post(client, welcome(everyone=True, channels=["messaging.email"], send_at=later))
    place = f"{MESSAGES}/{made['id']}"
    # Who may send may not write to everybody, or hold up what others have sent.
    weak = as_user({"messaging.message.send", "messaging.message.read"})
    for refused in (
        weak.post(MESSAGES, json=welcome(everyone=True)),
        weak.post(MESSAGES, json=welcome(everyone=True), params={"dry_run": True}),
        weak.post(f"{place}/pause"),
        weak.post(f"{place}/resend"),
    ):
        assert (refused.status_code, refused.json()["permission"]) == (403, "messaging.message.broadcast")
    assert client.post(f"{place}/pause").json()["progress"]["status"] == "paused"
    assert client.post(f"{place}/pause").status_code == 409
    engine.advance(hours=2)
    assert mail_settings.mails == []
    live, other = stream(client), stream(as_user({"messaging.message.read"}, tenant=other_tenant))
    assert live.subscribe("messaging.progress", made["id"])["type"] == "subscribed"
    assert other.subscribe("messaging.progress", made["id"])["problem"]["status"] == 403
    assert live.subscribe("messaging.progress", "no-id")["problem"]["status"] == 403
    assert client.post(f"{place}/resume").status_code == 202
    engine.platform.settle()
    done = client.get(f"{place}/progress").json()
    assert (done["status"], done["recipients"], done["complete"]) == ("partly_failed", 12, True)
    assert sorted(done["deliveries"].items()) == [("failed", 1), ("sent", 11)]
    # Pages follow by numbers alone, and not by each delivery.
    engine.advance(seconds=2)
    pushes = followed(live, until="partly_failed")
    numbers = {"recipients": 12, "deliveries": 12, "open": 0, "done": 11, "failed": 1, "unsent": 0}
    assert pushes[-1]["data"] == numbers
    first, last = (datetime.fromisoformat(push["at"]) for push in (pushes[0], pushes[-1]))
    assert len(pushes) <= 2 + (last - first).total_seconds()
    mail_settings.server.reply = None
    elsewhere = {"conditions": [{"field": "channel", "op": "eq", "value": "messaging.in_app"}]}
    retry = "/api/v1/messaging/deliveries/retry"
    assert client.post(retry, json={"filter": elsewhere}).json() == {"deliveries": 0}
    assert client.post(f"{place}/retry-failed").json() == {"deliveries": 1}
    engine.platform.settle()
    engine.advance(seconds=2)
    assert followed(live, until="delivered")[0]["what"] == "sending"
    assert client.get(f"{place}/progress").json()["status"] == "delivered"
    assert client.post(retry, json={}).json() == {"deliveries": 0}
    received = [address for mail in mail_settings.mails for address in mail.recipients]
    assert (len(received), len(set(received))) == (12, 12)
    words = [line["words"] for line in client.get(f"{place}/timeline").json()["decisions"]]
    assert "Somebody paused it." in words
    assert "Somebody let it go on." in words
    again = client.post(f"{place}/resend")
    assert (again.status_code, again.json()["id"] != made["id"]) == (202, True), again.text
