"""The inbox: whose it is, its states and counters, what browsers are told, and what comes back by itself."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from riveredge_messaging.channels.in_app import deliver_many
from riveredge_messaging.inbox.links import check_link
from riveredge_messaging.inbox.models import InboxItem
from riveredge_sdk import unit_of_work, utcnow
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser, OpenStream

from .conftest import put

Fill = Callable[..., None]

INBOX = "/api/v1/messaging/inbox"
TABS = "/api/v1/messaging/inbox-tabs"
USE = {"messaging.inbox.use"}


def subjects(client: ApiClient, **query: Any) -> list[str]:
    """What a view shows, newest first."""
    answer = client.get(INBOX, params=query)
    assert answer.status_code == 200, answer.text
    return [item["subject"] for item in answer.json()["items"]]


def counters(client: ApiClient) -> tuple[int, int]:
    """Unseen and unread."""
    found = client.get(f"{INBOX}/counters").json()
    return found["unseen"], found["unread"]


def bulk(client: ApiClient, **body: Any) -> dict[str, Any]:
    """Change many."""
    answer = client.post(f"{INBOX}/bulk", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.database
def test_messages_are_seen_read_archived_and_deleted(
    as_user: AsUser, other_tenant: TestTenant, fill: Fill, platform: PlatformUnderTest
) -> None:
    ada, bob, eve = as_user(USE), as_user(USE), as_user(USE, tenant=other_tenant)
    fill(ada, "one", "two", "three")
    fill(bob, "other")
    page = ada.get(INBOX, params={"limit": 2}).json()
    assert [item["subject"] for item in page["items"]] == ["three", "two"]
    assert (page["unseen"], page["unread"]) == (3, 3)
    rest = ada.get(INBOX, params={"limit": 2, "cursor": page["next"]}).json()
    assert [item["subject"] for item in rest["items"]] == ["one"]
    place = f"{INBOX}/{page['items'][0]['id']}"
    for stranger in (bob, eve):
        assert stranger.get(place).status_code == stranger.delete(place).status_code == 404
        for verb in ("seen", "read", "unread", "archive", "unarchive", "unsnooze", "undelete"):
            assert stranger.post(f"{place}/{verb}").status_code == 404
        everything = {"do": "delete", "ids": [page["items"][0]["id"]]}
        assert bulk(stranger, **everything)["changed"] == 0
    assert bulk(ada, do="seen", view="active") == {"changed": 3, "unseen": 0, "unread": 3}
    read = ada.post(f"{place}/read").json()
    assert read["read_at"] is not None
    assert read["version"] == 3
    assert ada.post(f"{place}/read").json()["version"] == 3
    assert counters(ada) == (0, 2)
    assert ada.post(f"{place}/unread").json()["read_at"] is None
    assert ada.post(f"{place}/archive").json()["archived_at"] is not None
    assert (subjects(ada), subjects(ada, view="archived")) == (["two", "one"], ["three"])
    assert counters(ada) == (0, 2)
    ada.post(f"{place}/unarchive")
    assert ada.delete(place).status_code == 204
    assert ada.post(f"{place}/unread").status_code == 404
    assert (subjects(ada, view="all"), subjects(ada, view="deleted")) == (["two", "one"], ["three"])
    assert ada.post(f"{place}/undelete").json()["deleted_at"] is None
    unread = {"conditions": [{"field": "read_at", "op": "is_null", "value": True}]}
    assert bulk(ada, do="archive", view="active", filter=unread)["changed"] == 2
    assert subjects(ada) == ["three"]
    assert bulk(ada, do="delete", view="all") == {"changed": 3, "unseen": 0, "unread": 0}
    assert (subjects(bob), counters(bob)) == (["other"], (1, 1))


@pytest.mark.database
def test_what_was_snoozed_comes_back_as_new(  # noqa: PLR0917
    platform: PlatformUnderTest,
    tenant: TestTenant,
    as_user: AsUser,
    fill: Fill,
    engine: EngineControl,
    stream: OpenStream,
) -> None:
    ada = as_user(USE)
    fill(ada, "late", "soon", "new")
    items = {item["subject"]: f"{INBOX}/{item['id']}" for item in ada.get(INBOX).json()["items"]}
    bulk(ada, do="read", view="active")
    now = engine.now()
    for subject, hours in (("late", 30), ("soon", 2)):
        until = (now + timedelta(hours=hours)).isoformat()
        assert ada.post(f"{items[subject]}/snooze", json={"until": until}).json()["snoozed_until"] is not None
    assert (subjects(ada), subjects(ada, view="snoozed")) == (["new"], ["soon", "late"])
    live = stream(ada)
    live.subscribe("messaging.inbox")
    engine.advance(hours=3)
    told = live.next()
    assert (told["what"], told["data"]["unread"], told["data"]["unseen"]) == ("returned", 1, 1)
    assert items["soon"].endswith(told["data"]["item"])
    assert subjects(ada) == ["soon", "new"]
    assert ada.post(f"{items['late']}/unsnooze").json()["snoozed_until"] is None
    assert subjects(ada) == ["soon", "new", "late"]
    engine.advance(hours=30)
    assert counters(ada) == (1, 1)
    past = ada.post(f"{items['late']}/snooze", json={"until": now.isoformat()})
    assert [error["field"] for error in past.json()["errors"]] == ["until"]
    ada.delete(items["new"])
    age_deleted(platform, tenant, days=28)
    engine.advance(days=1)
    assert subjects(ada, view="deleted") == ["new"]
    engine.advance(days=2)
    assert subjects(ada, view="deleted") == []


def age_deleted(platform: PlatformUnderTest, tenant: TestTenant, days: int) -> None:
    """As if it had been deleted earlier: each night of the platform's would take its time."""

    async def age() -> None:
        earlier = update(InboxItem).where(col(InboxItem.deleted_at).is_not(None))
        with use_context(platform.context(tenant)):
            async with unit_of_work() as session:
                await session.exec(earlier.values(deleted_at=utcnow() - timedelta(days=days)))

    platform.run(age())


