"""The rules decide in their order, say why, and are asked again after a delivery has waited."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from riveredge_messaging import plugin
from riveredge_messaging.rules.preferences import Choices
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.features.message_categories import CategoryKind, MessageCategory
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox, PlatformUnderTest
from riveredge_sdk.testing.plugin import AsUser

API = "/api/v1/messaging"
EMAIL, IN_APP = "messaging.email", "messaging.in_app"
Made = dict[str, Any]


def user_id(client: ApiClient) -> str:
    assert client.user is not None
    return str(client.user.id)


def category(client: ApiClient, key: str, **rules: Any) -> str:
    made = client.post(f"{API}/categories", json={"key": key, "title": key, **rules})
    assert made.status_code == 201, made.text
    return key


def send(client: ApiClient, product: str = "x", to: str = "", **more: Any) -> Made:
    body = {"template": "messaging.welcome", "to": [to or user_id(client)], "data": {"product": product}, **more}
    answer = client.post(f"{API}/messages", json=body)
    assert answer.status_code == 202, answer.text
    made: Made = answer.json()
    return made


def states(client: ApiClient, message: Made) -> dict[str, tuple[str, str | None]]:
    """The status and the reason of each delivery."""
    found = client.get(f"{API}/messages/{message['id']}").json()["deliveries"]
    return {each["channel"]: (each["status"], each["reason"]) for each in found}


def words(client: ApiClient, message: Made) -> list[str]:
    return [line["words"] for line in client.get(f"{API}/messages/{message['id']}/timeline").json()["decisions"]]


ADA = UUID(int=1)


@pytest.mark.parametrize(
    ("policies", "chosen", "kind", "expected"),
    [
        ({}, {}, "ordinary", (True, "default_on", False)),
        ({}, {("", EMAIL): False}, "ordinary", (False, "refused_channel", False)),
        ({}, {("", EMAIL): False, ("a.b", ""): True}, "ordinary", (True, "chosen_category", False)),
        ({}, {("a.b", ""): True, ("a.b", EMAIL): False}, "ordinary", (False, "refused_both", False)),
        ({}, {("", ""): False}, "ordinary", (False, "refused_all", False)),
        ({}, {("", ""): False}, "transactional", (True, "kind_transactional", True)),
        ({}, {("a.b", EMAIL): False}, "critical", (True, "kind_critical", True)),
        ({("a.b", EMAIL): "mandatory"}, {("a.b", EMAIL): False}, "ordinary", (True, "policy_mandatory", True)),
        ({("", EMAIL): "forbidden"}, {("a.b", EMAIL): True}, "critical", (False, "policy_forbidden", True)),
        ({("a.b", ""): "off"}, {}, "ordinary", (False, "policy_off", False)),
        ({("a.b", ""): "off"}, {("", EMAIL): True}, "ordinary", (True, "chosen_channel", False)),
        ({("", EMAIL): "forbidden", ("a.b", EMAIL): "mandatory"}, {}, "ordinary", (True, "policy_mandatory", True)),
    ],
)
def test_who_has_the_last_word(
    policies: dict[tuple[str, str], str],
    chosen: dict[tuple[str, str], bool],
    kind: CategoryKind,
    expected: tuple[bool, str, bool],
) -> None:
    answer = Choices(policies, {ADA: chosen}).answer(ADA, MessageCategory(id="a.b", title="B", kind=kind), EMAIL)
    assert (answer.on, answer.reason, answer.locked) == expected


@pytest.mark.database
def test_people_choose_and_the_organisation_decides(client: ApiClient, as_user: AsUser) -> None:
    ada = as_user({"messaging.inbox.use"})
    category(client, "acme.offers")
    category(client, "acme.safety", mandatory=True)
    rule = {"category": "acme.offers", "channel": "messaging.push", "rule": "forbidden"}
    assert client.post(f"{API}/policies", json=rule).status_code == 201
    assert client.post(f"{API}/policies", json=rule).status_code == 409
    chosen = ada.put(f"{API}/preferences", json={"choices": [{"channel": EMAIL, "on": False}]})
    assert chosen.status_code == 200, chosen.text
    lines = {
        (each["key"], line["channel"]): (line["on"], line["locked"], line["reason"])
        for each in chosen.json()["categories"]
        for line in each["channels"]
    }
    assert lines["acme.offers", EMAIL] == (False, False, "refused_channel")
    assert lines["acme.offers", IN_APP] == (True, False, "default_on")
    assert lines["acme.offers", "messaging.push"] == (False, True, "policy_forbidden")
    assert lines["acme.safety", EMAIL] == (True, True, "policy_mandatory")
    refused = ada.put(
        f"{API}/preferences", json={"choices": [{"category": "acme.safety", "channel": EMAIL, "on": False}]}
    )
    assert (refused.status_code, refused.json()["reason"]) == (409, "policy_mandatory")
    unknown = ada.put(f"{API}/preferences", json={"choices": [{"category": "no.such", "on": True}]})
    assert [error["field"] for error in unknown.json()["errors"]] == ["choices.0.category"]
    message = send(client, to=user_id(ada), category="acme.offers", channels=[EMAIL, IN_APP])
    assert states(client, message)[EMAIL] == ("skipped", "refused_channel")
    why = as_user({"messaging.message.read"}).get(
        f"{API}/messages/why",
        params={"person": user_id(ada), "category": "acme.offers", "channel": EMAIL},
        headers={"Accept-Language": "zh-CN"},
    )
    (line,) = why.json()["items"]
    assert (line["words"], line["delivery"]["status"]) == ("本人不愿在此渠道接收消息。", "skipped")
    nobody = client.get(f"{API}/messages/why", params={"person": user_id(ada), "template": "acme.other"}).json()
    assert (nobody["items"], nobody["words"].startswith("No message was for this person")) == ([], True)
    assert client.get(f"{API}/preferences/of/{user_id(ada)}").json()["channels"] == {EMAIL: False}
    back = ada.put(f"{API}/preferences", json={"choices": [{"channel": EMAIL, "on": None}]}).json()
    assert back["channels"] == {}


@pytest.mark.database
def test_five_hundred_triggers_are_one_digest(
    client: ApiClient,
    engine: EngineControl,
    platform: PlatformUnderTest,
    trigger: Callable[[Sequence[Notification]], list[UUID]],
) -> None:
    count = 500
    # As many as a digest holds, so that the last one sends it off.
    category(client, "acme.changes", digest={"window_s": 600, "max_items": count}, channels=[IN_APP])

    me = UUID(user_id(client))
    ids = trigger(
        [
            Notification(
                template="messaging.welcome", to=[me], data={"product": f"P{number:03}"}, category="acme.changes"
            )
            for number in range(count)
        ]
    )
    platform.settle()
    (item,) = client.get(f"{API}/inbox").json()["items"]
    assert item["subject"] == f"{count} messages"
    assert {f"- Welcome to P{number:03}" for number in range(count)} == set(item["text"].split("\n")) - {""}
    assert states(client, {"id": ids[25]}) == {IN_APP: ("digested", "digested")}
    assert any(f"a digest with {count} messages" in each for each in words(client, {"id": ids[25]}))
    # A window that ends before it is full holds all that came at once, too.
    category(client, "acme.more", digest={"window_s": 600, "max_items": count}, channels=[IN_APP])
    welcome = Notification(template="messaging.welcome", to=[me], data={"product": "x"}, category="acme.more")
    trigger([welcome] * 100)
    # The next one opens a digest of its own, and goes out as it is when nothing joins it.
    alone = send(client, "alone", category="acme.changes")
    engine.advance(minutes=11)
    platform.settle()
    assert states(client, alone) == {IN_APP: ("delivered", None)}
    subjects = [item["subject"] for item in client.get(f"{API}/inbox").json()["items"]]
    assert sorted(subjects) == ["100 messages", f"{count} messages", "Welcome to alone"]


def test_digests_of_other_kinds(client: ApiClient, engine: EngineControl, platform: PlatformUnderTest) -> None:
    category(client, "acme.few", digest={"window_s": 3600, "max_items": 3, "leading": True}, channels=[IN_APP])
    for number in range(4):
        send(client, f"P{number}", category="acme.few")
    send(client, "other", category="acme.few", digest_key="another")
    platform.settle()
    subjects = {item["subject"] for item in client.get(f"{API}/inbox").json()["items"]}
    # The first went at once; the next three were enough for a digest; another key is another digest's first.
    assert subjects == {"Welcome to P0", "3 messages", "Welcome to other"}
    cancelled = send(client, "gone", category="acme.few", digest_key="another", correlation="a.b:7")
    assert states(client, cancelled) == {IN_APP: ("deferred", "digest")}
    assert client.post(f"{API}/messages/cancel", json={"correlation": "a.b:7"}).json() == {"deliveries": 1}
    engine.advance(hours=2)
    assert len(client.get(f"{API}/inbox").json()["items"]) == 3
    now = engine.now()
    at = [f"{now + timedelta(hours=hours):%H}:00" for hours in (2, 6)]
    category(client, "acme.daily", digest={"at": at}, channels=[IN_APP])
    waiting = send(client, category="acme.daily")
    (delivery,) = waiting["deliveries"]
    assert delivery["due_at"].endswith(f"T{at[0]}:00Z"), (delivery, at)
    # The times of the day are the reader's: the same ones are half an hour off in Kolkata.
    organisation = client.get("/api/v1/tenant")
    moved = {"If-Match": organisation.headers["etag"]}
    assert client.patch("/api/v1/tenant", json={"timezone": "Asia/Kolkata"}, headers=moved).status_code == 200
    (there,) = send(client, category="acme.daily", digest_key="there")["deliveries"]
    assert there["due_at"][14:16] == "30", there
    # Each message begins the window anew, but the first one waits no longer than is said.
    category(client, "acme.talk", digest={"window_s": 600, "extend": True, "max_wait_s": 900}, channels=[IN_APP])
    first = send(client, category="acme.talk")
    for minutes, waits in ((8, True), (6, True), (2, False)):
        engine.advance(minutes=minutes)
        platform.settle()
        assert (states(client, first) == {IN_APP: ("deferred", "digest")}) is waits, minutes
        send(client, category="acme.talk")
    wrong = client.post(f"{API}/categories", json={"key": "a.b", "title": "x", "digest": {"template": "no.such"}})
    assert [error["field"] for error in wrong.json()["errors"]] == ["digest.template"]


@pytest.mark.database
def test_quiet_hours_hold_what_can_wait(
    client: ApiClient, as_user: AsUser, engine: EngineControl, mail_settings: Mailbox
) -> None:
    now = engine.now()
    window = {"from": f"{now - timedelta(hours=1):%H:%M}", "until": f"{now + timedelta(hours=2):%H:%M}"}
    settings = client.get("/api/v1/settings/messaging").json()["values"]
    settings |= {"quiet_from": window["from"], "quiet_until": window["until"]}
    assert client.put("/api/v1/settings/messaging", json=settings).status_code == 200
    kept = client.put(f"{API}/preferences/quiet-hours", json={"windows": [window], "zone": "UTC"})
    assert (kept.status_code, kept.json()["own"]) == (200, True), kept.text
    category(client, "acme.alarm", kind="critical")
    body = {"template": "messaging.welcome", "to": [user_id(client)], "data": {"product": "x"}, "channels": [EMAIL]}
    planned = client.post(f"{API}/messages", params={"dry_run": True}, json=body)
    (line,) = planned.json()["recipients"][0]["deliveries"]
    assert (planned.status_code, line["reason"], line["rendered"]["text"][:6]) == (200, "quiet", "Hello,")
    plain = send(client, "plain", channels=[EMAIL, IN_APP])
    short = send(client, "short", channels=[EMAIL], expires_at=(now + timedelta(minutes=30)).isoformat())
    alarm = send(client, "alarm", channels=[EMAIL], category="acme.alarm")
    engine.platform.settle()
    assert states(client, plain) == {EMAIL: ("deferred", "quiet"), IN_APP: ("delivered", None)}
    assert states(client, short) == {EMAIL: ("expired", "expires_in_quiet")}
    assert states(client, alarm) == {EMAIL: ("sent", None)}
    # The engine forgets, the timers do not; and what is not wanted any more does not come.
    engine.forget()
    bounced = as_user(())
    assert bounced.user is not None
    dead = send(client, "dead", to=user_id(bounced), channels=[EMAIL], category=category(client, "acme.night"))
    assert states(client, dead)[EMAIL] == ("deferred", "quiet")
    suppressed = {"channel": EMAIL, "address": bounced.user.email}
    assert client.post(f"{API}/suppressions", json=suppressed).status_code == 201
    # It would not be wanted either, but that is asked later.
    refused = {"category": "acme.night", "channel": EMAIL, "rule": "forbidden"}
    assert client.post(f"{API}/policies", json=refused).status_code == 201
    # A digest comes before the quiet hours: it is gathered, and then it is the digest that waits.
    category(client, "acme.gathered", digest={"window_s": 60}, channels=[EMAIL])
    gathered = [send(client, f"G{number}", category="acme.gathered") for number in range(2)]
    assert [states(client, each) for each in gathered] == [{EMAIL: ("deferred", "digest")}] * 2
    unwanted = send(client, "unwanted", channels=[EMAIL], category=category(client, "acme.offers"))
    client.put(f"{API}/preferences", json={"choices": [{"category": "acme.offers", "on": False}]})
    # Until quiet is over, and what is held has gone out one after the other.
    engine.advance(hours=2, minutes=6)
    engine.platform.settle()
    assert states(client, plain)[EMAIL] == ("sent", None)
    assert states(client, unwanted) == {EMAIL: ("skipped", "refused_category")}
    assert states(client, dead) == {EMAIL: ("suppressed", "suppressed")}
    came = sorted(mail.message["Subject"] for mail in mail_settings.mails)
    assert came == ["2 messages", "Welcome to alarm", "Welcome to plain"]
    assert any(each.startswith("Quiet hours until") for each in words(client, plain))
    assert client.post(f"{API}/preferences/quiet-hours/reset").json()["own"] is False
    wrong = client.put(f"{API}/preferences/quiet-hours", json={"windows": [], "zone": "Mars/Base"})
    assert [error["field"] for error in wrong.json()["errors"]] == ["zone"]


def test_what_was_held_over_night_goes_out_one_after_the_other(
    client: ApiClient, as_user: AsUser, engine: EngineControl, mail_settings: Mailbox
) -> None:
    now = engine.now().replace(second=0, microsecond=0)
    begins, ends = now - timedelta(hours=1), now + timedelta(hours=2)
    settings = client.get("/api/v1/settings/messaging").json()["values"]
    settings |= {"quiet_from": f"{begins:%H:%M}", "quiet_until": f"{ends:%H:%M}", "quiet_spread_s": 3600}
    kept = client.put("/api/v1/settings/messaging", json=settings)
    assert kept.status_code == 200, kept.text
    people = [user_id(as_user(())) for _ in range(5)]
    body = {"template": "messaging.welcome", "to": people, "data": {"product": "x"}, "channels": [EMAIL]}
    message = client.post(f"{API}/messages", json=body).json()
    due = {each["id"]: datetime.fromisoformat(each["due_at"]) for each in message["deliveries"]}
    assert all(ends <= moment <= ends + timedelta(hours=1) for moment in due.values()), due
    assert len(set(due.values())) > 1, due

    def sent() -> set[str]:
        found = client.get(f"{API}/messages/{message['id']}").json()["deliveries"]
        return {each["id"] for each in found if each["status"] == "sent"}

    # The first has its turn, and then all have had it.
    for moment in (min(due.values()), max(due.values())):
        engine.advance(seconds=(moment - engine.now()).total_seconds() + 1)
        engine.platform.settle()
        assert sent() == {delivery for delivery, at in due.items() if at <= moment}


@pytest.mark.database
def test_escalation_stops_when_the_message_is_read(
    client: ApiClient, engine: EngineControl, mail_settings: Mailbox
) -> None:
    category(
        client,
        "acme.task",
        channels=[IN_APP, EMAIL],
        escalation=[{"channel": EMAIL, "after_s": 600}],
        throttle={"messages": 1, "per_s": 3600},
    )
    read, unread = send(client, "read", category="acme.task"), send(client, "unread", category="acme.task")
    engine.platform.settle()
    assert states(client, unread) == {EMAIL: ("deferred", "escalation"), IN_APP: ("delivered", None)}
    items = {item["subject"]: item["id"] for item in client.get(f"{API}/inbox").json()["items"]}
    assert client.post(f"{API}/inbox/{items['Welcome to read']}/read").status_code == 200
    engine.advance(minutes=11)
    engine.platform.settle()
    assert states(client, read)[EMAIL] == ("skipped", "read_already")
    assert states(client, unread)[EMAIL] == ("sent", None)
    # One an hour: the next one waits for its turn.
    third = send(client, "third", category="acme.task")
    engine.advance(minutes=11)
    engine.platform.settle()
    assert states(client, third)[EMAIL] == ("deferred", "throttle")
    engine.advance(hours=1)
    engine.platform.settle()
    assert states(client, third)[EMAIL] == ("sent", None)
    assert [mail.message["Subject"] for mail in mail_settings.mails] == ["Welcome to unread", "Welcome to third"]


@pytest.mark.database
def test_what_is_known_of_a_person_is_told_and_erased(
    client: ApiClient, platform: PlatformUnderTest, engine: EngineControl
) -> None:
    category(client, "acme.changes", digest={"window_s": 60}, channels=[IN_APP])
    client.put(f"{API}/preferences", json={"choices": [{"category": "acme.changes", "on": True}]})
    client.put(f"{API}/preferences/quiet-hours", json={"windows": []})
    topic = client.post(f"{API}/topics", json={"key": "acme.thing:7"}).json()
    client.post(f"{API}/topics/{topic['id']}/subscribe")
    for _ in range(2):
        send(client, category="acme.changes")
    engine.advance(minutes=2)
    platform.settle()
    assert client.user is not None
    me = client.user

    def run(work: Any) -> Any:
        async def inside() -> Any:
            with use_context(platform.context(me.tenant)):
                async with unit_of_work():
                    return await work(me.id)

        return platform.run(inside())

    told = run(plugin.export_personal_data)
    assert (told["topics"], told["quiet_hours"], len(told["sent_messages"])) == (
        ["acme.thing:7"],
        {"windows": [], "zone": None},
        2,
    )
    assert told["preferences"] == [{"category": "acme.changes", "channel": "", "on": True}]
    assert {"digest", "digested", "all_clear"} <= {each["reason"] for each in told["decisions"]}
    assert run(plugin.erase_personal_data) > 0
    left = run(plugin.export_personal_data)
    assert [left[name] for name in ("preferences", "quiet_hours", "topics", "sent_messages", "inbox")] == [
        [],
        None,
        [],
        [],
        [],
    ]
    digest = client.get(f"{API}/messages", params={"sort": "-created_at"}).json()["items"][0]
    assert (digest["kind"], digest["data"]) == ("digest", {"count": 0, "items": []})
