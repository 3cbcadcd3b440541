"""Several mail servers: one that fails is passed over, nothing is sent twice, and nobody's mistake harms others."""

from collections.abc import Callable
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient, EngineControl
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.testing.smtp import DROP

Send = Callable[..., dict[str, Any]]
Ended = Callable[[dict[str, Any]], list[dict[str, Any]]]

pytestmark = pytest.mark.database


def test_a_provider_that_is_down_is_passed_over(servers: Any, send: Send, ended: Ended, engine: EngineControl) -> None:
    first, second = servers.start(), servers.start()
    a = servers.configure(first, "A", priority=1)
    b = servers.configure(second, "B", priority=2)
    servers.stop(first)
    messages = [send(product=f"Number {number}") for number in range(7)]
    servers.settle()
    assert (servers.health(a)["usable"], servers.health(a)["circuit"]) == (False, "open")
    assert "does not answer" in servers.health(a)["last_error"]
    engine.advance(seconds=40)
    deliveries = [ended(message)[0] for message in messages]
    assert {delivery["status"] for delivery in deliveries} == {"sent"}
    assert sorted(mail.message["Message-ID"].partition("@")[0][1:] for mail in second.mails) == sorted(
        delivery["id"] for delivery in deliveries
    )
    told = servers.sending(deliveries[0])
    assert [attempt["config_title"] for attempt in told["attempts"]][-1] == "B"
    assert [attempt["state"] for attempt in told["attempts"]][-1] == "accepted"
    assert {attempt["config"] for d in deliveries for attempt in servers.sending(d)["attempts"]} == {a["id"], b["id"]}
    # It comes back; one mail tries it, and then it is used as before.
    servers.again(first)
    engine.advance(minutes=11)
    for _ in range(2):
        assert ended(send())[0]["status"] == "sent"
    assert len(first.mails) == 2
    assert servers.health(a) | {"last_error": "", "last_failure_at": ""} == {
        "usable": True,
        "reason": "ok",
        "until": None,
        "circuit": "closed",
        "failures": 0,
        "fault": None,
        "last_error": "",
        "last_failure_at": "",
    }


