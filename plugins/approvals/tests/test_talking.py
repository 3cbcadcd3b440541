"""How people talk about requests: urges, copies, comments with mentions and files, and what was read."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from riveredge_approvals import plugin
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk import unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, Publish, decide, ended, submit, todo, user_of

pytestmark = pytest.mark.database

INBOX = {REQUEST_USE, "messaging.inbox.use"}


def notes_of(who: ApiClient) -> list[str]:
    """The subjects of somebody's inbox, the oldest first."""
    items = who.get("/api/v1/messaging/inbox", params={"limit": 100}).json()["items"]
    return [item["subject"] for item in reversed(items)]


def test_people_urge_copy_comment_and_read(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl
) -> None:
    li, wang, zhao, sun = (as_user(INBOX, locale="en") for _ in range(4))
    process = published(approver("mgr", user=user_of(wang), allow=["comment"]), title="Laptop")
    request = submit(li, process)
    at = f"{API}/instances/{request['id']}"
    todo(wang)
    # Urged once in an hour, by the submitter alone.
    urged = li.post(f"{at}/urge", json={"text": "It is urgent"})
    assert (urged.status_code, urged.json()["people"]) == (200, 1)
    again = li.post(f"{at}/urge", json={})
    assert (again.status_code, int(again.headers["retry-after"]) > 3500) == (429, True)
    assert wang.post(f"{at}/urge", json={}).status_code == 403
    assert zhao.post(f"{at}/urge", json={}).status_code == 404
    engine.advance(hours=1, minutes=1)
    assert li.post(f"{at}/urge", json={}).status_code == 200
    engine.platform.settle()
    assert notes_of(wang) == ["Please decide: Laptop", "Reminder 1: Laptop", "Reminder 1: Laptop"]
    # Copies let people see it, and say who has read them.
    assert wang.post(f"{at}/cc", json={"users": [str(user_of(zhao))]}).status_code == 409
    nobody = li.post(f"{at}/cc", json={"users": [str(user_of(zhao)), "00000000-0000-0000-0000-000000000007"]})
    assert [each["field"] for each in nobody.json()["errors"]] == ["users.1"]
    assert zhao.get(at).status_code == 404
    copied = [li.post(f"{at}/cc", json={"users": [str(user_of(zhao))]}).json()["new"] for _ in range(2)]
    assert copied == [1, 0]
    assert zhao.get(at).status_code == 200
    assert zhao.post(f"{at}/read", json={}).status_code == 204
    (copy,) = li.get(f"{at}/cc").json()["items"]
    assert (copy["user_id"], copy["sent_by"]) == (str(user_of(zhao)), str(user_of(li)))
    assert copy["read_at"] is not None
    # Comments: whoever is mentioned is told, and sees it; files are those that the author may read.
    made = li.post(f"{at}/comments", json={"text": "Please look", "mentions": [str(user_of(sun)), str(user_of(wang))]})
    assert made.status_code == 201, made.text
    assert sun.get(at).status_code == 200
    stranger = as_user(INBOX)
    assert wang.post(f"{at}/comments", json={"text": "x", "mentions": [str(user_of(stranger))]}).status_code == 409
    assert stranger.get(f"{at}/comments").status_code == 404
    note = client.post("/api/v1/example/notes", json={"title": "Plan", "text": "abc", "tags": []}).json()
    assert li.post(f"{at}/comments", json={"text": "x", "attachments": [note["id"]]}).status_code == 422
    filed = client.post(f"{at}/comments", json={"text": "See", "attachments": [note["id"]]}).json()
    assert filed["attachments"] == [{"id": note["id"], "name": "Plan.txt", "media_type": "text/plain", "size": 3}]
    said, version = f"{at}/comments/{made.json()['id']}", {"If-Match": '"1"'}
    assert sun.delete(said, headers=version).status_code == 403
    assert li.delete(said, headers=version).status_code == 204
    assert [each["text"] for each in sun.get(f"{at}/comments").json()["items"]] == ["See"]
    engine.platform.settle()
    assert "For your information: Laptop" in notes_of(zhao)
    assert [each for each in notes_of(sun) if "mentioned" in each or " on Laptop" in each]
    assert "For your information: Laptop" not in notes_of(sun)
    # The history tells of it and is still whole.
    assert li.get(f"{at}/history/verification").json()["intact"] is True
    assert decide(wang, todo(wang)).status_code == 200
    ended(li, request, "approved")
    assert li.post(f"{at}/urge", json={}).status_code == 409


def test_what_is_held_of_people_is_shown_and_erased(
    client: ApiClient, as_user: AsUser, published: Publish, platform: PlatformUnderTest, tenant: TestTenant
) -> None:
    li, wang = as_user(INBOX), as_user(INBOX)
    request = submit(li, published(approver("mgr", user=user_of(wang))), form={"note": "mine"})
    at = f"{API}/instances/{request['id']}"
    assert decide(wang, todo(wang), comment="Fine").status_code == 200
    ended(li, request, "approved")
    assert li.post(f"{at}/comments", json={"text": "Thanks", "mentions": [str(user_of(wang))]}).status_code == 201
    platform.settle()
    held: dict[str, Any] = ask(platform, tenant, lambda: plugin.export_personal_data(user_of(li)))
    assert held["requests"][0]["form"] == {"note": "mine"}
    assert [each["text"] for each in held["comments"]] == ["Thanks"]
    assert ask(platform, tenant, lambda: plugin.export_personal_data(user_of(client))) is None
    held = ask(platform, tenant, lambda: plugin.export_personal_data(user_of(wang)))
    assert held["decisions"][0]["comment"] == "Fine"
    for who in (li, wang):
        assert ask(platform, tenant, lambda: plugin.erase_personal_data(user_of(who))) > 0  # noqa: B023
    left = client.get(f"{at}/comments").json()["items"]
    assert [(each["author_id"], each["mentions"]) for each in left] == [(None, [])]
    kept = client.get(at).json()
    assert kept["title"] == kept["number"]
    assert client.get(f"{at}/history/verification").json()["intact"] is True


def ask(platform: PlatformUnderTest, tenant: TestTenant, question: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """What the plugin answers in the tenant, in a unit of work."""

    async def asked() -> Any:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                return await question()

    return platform.run(asked())
