"""Messages arrive, by real SMTP and in the inbox; what goes wrong is visible, and retried where that can help."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import Envelope
from sqlmodel import col

from riveredge_messaging.models import Delivery
from riveredge_messaging.repository import Deliveries
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

Send = Callable[..., dict[str, Any]]
Ended = Callable[[dict[str, Any]], list[dict[str, Any]]]


@pytest.mark.database
def test_a_mail_arrives(client: ApiClient, mail_settings: Mailbox, send: Send, ended: Ended) -> None:
    (delivery,) = ended(send(product="Café 河"))
    assert (delivery["status"], delivery["attempts"], delivery["error"]) == ("sent", 1, None)
    (mail,) = mail_settings.wait_for(1)
    assert client.user is not None
    assert mail.recipients == (client.user.email,)
    assert mail.sender == "no-reply@acme.example"
    message = mail.message
    assert message["Subject"] == "Welcome to Café 河"
    assert message["From"] == "Acme <no-reply@acme.example>"
    assert message["Message-ID"].startswith(f"<{delivery['id']}@")
    assert "welcome to Café 河." in mail.text()
    assert "<strong>Café 河</strong>" in mail.text("html")


@pytest.mark.database
def test_a_run_is_shown_as_completed(
    client: ApiClient, mail_settings: Mailbox, send: Send, ended: Ended, platform: PlatformUnderTest
) -> None:
    ended(send())
    platform.settle()
    (run,) = client.get("/api/v1/runs").json()["items"]
    assert (run["function"], run["status"], run["error"]) == ("messaging.deliver", "completed", None)
    detail = client.get(f"/api/v1/runs/{run['run_id']}").json()
    assert [(step["step"], step["status"]) for step in detail["steps"]] == [("send", "completed")]


def test_everybody_is_written_to_in_their_language(
    client: ApiClient, as_user: AsUser, mail_settings: Mailbox, send: Send, ended: Ended
) -> None:
    wei = as_user((), locale="zh-CN")
    assert wei.user is not None
    ended(send(to=[str(wei.user.id)], product="河流"))
    (mail,) = mail_settings.wait_for(1)
    assert mail.message["Subject"] == "欢迎使用 河流"
    assert mail.message["Content-Language"] == "zh-CN"
    assert "这条消息由持久化函数发送" in mail.text()
    # And by their clock, which is the organisation's where they have none.
    moved = {"If-Match": client.get("/api/v1/tenant").headers["etag"]}
    assert client.patch("/api/v1/tenant", json={"timezone": "Asia/Shanghai"}, headers=moved).status_code == 200
    dated = {
        "key": "acme.due",
        "title": "Due",
        "texts": {"en": {"subject": "Due", "text": "{{ at|date }}"}},
        "variables": {"type": "object", "properties": {"at": {"type": "string"}}},
    }
    assert client.post("/api/v1/messaging/templates", json=dated).status_code == 201
    ended(send(to=[str(wei.user.id)], template="acme.due", data={"at": "2026-11-23T23:30:00Z"}))
    assert mail_settings.mails[1].text().strip() == "Nov 24, 2026"


def test_a_server_that_says_no_is_not_asked_again(
    client: ApiClient, mail_settings: Mailbox, send: Send, ended: Ended
) -> None:
    def refuse(_envelope: Envelope) -> str:
        return "550 5.7.1 no"

    mail_settings.server.reply = refuse
    message = send()
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["attempts"]) == ("failed", 1)
    assert "550" in delivery["error"]
    mail_settings.server.reply = None
    retried = client.post(f"/api/v1/messaging/deliveries/{delivery['id']}/retry")
    assert retried.status_code == 202, retried.text
    (again,) = ended(message)
    assert (again["status"], again["attempts"], again["error"]) == ("sent", 2, None)
    conflict = client.post(f"/api/v1/messaging/deliveries/{delivery['id']}/retry")
    assert conflict.status_code == 409


def test_a_server_that_is_down_shows_as_failed_in_the_end(
    client: ApiClient, mail_settings: Mailbox, send: Send, ended: Ended, engine: EngineControl
) -> None:
    client.put("/api/v1/settings/messaging", json={"smtp_host": "127.0.0.1", "smtp_port": 9, "smtp_tls": "none"})
    message = send()
    engine.run_until_idle()
    engine.advance(days=2)
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["reason"], delivery["attempts"]) == ("failed", "gave_up", 8)
    assert "does not answer" in delivery["error"]


@pytest.mark.database
def test_what_is_asked_for_too_early_is_done_at_its_time(
    mail_settings: Mailbox,
    send: Send,
    ended: Ended,
    engine: EngineControl,
    tenant: TestTenant,
) -> None:
    """The engine's clock may be ahead of that of the machine that serves its call."""
    mail_settings.server.reply = lambda _envelope: "451 4.3.0 later"
    message = send()
    engine.platform.settle()
    mail_settings.server.reply = None

    async def put_off() -> None:
        with use_context(engine.platform.context(tenant)):
            async with unit_of_work():
                (delivery,) = await Deliveries().all(col(Delivery.message_id) == UUID(message["id"]))
                assert delivery.next_at is not None
                delivery.next_at += timedelta(minutes=5)

    engine.platform.run(put_off())
    engine.advance(minutes=4)
    assert mail_settings.mails == []
    engine.advance(minutes=3)
    (delivery,) = ended(message)
    assert (delivery["status"], delivery["attempts"]) == ("sent", 2)


