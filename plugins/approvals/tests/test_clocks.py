"""Time that passes over requests: reminders, deadlines with each of their actions, delays; and who is told of it."""

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver, cc, node
from .requests import Publish, decide, ended, submit, todo, user_of

pytestmark = pytest.mark.database

INBOX = {REQUEST_USE, "messaging.inbox.use"}


def notes_of(who: ApiClient) -> list[str]:
    """The subjects of somebody's inbox, the oldest first."""
    items = who.get("/api/v1/messaging/inbox", params={"limit": 100}).json()["items"]
    return [item["subject"] for item in reversed(items)]


def marks(who: ApiClient, request: dict[str, Any]) -> dict[str, str]:
    """How the nodes of a request stand on its picture."""
    picture = who.get(f"/api/v1/approvals/instances/{request['id']}/diagram").json()
    return {each["node"]: each["status"] for each in picture["nodes"]}


def test_people_are_told_reminded_and_relieved(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl, mail_settings: Mailbox
) -> None:
    li, wang, boss, zhao = (as_user(INBOX, locale="en") for _ in range(4))
    line = {"user_id": str(user_of(wang)), "manager_id": str(user_of(boss))}
    assert client.post("/api/v1/directory/reporting-lines", json=line).status_code == 201
    escalated = {"type": "manager", "of": "assignee", "level": 1}
    process = published(
        approver(
            "mgr",
            user=user_of(wang),
            timeout={
                "after": "PT8H",
                "remind": {"every": "PT2H", "max": 2},
                "action": "escalate",
                "to": escalated,
            },
        ),
        cc("copy", user=user_of(zhao)),
        title="A laptop",
    )
    request = submit(li, process, form={"amount": 1})
    task = todo(wang)
    assert task["due_at"] is not None
    engine.platform.settle()
    # Twice and not once more; then whoever is above, and nobody reminds whoever was relieved.
    for _ in range(4):
        engine.advance(hours=1, minutes=55)
    assert notes_of(wang) == ["Please decide: A laptop", "Reminder 1: A laptop", "Reminder 2: A laptop"]
    engine.advance(hours=2)
    assert wang.get(f"/api/v1/approvals/tasks/{task['id']}").json()["state"] == "timed_out"
    engine.advance(days=2)
    assert len(notes_of(wang)) == 3
    assert decide(boss, todo(boss), comment="Take it.").status_code == 200
    ended(li, request, "approved")
    engine.platform.settle()
    assert notes_of(boss) == ["Please decide: A laptop"]
    assert notes_of(zhao) == ["For your information: A laptop"]
    assert notes_of(li) == ["approved: A laptop"]
    assert zhao.get(f"/api/v1/approvals/instances/{request['id']}").status_code == 200
    mails = [message_from_bytes(mail.content, policy=default) for mail in mail_settings.mails]
    texts = [str(body.get_content()) for mail in mails if (body := mail.get_body(("plain",))) is not None]
    assert len(texts) == 6
    assert any("Take it." in text for text in texts)


def test_quiet_hours_hold_reminders_that_are_not_urgent(
    as_user: AsUser, published: Publish, engine: EngineControl, mail_settings: Mailbox
) -> None:
    li, wang = as_user(INBOX, locale="en"), as_user(INBOX, locale="en")
    now = engine.now()
    window = {"from": f"{now - timedelta(hours=1):%H:%M}", "until": f"{now + timedelta(hours=6):%H:%M}"}
    quiet = {"windows": [window], "zone": "UTC"}
    assert wang.put("/api/v1/messaging/preferences/quiet-hours", json=quiet).status_code == 200
    for urgent in (False, True):
        timeout = {"remind": {"every": "PT2H", "max": 1, "urgent": urgent}}
        title = "Fire" if urgent else "Pens"
        submit(li, published(approver("mgr", user=user_of(wang), timeout=timeout), title=title))
        todo(wang)
    engine.platform.settle()
    engine.advance(hours=2, minutes=5)
    engine.platform.settle()

    def mails() -> set[str]:
        return {str(message_from_bytes(mail.content, policy=default)["subject"]) for mail in mail_settings.mails}

    assert mails() == {"Reminder 1: Fire"}
    assert {"Reminder 1: Fire", "Reminder 1: Pens"} <= set(notes_of(wang)), "the inbox disturbs nobody"
    engine.advance(hours=5)
    engine.platform.settle()
    assert "Reminder 1: Pens" in mails()


@pytest.mark.parametrize(
    ("action", "status"),
    [("approve", "approved"), ("reject", "rejected"), ("close", "terminated"), ("none", "running")],
)
def test_a_deadline_acts(as_user: AsUser, published: Publish, engine: EngineControl, action: str, status: str) -> None:
    li, wang = as_user(INBOX, locale="en"), as_user(INBOX, locale="en")
    process = published(approver("mgr", user=user_of(wang), timeout={"after": "PT8H", "action": action}), title="Leave")
    request = submit(li, process)
    task = todo(wang)
    engine.advance(hours=7, minutes=50)
    assert wang.get(f"/api/v1/approvals/tasks/{task['id']}").json()["state"] == "pending"
    engine.advance(minutes=20)
    ended(li, request, status)
    engine.platform.settle()
    told = {"approve": "approved: Leave", "reject": "rejected: Leave", "close": "terminated: Leave"}
    assert notes_of(li) == ([told[action]] if action in told else [])
    assert ("Overdue: Leave" in notes_of(wang)) == (action == "none")
    if action == "none":
        assert marks(li, request)["mgr"] == "overdue"


def test_delays_wait_and_end_with_their_request(as_user: AsUser, published: Publish, engine: EngineControl) -> None:
    li, wang = as_user(INBOX), as_user(INBOX)
    process = published(
        node("pause", "delay", **{"for": "PT30M"}),
        node("until", "delay", until="form.day"),
        approver("mgr", user=user_of(wang)),
    )
    tomorrow = engine.now().date().isoformat()
    past = submit(li, process, form={"day": tomorrow})
    gone, bad = submit(li, process, form={"day": tomorrow}), submit(li, process)
    engine.platform.settle()
    assert li.post(f"/api/v1/approvals/instances/{gone['id']}/withdraw", json={}).status_code == 200
    assert wang.get("/api/v1/approvals/tasks").json()["items"] == []
    assert (marks(li, past)["pause"], marks(li, gone)["pause"], marks(li, past)["mgr"]) == (
        "waiting",
        "cancelled",
        "idle",
    )
    engine.advance(minutes=32)
    (task,) = wang.get("/api/v1/approvals/tasks").json()["items"]
    assert task["instance_id"] == past["id"]
    assert marks(li, bad)["until"] == "incident"
