"""An organisation sets messaging up and uses it, over REST alone, against real mail servers."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from riveredge_sdk.testing.platform import ApiClient, EngineControl
from riveredge_sdk.testing.plugin import AsUser

API = "/api/v1/messaging"
EMAIL, IN_APP = "messaging.email", "messaging.in_app"
Made = dict[str, Any]


def user_id(client: ApiClient) -> str:
    assert client.user is not None
    return str(client.user.id)


def email(client: ApiClient) -> str:
    assert client.user is not None
    return client.user.email


def post(client: ApiClient, place: str, body: Made, status: int = 201) -> Made:
    answer = client.post(place, json=body)
    assert answer.status_code == status, answer.text
    made: Made = answer.json()
    return made


def give(client: ApiClient, person: ApiClient, role: str) -> None:
    """The person holds one more role."""
    members = client.get("/api/v1/members", params={"limit": 100}).json()["items"]
    member = next(each for each in members if each["user_id"] == user_id(person))
    changed = client.patch(
        f"/api/v1/members/{member['id']}",
        json={"roles": [*member["roles"], role]},
        headers={"If-Match": f'"{member["version"]}"'},
    )
    assert changed.status_code == 200, changed.text


def set_up(client: ApiClient, people: list[ApiClient]) -> None:
    """A role, a category, and a template that was written, looked at, rehearsed and published."""
    permissions = ["messaging.inbox.use"]
    post(client, "/api/v1/roles", {"key": "acme.field", "title": "Field staff", "permissions": permissions})
    for person in people:
        give(client, person, "acme.field")
    post(client, f"{API}/categories", {"key": "acme.news", "title": "News", "channels": [EMAIL, IN_APP]})
    variables = {"type": "object", "properties": {"site": {"type": "string"}}, "required": ["site"]}
    texts = {"subject": "News of {{ site }}", "text": "Hello {{ reader.name }}, there is news of {{ site }}."}
    body = {
        "key": "acme.site_news",
        "title": "News of a site",
        "category": "acme.news",
        "texts": {"en": texts},
        "variables": variables,
        "sample": {"site": "Rotterdam"},
        "publish": False,
    }
    template = post(client, f"{API}/templates", body)
    shown: Any = post(client, f"{API}/templates/preview", {"key": "acme.site_news", "number": 1}, 200)
    assert {each["subject"] for each in shown} == {"News of Rotterdam"}, shown
    published = client.post(
        f"{API}/templates/{template['id']}/publish", json={}, headers={"If-Match": f'"{template["version"]}"'}
    )
    assert published.status_code == 200, published.text


def to_the_role(client: ApiClient, site: str) -> Made:
    return post(
        client,
        f"{API}/messages",
        {"template": "acme.site_news", "roles": ["acme.field"], "data": {"site": site}, "idempotency_key": site},
        202,
    )


def states(client: ApiClient, message: Made, channel: str) -> dict[str, tuple[str, str | None]]:
    found = client.get(f"{API}/messages/{message['id']}").json()["deliveries"]
    return {each["recipient_id"]: (each["status"], each["reason"]) for each in found if each["channel"] == channel}


def told(client: ApiClient, message: Made, person: ApiClient) -> str:
    """What the timeline says about the message's mail to the person."""
    params = {"person": user_id(person)}
    lines = client.get(f"{API}/messages/{message['id']}/timeline", params=params).json()["decisions"]
    return "\n".join(line["words"] for line in lines if line["channel"] in {None, EMAIL})


@pytest.mark.database
def test_a_message_to_a_role_reaches_whom_it_should_when_it_should(
    client: ApiClient, anonymous: ApiClient, as_user: AsUser, servers: Any, engine: EngineControl
) -> None:
    ada, bob, eve = (as_user(()) for _ in range(3))
    everybody = [user_id(each) for each in (ada, bob, eve)]
    first, second = servers.start(), servers.start()
    a = servers.configure(first, "A", priority=1)
    servers.configure(second, "B", priority=2)
    test = client.post(f"{API}/configs/{a['id']}/test")
    assert test.status_code == 202, test.text
    servers.settle()
    assert [mail.recipients for mail in first.mails] == [(email(client),)]
    set_up(client, [ada, bob, eve])

    # The first news reach all three; one of them has enough of it, by the button of the mail program.
    earlier = to_the_role(client, "Basel")
    servers.settle()
    assert states(client, earlier, EMAIL) == dict.fromkeys(everybody, ("sent", None))
    (mail,) = [mail for mail in first.mails if mail.recipients == (email(eve),)]
    place = urlsplit(mail.message["List-Unsubscribe"].strip("<>")).path
    assert anonymous.get(place).status_code == 200
    assert eve.get(f"{API}/preferences").json()["channels"] == {}
    clicked = anonymous.request("POST", place, content=b"List-Unsubscribe=One-Click")
    assert clicked.status_code == 200, clicked.text
    # Another one is asleep, and the first server breaks down.
    now = engine.now()
    window = {"from": f"{now - timedelta(hours=1):%H:%M}", "until": f"{now + timedelta(hours=2):%H:%M}"}
    kept = bob.put(f"{API}/preferences/quiet-hours", json={"windows": [window], "zone": "UTC"})
    assert kept.status_code == 200, kept.text
    servers.stop(first)

    message = to_the_role(client, "Rotterdam")
    assert message["progress"]["recipients"] == 3
    engine.advance(seconds=45)
    servers.settle()
    # The inbox disturbs nobody and needs no server.
    assert states(client, message, IN_APP) == dict.fromkeys(everybody, ("delivered", None))
    assert states(client, message, EMAIL) == {
        user_id(ada): ("sent", None),
        user_id(bob): ("deferred", "quiet"),
        user_id(eve): ("skipped", "refused_both"),
    }
    assert [(mail.recipients, mail.message["Subject"]) for mail in second.mails] == [
        ((email(ada),), "News of Rotterdam")
    ]
    assert client.get(f"{API}/messages/{message['id']}/progress").json()["status"] == "sending"

    words = told(client, message, ada)
    assert "The message was accepted." in words
    assert "No quiet hours hold it. No rule stood in the way" in words
    assert "another provider follows." in words
    assert words.count("A could not take it") == 2
    words = told(client, message, bob)
    assert "Quiet hours until" in words
    assert "could not take it" not in words
    assert "The person does not want News on this channel." in told(client, message, eve)
    (why,) = client.get(f"{API}/messages/why", params={"person": user_id(eve), "channel": EMAIL, "limit": 1}).json()[
        "items"
    ]
    assert (why["template"], why["words"]) == ("acme.site_news", "The person does not want News on this channel.")

    # The night is over; the server is still down; the request comes once more.
    engine.advance(hours=2, minutes=10)
    servers.settle()
    assert to_the_role(client, "Rotterdam")["id"] == message["id"]
    servers.settle()
    assert states(client, message, EMAIL)[user_id(bob)] == ("sent", None)
    assert "It has waited for the rule quiet_hours, and all rules were asked again." in told(client, message, bob)
    assert sorted(mail.recipients for mail in second.mails) == sorted([(email(ada),), (email(bob),)])
    assert len(first.mails) == 4
    assert client.get(f"{API}/messages/{message['id']}/progress").json()["status"] == "delivered"
    assert servers.health(a)["last_error"] is not None
    # Operators see how the providers do, and of no organisation.
    metrics = client.get("/metrics").text
    for state in ("accepted", "temporary"):
        assert f'riveredge_messaging_attempts_total{{provider="messaging.smtp",state="{state}"}}' in metrics
    assert 'riveredge_messaging_handing_over_seconds_count{provider="messaging.smtp"}' in metrics
