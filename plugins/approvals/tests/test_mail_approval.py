"""Decisions from mails: the page behind the link, and what it takes to decide by it."""

import re
from email import message_from_bytes
from email.policy import default
from urllib.parse import urlsplit

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, Publish, decide, ended, submit, todo, user_of

pytestmark = pytest.mark.database

LINK = re.compile(r"https?://\S+/api/v1/approvals/decide/[A-Za-z0-9_-]+")


def link_to(mailbox: Mailbox, who: ApiClient) -> str | None:
    """The path of the link in the last mail to somebody."""
    assert who.user is not None
    found = None
    for mail in mailbox.mails:
        read = message_from_bytes(mail.content, policy=default)
        text = read.get_body(("plain",))
        if text is not None and who.user.email in str(read["to"]):
            link = LINK.search(text.get_content())
            found = urlsplit(link[0]).path if link is not None else None
    return found


def test_people_decide_from_a_mail(
    as_user: AsUser,
    anonymous: ApiClient,
    published: Publish,
    mail_settings: Mailbox,
    engine: EngineControl,
) -> None:
    li, wang, zhao = as_user({REQUEST_USE}), as_user({REQUEST_USE}, locale="zh-CN"), as_user({REQUEST_USE}, locale="en")
    process = published(
        approver("mgr", user=user_of(wang), comment="on_reject", label="<Manager>"),
        approver("boss", users=[user_of(zhao), user_of(wang)]),
        title="<script>alert(1)</script>",
        summary=["note"],
    )
    request = submit(li, process, form={"note": "<b>bold</b>"})
    engine.platform.settle()
    path = link_to(mail_settings, wang)
    assert path is not None
    page = anonymous.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<html lang="zh-CN">' in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "&lt;b&gt;bold&lt;/b&gt;" in page.text
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    # Programs that follow links decide nothing; forged links, odd forms and missing reasons do not, either.
    assert anonymous.head(path).status_code == 405
    assert anonymous.get(path).status_code == 200
    for wrong in (path[:-3] + "AAA", path[:-1], f"{path}A", path.replace(path[-40:], "A" * 40)):
        assert anonymous.get(wrong).status_code == 404
        assert anonymous.post(wrong, data={"decision": "approve"}).status_code == 404
    assert anonymous.post(path, json={"decision": "approve"}).status_code == 415
    assert anonymous.post(path, data={"decision": "delete"}).status_code == 422
    refused = anonymous.post(path, data={"decision": "reject", "comment": " "})
    assert (refused.status_code, "请填写意见" in refused.text) == (422, True)
    assert todo(wang)["state"] == "pending"
    taken = anonymous.post(path, data={"decision": "approve", "comment": "好\r\n的"})
    assert (taken.status_code, "已同意" in taken.text) == (200, True)
    # Once; and the next task has a link of its own.
    assert anonymous.post(path, data={"decision": "reject", "comment": "no"}).status_code == 409
    assert "已同意" in anonymous.get(path).text
    engine.platform.settle()
    second = link_to(mail_settings, zhao)
    assert second is not None
    assert second != path
    assert "Your decision" in anonymous.get(second).text
    history = li.get(f"{API}/instances/{request['id']}/history", params={"limit": 200}).json()["items"]
    decided = next(each for each in history if each["kind"] == "task.decided")
    assert (decided["data"]["via"], decided["data"]["comment"]) == ("mail", "好\n的")
    assert decided["actor_id"] == str(user_of(wang))
    # Somebody else was faster: the link is void.
    assert decide(wang, todo(wang)).status_code == 200
    ended(li, request, "approved")
    assert "closed" in anonymous.get(second).text
    assert anonymous.post(second, data={"decision": "approve"}).status_code == 409


def test_links_end_and_processes_may_want_more(  # noqa: PLR0917
    client: ApiClient,
    as_user: AsUser,
    anonymous: ApiClient,
    published: Publish,
    mail_settings: Mailbox,
    engine: EngineControl,
) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}, locale="en") for _ in range(3))
    for mode, node in (
        ("confirm", approver("mgr", user=user_of(zhao), signature="electronic")),
        ("login", approver("mgr", user=user_of(zhao))),
        ("off", approver("mgr", user=user_of(zhao))),
    ):
        submit(li, published(node, mail_approval=mode))
        engine.platform.settle()
        assert link_to(mail_settings, zhao) is None, mode
    assert len(mail_settings.mails) == 3
    assert client.put("/api/v1/settings/approvals", json={"mail_link_hours": 2}).status_code == 200
    process = published(approver("mgr", user=user_of(wang), allow=["transfer"]))
    second = submit(li, process)
    engine.platform.settle()
    path = link_to(mail_settings, wang)
    assert path is not None
    # Mails of two requests come in any order, so the other one is submitted once this link is known.
    first = submit(li, process)
    engine.platform.settle()
    # Who hands a task on gives her link up.
    task = next(each for each in wang.get(f"{API}/tasks").json()["items"] if each["instance_id"] == second["id"])
    handed = wang.post(f"{API}/tasks/{task['id']}/transfer", json={"to": str(user_of(zhao))})
    assert handed.status_code == 200, handed.text
    assert anonymous.post(path, data={"decision": "approve"}).status_code in {404, 409}
    assert li.post(f"{API}/instances/{first['id']}/withdraw", json={}).status_code == 200
    engine.platform.settle()
    mine = link_to(mail_settings, zhao)
    assert mine is not None
    engine.advance(hours=2, minutes=1)
    assert anonymous.get(mine).status_code == 404
    assert anonymous.post(mine, data={"decision": "approve"}).status_code == 404
    assert todo(zhao)["state"] == "pending"
