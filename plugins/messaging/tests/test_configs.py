"""Configurations of providers: secrets are never told, other organisations see nothing, private networks are closed."""

from collections.abc import Callable
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

CONFIGS = "/api/v1/messaging/configs"
Send = Callable[..., dict[str, Any]]
Ended = Callable[[dict[str, Any]], list[dict[str, Any]]]
SMTP = {
    "host": "mail.acme.example",
    "sender": "Acme <no-reply@acme.example>",
    "username": "acme",
    "password": "hunter22",
}


@pytest.mark.database
def test_a_configuration_is_kept_without_telling_its_secrets(
    client: ApiClient, as_user: AsUser, platform: PlatformUnderTest, other_tenant: TestTenant
) -> None:
    forms = {form["id"]: form for form in client.get("/api/v1/messaging/providers").json()}
    form = forms["messaging.smtp"]
    assert {"password", "inbound_secret"} == set(form["secrets"])
    assert form["settings_schema"]["properties"]["host"]["title"] == "Mail server"
    body = {"title": "Ours", "provider": "messaging.smtp", "settings": SMTP, "priority": 5}
    made = client.post(CONFIGS, json=body)
    assert made.status_code == 201, made.text
    place = f"{CONFIGS}/{made.json()['id']}"
    texts = [made.text, client.get(place).text, client.get(CONFIGS).text]
    assert made.json()["secrets_set"] == ["password"]
    # Changed without the secret: it stays. Led elsewhere: it has to be given anew.
    changed = client.patch(place, json={"settings": {"connections": 3}}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["secrets_set"]) == (200, ["password"]), changed.text
    assert changed.json()["settings"]["connections"] == 3
    version = {"If-Match": f'"{changed.json()["version"]}"'}
    led = client.patch(place, json={"settings": {"host": "evil.example"}}, headers=version)
    assert [error["field"] for error in led.json()["errors"]] == ["settings.password"]
    assert client.patch(place, json={"title": "x"}, headers={"If-Match": '"1"'}).status_code == 412
    given = {"host": "other.acme.example", "password": "another3"}
    led = client.patch(place, json={"settings": given}, headers=version)
    assert led.status_code == 200, led.text
    taken = client.patch(
        place, json={"settings": {"password": None}}, headers={"If-Match": f'"{led.json()["version"]}"'}
    )
    assert taken.json()["secrets_set"] == []
    texts += [changed.text, led.text, client.get("/api/v1/audit/entries").text]
    assert not any("hunter22" in text or "another3" in text for text in texts)
    # Another organisation.
    stranger = as_user(platform.permissions, tenant=other_tenant)
    assert stranger.get(CONFIGS).json()["items"] == []
    now = {"If-Match": f'"{taken.json()["version"]}"'}
    for method, path, sent in (
        ("GET", place, None),
        ("PATCH", place, {"title": "Mine"}),
        ("DELETE", place, None),
        ("POST", f"{place}/test", None),
        ("POST", f"{place}/drill", {"minutes": 5}),
        ("POST", f"{place}/resume", None),
    ):
        assert stranger.request(method, path, json=sent, headers=now).status_code == 404, path
    assert stranger.post(f"/api/v1/messaging/callbacks/{other_tenant.id}/{made.json()['id']}").status_code == 404
    assert client.delete(place, headers=now).status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"provider": "messaging.pigeon"}, "provider"),
        ({"settings": {"host": "mail.acme.example"}}, "settings.sender"),
        ({"settings": {**SMTP, "colour": "red"}}, "settings.colour"),
        ({"settings": {**SMTP, "sender": "a@b.example\r\nBcc: c@d.example"}}, "settings.sender"),
        ({"settings": {**SMTP, "port": 0}}, "settings.port"),
        ({"priority": -1}, "priority"),
    ],
)
def test_a_configuration_that_is_not_right_is_refused(client: ApiClient, body: dict[str, Any], field: str) -> None:
    answer = client.post(CONFIGS, json={"title": "A", "provider": "messaging.smtp", "settings": SMTP, **body})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    # The words of the field, without those of the library.
    assert not error["message"].startswith("Value error")


def test_no_configuration_leads_into_the_operators_network(
    client: ApiClient, platform: PlatformUnderTest, send: Send, ended: Ended
) -> None:
    """Through a test, which tells its outcome at once."""

    def tried(host: str, port: int) -> tuple[str, str, str]:
        settings = {**SMTP, "host": host, "port": port}
        body = {"title": f"{host} {port}", "provider": "messaging.smtp", "settings": settings}
        config = client.post(CONFIGS, json=body).json()
        test = client.post(f"{CONFIGS}/{config['id']}/test").json()
        platform.settle()
        delivery = client.get(f"/api/v1/messaging/deliveries/{test['delivery_id']}").json()
        health = client.get(f"{CONFIGS}/{config['id']}").json()["health"]
        return delivery["status"], delivery["error"].replace(host, "…"), health["reason"]

    for host in ("127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"):
        status, error, reason = tried(host, 25)
        assert (status, reason) == ("failed", "fault")
        assert "private address" in error
    assert "no mail port" in tried("8.8.8.8", 6379)[1]
    # A name of the operator's network is not told from one that is not there.
    assert tried("localhost", 587) == tried("unknown.invalid", 587)


@pytest.mark.database
def test_a_configuration_that_is_not_right_is_taken_out_and_its_keeper_told(  # noqa: PLR0917
    client: ApiClient, as_user: AsUser, platform: PlatformUnderTest, servers: Any, send: Send, ended: Ended
) -> None:
    """The first server knows no sign-in. It is passed over until somebody mends it."""
    first, second = servers.start(), servers.start()
    a = servers.configure(first, "A", priority=1, settings={"username": "u", "password": "p"})
    servers.configure(second, "B", priority=2, conditions={"locales": ["en"]})
    (delivery,) = ended(send())
    assert (delivery["status"], delivery["attempts"]) == ("sent", 2)
    assert [attempt["state"] for attempt in servers.sending(delivery)["attempts"]] == ["misconfigured", "accepted"]
    health = servers.health(a)
    assert (health["usable"], health["reason"], health["until"]) == (False, "fault", None)
    platform.settle()
    told = [item["subject"] for item in client.get("/api/v1/messaging/inbox").json()["items"]]
    assert told == ["A was taken out of use"]
    routing = client.get("/api/v1/messaging/routing/messaging.email").json()
    assert [(each["title"], each["health"]["usable"]) for each in routing] == [("A", False), ("B", True)]
    mended = {"settings": {"username": None, "password": None}}
    version = client.get(f"{CONFIGS}/{a['id']}").headers["etag"]
    assert client.patch(f"{CONFIGS}/{a['id']}", json=mended, headers={"If-Match": version}).status_code == 200
    assert ended(send())[0]["status"] == "sent"
    assert (len(first.mails), len(second.mails)) == (1, 1)
    # Conditions: the second is for readers of English only.
    for config in client.get(CONFIGS).json()["items"]:
        if config["title"] == "A":
            off = client.patch(
                f"{CONFIGS}/{config['id']}", json={"active": False}, headers={"If-Match": f'"{config["version"]}"'}
            )
            assert off.json()["health"]["reason"] == "inactive"
    wei = as_user((), locale="zh-CN")
    assert wei.user is not None
    (english,), (chinese,) = ended(send()), ended(send(to=[str(wei.user.id)]))
    assert english["status"] == "sent"
    assert (chinese["status"], chinese["reason"]) == ("failed", "no_config_fits")
    assert (len(first.mails), len(second.mails)) == (1, 2)