def test_what_cannot_be_rendered_is_not_sent_and_harms_no_other_channel(
    client: ApiClient, mail_settings: Mailbox, ended: Ended
) -> None:
    assert client.user is not None
    body: dict[str, Any] = {}
    sent: dict[str, Any] = {}
    for channel, other in (("email", "in_app"), ("in_app", "email")):
        body = {
            "key": f"acme.{channel}",
            "title": "Order",
            "texts": {"en": {"subject": "Order", "text": "It is there."}},
            "variants": {f"messaging.{channel}": {"en": {"subject": "Order", "text": "{{ order.total }}"}}},
            "variables": {"type": "object", "properties": {"order": {"type": "object"}}, "required": ["order"]},
        }
        assert client.post("/api/v1/messaging/templates", json=body).status_code == 201
        sent = {"template": f"acme.{channel}", "to": [str(client.user.id)], "data": {"order": {"name": "x"}}}
        message = client.post("/api/v1/messaging/messages", json=sent).json()
        states = {delivery["channel"]: (delivery["status"], delivery["reason"]) for delivery in ended(message)}
        assert states[f"messaging.{channel}"] == ("failed_render", "failed_render")
        assert states[f"messaging.{other}"] in {("sent", None), ("delivered", None)}
        place = f"/api/v1/messaging/messages/{message['id']}"
        assert client.get(f"{place}/progress").json()["status"] == "partly_failed"
        words = [line["words"] for line in client.get(f"{place}/timeline").json()["decisions"]]
        assert [line for line in words if line.startswith("The template does not fit the data") and "total" in line]
    assert [mail.text().strip() for mail in mail_settings.mails] == ["It is there."]
    # What the data makes of a button has to fit on it.
    button = {"id": "open", "label": "Open {{ order.name }}"}
    body |= {"key": "acme.button", "variants": {}}
    body["texts"] = {"en": {"subject": "Order", "text": "It is there.", "actions": [button]}}
    assert client.post("/api/v1/messaging/templates", json=body).status_code == 201
    sent |= {"template": "acme.button", "data": {"order": {"name": "x" * 90}}, "channels": ["messaging.in_app"]}
    (delivery,) = client.post("/api/v1/messaging/messages", json=sent).json()["deliveries"]
    assert (delivery["status"], delivery["reason"]) == ("failed_render", "failed_render")
    assert delivery["error"] == (
        "The template cannot be rendered: actions.0.label of the message is not right: String should have at most 80 "
        "characters. Mend it in the template, or in the data that it is made of."
    )


def test_without_a_mail_server_the_delivery_says_so(send: Send, ended: Ended) -> None:
    (delivery,) = ended(send())
    assert (delivery["status"], delivery["reason"]) == ("failed", "no_config")
    assert "Nothing is configured" in delivery["error"]