@pytest.mark.database
def test_every_tab_of_the_browser_is_told_and_a_gap_is_replayed(
    as_user: AsUser, fill: Fill, stream: OpenStream, engine: EngineControl
) -> None:
    ada, bob = as_user(USE), as_user(USE)
    first, second, other = stream(ada), stream(ada), stream(bob)
    for live in (first, second, other):
        live.subscribe("messaging.inbox")
    fill(ada, "one", "two")
    seen = [first.next(), first.next()]
    assert [second.next(), second.next()] == seen
    assert [(m["what"], m["data"]["unseen"], m["data"]["unread"]) for m in seen] == [("added", 1, 1), ("added", 2, 2)]
    second.close()
    place = f"{INBOX}/{seen[0]['data']['item']}"
    ada.post(f"{place}/read")
    ada.post(f"{place}/read")
    ada.delete(place)
    fill(ada, "three")
    bulk(ada, do="read", view="active")
    engine.advance(seconds=60)
    missed = [first.next() for _ in range(4)]
    assert [(m["what"], m["data"]["unread"]) for m in missed] == [
        ("changed", 1),
        ("removed", 1),
        ("added", 2),
        ("bulk", 0),
    ]
    second.open()
    second.subscribe("messaging.inbox", since=seen[1]["seq"])
    assert [second.next() for _ in range(4)] == missed
    fill(bob, "mine")
    assert other.next()["data"]["unread"] == 1


@pytest.mark.database
def test_the_organisation_divides_inboxes_into_tabs(
    client: ApiClient, as_user: AsUser, other_tenant: TestTenant, fill: Fill
) -> None:
    ada, stranger = as_user(USE), as_user(USE, tenant=other_tenant)
    fill(ada, "leave", category="approvals")
    fill(ada, "bill", category="billing", tags=["urgent", "eu"])
    fill(ada, "news")
    body = {"key": "approvals", "titles": {"en": "Approvals", "zh-CN": "审批"}, "categories": ["approvals"]}
    made = client.post(TABS, json=body).json()
    assert client.post(TABS, json=body).status_code == 409
    assert ada.post(TABS, json={**body, "key": "mine"}).status_code == 403
    refused = client.post(TABS, json={"key": "x", "titles": {"zh-CN": "审批"}})
    assert [error["field"] for error in refused.json()["errors"]] == ["titles"]
    assert client.post(TABS, json={"key": "hot", "titles": {"en": "Hot"}, "tags": ["urgent"]}).status_code == 201
    chinese = ada.get(TABS, headers={"Accept-Language": "zh-CN"}).json()["items"]
    assert [tab["title"] for tab in chinese] == ["审批", "Hot"]
    assert (subjects(ada, tab="approvals"), subjects(ada, tab="hot")) == (["leave"], ["bill"])
    assert stranger.get(INBOX, params={"tab": "hot"}).status_code == 422
    assert ada.get(f"{INBOX}/counters").json()["tabs"] == [
        {"tab": "approvals", "unseen": 1, "unread": 1},
        {"tab": "hot", "unseen": 1, "unread": 1},
    ]
    place = f"{TABS}/{made['id']}"
    assert client.patch(place, json={"categories": ["approvals", "billing"]}).status_code == 428
    changed = client.patch(place, json={"categories": ["approvals", "billing"]}, headers={"If-Match": '"1"'})
    assert changed.json()["version"] == 2
    assert bulk(ada, do="read", view="active", tab="approvals") == {"changed": 2, "unseen": 1, "unread": 1}
    assert client.delete(place, headers={"If-Match": '"2"'}).status_code == 204
    assert ada.get(INBOX).json()["items"][1]["tags"] == ["urgent", "eu"]