def test_where_nobody_knows_whether_it_was_sent_the_policy_decides(  # noqa: PLR0917
    client: ApiClient,
    servers: Any,
    send: Send,
    ended: Ended,
    engine: EngineControl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server takes the mail and breaks off without an answer."""
    mailbox = servers.start()
    config = servers.configure(mailbox, "A")
    answers = iter([DROP, DROP])
    mailbox.server.reply = lambda _envelope: next(answers, None)
    test = client.post(f"/api/v1/messaging/configs/{config['id']}/test")
    assert test.status_code == 202, test.text
    servers.settle()
    held = client.get(f"/api/v1/messaging/deliveries/{test.json()['delivery_id']}").json()
    assert (held["status"], held["attempts"]) == ("unknown", 1)
    assert "did not answer" in held["error"]
    # By default it is repeated, and the reader's program can tell.
    message = send()
    servers.settle()
    engine.advance(minutes=1)
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["attempts"]) == ("sent", 2)
    assert [attempt["state"] for attempt in servers.sending(delivery)["attempts"]] == ["unknown", "accepted"]
    ids = [mail.message["Message-ID"] for mail in mailbox.mails]
    assert len(ids) == 3
    assert ids[1] == ids[2]
    # What is held stays so, until somebody decides.
    engine.advance(days=2)
    assert len(mailbox.mails) == 3
    assert client.get(f"/api/v1/messaging/deliveries/{held['id']}").json()["status"] == "unknown"
    assert client.post(f"/api/v1/messaging/deliveries/{held['id']}/retry").status_code == 202
    servers.settle()
    assert client.get(f"/api/v1/messaging/deliveries/{held['id']}").json()["status"] == "sent"
    # Neither is what a server is too slow to answer handed to another one, where the category holds it.
    second = servers.start()
    servers.configure(second, "B", priority=200)
    kept = {"key": "acme.money", "title": "Money", "duplicates": "hold"}
    assert client.post("/api/v1/messaging/categories", json=kept).status_code == 201
    monkeypatch.setenv("RIVEREDGE_MESSAGING__SEND_SECONDS", "0.5")
    mailbox.server.delay = 2
    message = send(category="acme.money")
    servers.settle()
    engine.advance(days=2)
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["reason"], delivery["attempts"]) == ("unknown", "unknown_held", 1)
    assert "no answer within 0.5 s" in delivery["error"]
    assert second.mails == []


def test_a_refused_recipient_harms_nobody_else_and_is_not_written_to_again(
    client: ApiClient, as_user: AsUser, servers: Any, send: Send, ended: Ended
) -> None:
    mailbox = servers.start()
    config = servers.configure(mailbox, "A")
    gone, full, well = as_user(()), as_user(()), as_user(())
    assert gone.user is not None
    assert full.user is not None
    assert well.user is not None
    refusals = {gone.user.email: "550 5.1.1 no such user", full.user.email: "550 5.7.1 not from you"}
    mailbox.server.recipient_reply = refusals.get
    everybody = [str(each.user.id) for each in (gone, full, well) if each.user]
    by_person = {d["recipient_id"]: d for d in ended(send(to=everybody))}
    assert [by_person[person]["status"] for person in everybody] == ["failed", "failed", "sent"]
    assert "no such user" in by_person[everybody[0]]["error"]
    assert [mail.recipients for mail in mailbox.mails] == [(well.user.email,)]
    assert servers.health(config)["usable"]
    mailbox.server.recipient_reply = None
    again = {d["recipient_id"]: d for d in ended(send(to=everybody))}
    assert [again[person]["status"] for person in everybody] == ["suppressed", "sent", "sent"]
    (entry,) = client.get("/api/v1/messaging/suppressions").json()["items"]
    assert (entry["reason"], entry["delivery_id"]) == ("hard_bounce", by_person[everybody[0]]["id"])
    assert gone.user.email not in str(entry)
    place = f"/api/v1/messaging/suppressions/{entry['id']}"
    found = client.post("/api/v1/messaging/suppressions/look-up", json={"address": gone.user.email.upper()})
    assert found.json()["id"] == entry["id"], found.text
    assert client.delete(place, headers={"If-Match": f'"{entry["version"]}"'}).status_code == 204
    retried = client.post(f"/api/v1/messaging/deliveries/{again[everybody[0]]['id']}/retry")
    assert retried.status_code == 202
    servers.settle()
    assert len(mailbox.mails) == 4


def test_servers_that_ask_to_wait_are_waited_for(servers: Any, send: Send, ended: Ended, engine: EngineControl) -> None:
    mailbox = servers.start()
    config = servers.configure(mailbox, "A")
    answers = iter(["452 4.3.1 no room", "421 4.3.2 busy"])
    mailbox.server.reply = lambda _envelope: next(answers, None)
    message = send()
    servers.settle()
    assert servers.health(config)["reason"] == "resting"
    engine.advance(minutes=5, seconds=5)
    engine.advance(minutes=1)
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["attempts"]) == ("sent", 3)
    assert [attempt["state"] for attempt in servers.sending(delivery)["attempts"]] == ["quota", "temporary", "accepted"]
    # Greylisting is the recipient's: it does not count against the provider.
    greylisted = iter(["450 4.2.0 greylisted"] * 2)
    mailbox.server.recipient_reply = lambda _address: next(greylisted, None)
    message = send()
    servers.settle()
    engine.advance(minutes=11)
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["attempts"]) == ("sent", 3)
    assert servers.health(config)["failures"] == 0


def test_rates_are_kept_without_asking_again_and_again(
    servers: Any, send: Send, ended: Ended, engine: EngineControl
) -> None:
    mailbox = servers.start()
    servers.configure(mailbox, "A", per_minute=6)
    messages = [send() for _ in range(4)]
    servers.settle()
    assert len(mailbox.mails) == 1
    runs = len([call for call in engine.calls if call.function.endswith("messaging-deliver")])
    engine.advance(seconds=12)
    assert len(mailbox.mails) == 2
    engine.advance(seconds=60)
    assert len(mailbox.mails) == 4
    assert {ended(message)[0]["status"] for message in messages} == {"sent"}
    assert all(ended(message)[0]["attempts"] == 1 for message in messages)
    later = len([call for call in engine.calls if call.function.endswith("messaging-deliver")])
    assert later - runs <= 3 * 2


def test_the_installation_s_server_serves_who_has_none_within_its_rate(  # noqa: PLR0917
    client: ApiClient,
    servers: Any,
    send: Send,
    ended: Ended,
    engine: EngineControl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_all, own = servers.start(), servers.start()
    smtp = "RIVEREDGE_MESSAGING__SMTP__"
    for name, value in {"HOST": "127.0.0.1", "PORT": str(of_all.port), "TLS": "none"}.items():
        monkeypatch.setenv(f"{smtp}{name}", value)
    monkeypatch.setenv("RIVEREDGE_MESSAGING__TENANT_PER_MINUTE", "2")
    assert client.user is not None
    # Who has no phone is not simply missing.
    channels = ("messaging.email", "messaging.sms")
    first = {each["channel"]: (each["status"], each["reason"]) for each in ended(send(channels=channels))}
    assert first == {"messaging.email": ("sent", None), "messaging.sms": ("skipped", "no_address")}
    servers.configure(own, "Own")
    messages = [send() for _ in range(3)]
    servers.settle()
    # One a half minute, whichever way it goes.
    assert (len(of_all.mails), len(own.mails)) == (1, 0)
    engine.advance(minutes=2)
    assert (len(of_all.mails), len(own.mails)) == (1, 3)
    assert {ended(message)[0]["status"] for message in messages} == {"sent"}


def test_a_drill_takes_a_provider_out_and_puts_it_back(
    client: ApiClient, servers: Any, send: Send, ended: Ended, engine: EngineControl
) -> None:
    first, second = servers.start(), servers.start()
    a = servers.configure(first, "A", priority=1)
    servers.configure(second, "B", priority=2)
    place = f"/api/v1/messaging/configs/{a['id']}"
    assert client.post(f"{place}/drill", json={"minutes": 5}).json()["health"]["reason"] == "out"
    ended(send())
    assert (len(first.mails), len(second.mails)) == (0, 1)
    engine.advance(minutes=6)
    ended(send())
    assert (len(first.mails), len(second.mails)) == (1, 1)
    client.post(f"{place}/drill", json={"minutes": 60})
    assert client.post(f"{place}/resume").json()["health"]["usable"]
    ended(send())
    assert (len(first.mails), len(second.mails)) == (2, 1)


def test_the_cheapest_that_works_is_taken_and_the_timeline_says_so(
    client: ApiClient, servers: Any, send: Send, ended: Ended
) -> None:
    configs = {}
    for priority, (title, amount) in enumerate({"A": "0.05", "B": "0.010", "C": None}.items()):
        cost = {"cost": {"amount": amount, "currency": "EUR"}} if amount else {}
        configs[title] = servers.configure(servers.start(), title, priority=priority, **cost)
    assert configs["B"]["cost"] == {"amount": "0.010", "currency": "EUR"}

    def why() -> str:
        message = send()
        (delivery,) = ended(message)
        assert delivery["status"] == "sent"
        (attempt,) = servers.sending(delivery)["attempts"]
        lines = client.get(f"/api/v1/messaging/messages/{message['id']}/timeline").json()["decisions"]
        (words,) = [line["words"] for line in lines if line["rule"] == "routing"]
        assert words.startswith(f"{attempt['config_title']} ")
        return str(words)

    assert why() == "A comes first by priority."
    saved = client.put("/api/v1/settings/messaging", json={"cheapest_channels": ["messaging.email"]})
    assert saved.status_code == 200, saved.text
    route = client.get("/api/v1/messaging/routing/messaging.email").json()
    assert [(each["title"], each["cost"] and each["cost"]["amount"]) for each in route] == [
        ("B", "0.010"),
        ("A", "0.05"),
        ("C", None),
    ]
    assert why() == "B is the cheapest: 0.01 EUR a message."
    drill = "/api/v1/messaging/configs/{id}/drill"
    assert client.post(drill.format(**configs["B"]), json={}).status_code == 200
    assert why() == "A is the cheapest that is left (0.05 EUR a message), after B (out)."
    assert client.post(drill.format(**configs["A"]), json={}).status_code == 200
    assert why() == "C is the next by priority, after B (out), A (out)."
    place = f"/api/v1/messaging/configs/{configs['C']['id']}"
    for price, field in (
        ({"amount": "1", "currency": "CNY"}, "cost.currency"),
        ({"amount": "-1", "currency": "EUR"}, "cost.amount"),
        ({"amount": "1", "currency": "euro"}, "cost.currency"),
    ):
        refused = client.patch(place, json={"cost": price}, headers={"If-Match": '"1"'})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    changed = client.patch(place, json={"cost": {"amount": "0.001", "currency": "EUR"}}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    cleared = client.patch(place, json={"cost": None}, headers={"If-Match": changed.headers["etag"]})
    assert cleared.json()["cost"] is None