def test_mail_settings_do_not_lead_into_private_networks(
    client: ApiClient, mailbox: Mailbox, send: Send, platform: PlatformUnderTest
) -> None:
    client.put("/api/v1/settings/messaging", json={"smtp_host": "127.0.0.1", "smtp_port": 25, "smtp_tls": "none"})
    send()
    platform.settle()
    (route,) = client.get("/api/v1/messaging/routing/messaging.email").json()
    assert (route["config"], route["health"]["reason"]) == ("settings", "resting")
    assert "private address" in route["health"]["last_error"]
    assert mailbox.mails == []


def test_a_repeated_request_sends_one_message(client: ApiClient, mail_settings: Mailbox, ended: Ended) -> None:
    assert client.user is not None
    body = {
        "template": "messaging.welcome",
        "to": [str(client.user.id)],
        "data": {"product": "x"},
        "channels": ["messaging.email"],
    }
    answers = [
        client.post("/api/v1/messaging/messages", json=body, headers={"Idempotency-Key": "once"}) for _ in range(3)
    ]
    assert len({answer.json()["id"] for answer in answers}) == 1
    ended(answers[0].json())
    assert len(mail_settings.mails) == 1


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"template": "custom.unknown"}, "template"),
        ({"to": ["00000000-0000-0000-0000-000000000007"]}, "to.0"),
        ({"to": []}, "to"),
        ({"data": {}}, "data.product"),
        ({"data": {"product": 7}}, "data.product"),
        ({"data": {"product": "x", "extra": 1}}, "data.extra"),
        ({"channels": ["messaging.pigeon"]}, "channels.0"),
        ({"category": "no.such", "channels": ["x"], "data": {}, "to": []}, "category channels.0 data.product to"),
    ],
)
def test_a_message_that_is_not_right_is_refused_whole(client: ApiClient, change: dict[str, Any], fields: str) -> None:
    assert client.user is not None
    body = {"template": "messaging.welcome", "to": [str(client.user.id)], "data": {"product": "x"}}
    answer = client.post("/api/v1/messaging/messages", json={**body, **change})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == fields.split()
    assert client.get("/api/v1/messaging/messages").json()["items"] == []


def test_people_of_other_tenants_cannot_be_written_to(client: ApiClient, as_user: AsUser, other_tenant: Any) -> None:
    stranger = as_user((), tenant=other_tenant)
    assert stranger.user is not None
    body = {"template": "messaging.welcome", "to": [str(stranger.user.id)], "data": {"product": "x"}}
    assert client.post("/api/v1/messaging/messages", json=body).status_code == 422


def test_a_plugin_that_is_switched_off_is_gone(client: ApiClient, send: Send) -> None:
    off = client.put("/api/v1/plugins/messaging", json={"enabled": False})
    assert off.status_code == 200, off.text
    answer = client.get("/api/v1/messaging/messages")
    assert answer.status_code == 404
    assert answer.json()["plugin"] == "messaging"
    assert client.put("/api/v1/plugins/messaging", json={"enabled": True}).json()["on"] is True
    assert client.get("/api/v1/messaging/messages").status_code == 200


def test_secrets_are_kept_and_never_told(client: ApiClient, platform: Any) -> None:
    client.put("/api/v1/settings/messaging", json={"smtp_host": "mail.example", "smtp_password": "hunter22"})
    shown = client.get("/api/v1/settings/messaging")
    assert shown.json()["values"]["smtp_password"] == "********"
    assert "hunter22" not in shown.text
    kept = {"smtp_host": "mail.example", "smtp_password": "********", "sender": "a@b.example"}
    assert client.put("/api/v1/settings/messaging", json=kept).status_code == 200
    redirected = client.put("/api/v1/settings/messaging", json={**kept, "smtp_host": "evil.example"})
    assert [error["field"] for error in redirected.json()["errors"]] == ["smtp_password"]
    bad = client.put("/api/v1/settings/messaging", json={"smtp_port": 0})
    assert [error["field"] for error in bad.json()["errors"]] == ["smtp_port"]