@pytest.mark.database
def test_a_button_is_pressed_once(as_user: AsUser, fill: Fill) -> None:
    ada, bob = as_user(USE), as_user(USE)
    buttons = [
        {"id": "approve", "label": "Approve", "style": "primary"},
        {"id": "reject", "label": "Reject", "link": "/approvals/7"},
    ]
    fill(ada, "decide", actions=buttons, link="https://example.com/7")
    (item,) = ada.get(INBOX).json()["items"]
    assert [action["style"] for action in item["actions"]] == ["primary", "secondary"]
    place = f"{INBOX}/{item['id']}/actions"
    assert bob.post(f"{place}/approve", json={}).status_code == 404
    assert ada.post(f"{place}/burn", json={}).status_code == 404
    large = ada.post(f"{place}/approve", json={"result": {"note": "x" * 5000}})
    assert [error["field"] for error in large.json()["errors"]] == ["result"]
    for _ in range(2):
        answered = ada.post(f"{place}/approve", json={"result": {"note": "fine"}}).json()
        assert (answered["answer"]["action"], answered["answer"]["result"]) == ("approve", {"note": "fine"})
        assert answered["version"] == 2
    assert counters(ada) == (0, 0)
    assert ada.post(f"{place}/reject", json={}).status_code == 409


@pytest.mark.database
def test_counters_are_exact_however_many_write_at_once(
    as_user: AsUser, platform: PlatformUnderTest, tenant: TestTenant, stream: OpenStream
) -> None:
    clients = [as_user(USE) for _ in range(3)]
    people = [client.user.id for client in clients if client.user is not None]
    lives = [stream(client) for client in clients]
    for live in lives:
        live.subscribe("messaging.inbox")

    async def one(number: int) -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                entries = await put(people if number % 2 else people[::-1], f"n{number}")
                assert await deliver_many(entries) == 0

    async def together() -> None:
        await asyncio.gather(*(one(number) for number in range(12)))

    platform.run(together())
    for live in lives:
        assert [live.next()["data"]["unread"] for _ in range(12)] == list(range(1, 13))


@pytest.mark.parametrize(
    "body",
    [
        {"do": "read"},
        {"do": "read", "ids": []},
        {"do": "read", "ids": ["00000000-0000-0000-0000-000000000007"], "view": "all"},
        {"do": "read", "ids": ["00000000-0000-0000-0000-000000000007"], "filter": {}},
        {"do": "snooze", "view": "all"},
        {"do": "read", "view": "all", "until": "2030-01-01T00:00:00Z"},
        {"do": "read", "view": "all", "tab": "nowhere"},
        {"do": "read", "view": "all", "filter": {"conditions": [{"field": "recipient_id", "op": "eq", "value": "x"}]}},
        {"do": "burn", "view": "all"},
    ],
)
def test_a_bulk_change_says_exactly_what_it_means(client: ApiClient, body: dict[str, Any]) -> None:
    assert client.post(f"{INBOX}/bulk", json=body).status_code == 422


def test_links_lead_to_the_platform_or_to_https() -> None:
    for good in ("/", "/approvals/7?tab=a#b", "https://example.com", "https://example.com:8443/a?b=c"):
        assert check_link(good) == good
    for bad in (
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "http://example.com",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\x01https://example.com",
        "https:evil.example",
        "https://",
        "https://user:secret@evil.example",
        "https://example.com:99999999",
        "https://example.com/<script>",
        "approvals/7",
        "/" + "a" * 2000,
    ):
        with pytest.raises(ValueError, match="link"):
            check_link(bad)
