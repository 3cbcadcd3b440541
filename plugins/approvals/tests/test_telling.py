"""The messages of approvals, through the real messaging plugin to a real mail server and the inbox."""

from email import message_from_bytes
from email.policy import default
from typing import Any
from uuid import UUID

import pytest

from riveredge_approvals.effects.telling import tell
from riveredge_approvals.effects.templates import TEMPLATES
from riveredge_approvals.ir.document import CompiledFlow, EndNode, Exit, Limits, Settings, StartNode
from riveredge_approvals.models import Instance
from riveredge_sdk import unit_of_work, uuid7
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database
ALL = tuple(template.id.removeprefix("approvals.") for template in TEMPLATES)


def flow(**settings: Any) -> CompiledFlow:
    return CompiledFlow(
        process="purchase",
        version=1,
        checksum="x",
        entry="start",
        settings=Settings(**settings),
        nodes={"start": StartNode(next={"passed": Exit(edge="e1", to="end")}), "end": EndNode()},
        limits=Limits(nodes=2, max_parallel=1, longest_path=2),
    )


def test_every_message_reaches_people_in_their_language(
    platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient, as_user: AsUser, mail_settings: Mailbox
) -> None:
    ada, li = as_user({"messaging.inbox.use"}, locale="en"), as_user({"messaging.inbox.use"}, locale="zh-CN")
    assert ada.user is not None
    assert li.user is not None
    people = [ada.user.id, li.user.id, UUID(int=7)]
    instance = Instance(
        id=uuid7(),
        process_id=uuid7(),
        version_id=uuid7(),
        number="AP-1",
        title="Laptop <b>& more</b>",
        summary=[{"field": "amount", "title": "Amount", "value": "12.50"}],
        form={},
        submitter_id=ada.user.id,
    )
    data = {
        "due_at": "2026-12-01T09:00:00+00:00",
        "decide_url": "https://example.com/decide",
        "count": 2,
        "by": "Han Meimei",
        "text": "Why <so> many?",
        "comment": "Fine.",
        "outcome": "approved",
    }

    async def tell_all(compiled: CompiledFlow, key: str) -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                for template in TEMPLATES:
                    kind: Any = template.id.removeprefix("approvals.")
                    given = {name: value for name, value in data.items() if name in template.variables["properties"]}
                    await tell(kind, instance, compiled, people, key=key, node="start", data=given)

    platform.run(tell_all(flow(), "1"))
    # The same key is the same message; a process may name another template, one that is not there, or none.
    platform.run(tell_all(flow(), "1"))
    platform.run(tell_all(flow(notify=dict.fromkeys(ALL) | {"cc": "acme.gone"}), "2"))
    platform.settle()
    mails = [message_from_bytes(mail.content, policy=default) for mail in mail_settings.mails]
    assert len(mails) == 2 * len(TEMPLATES)
    for mail in mails:
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        assert "Laptop <b>& more</b>" in text.get_content()
        assert "Laptop &lt;b&gt;&amp; more&lt;/b&gt;" in html.get_content()
        assert f"/approvals/instances/{instance.id}" in html.get_content()
    subjects = {str(mail["subject"]) for mail in mails}
    assert {
        "Please decide: Laptop <b>& more</b>",
        "待审批：Laptop <b>& more</b>",
        "approved: Laptop <b>& more</b>",
    } <= subjects
    asked = next(mail for mail in mails if str(mail["subject"]).startswith("待审批"))
    html = asked.get_body(("html",))
    assert html is not None
    assert "在邮件中审批" in html.get_content()
    inbox = li.get("/api/v1/messaging/inbox", params={"limit": 50}).json()["items"]
    assert len(inbox) == len(TEMPLATES)
    assert {each["actions"][0]["link"] for each in inbox} == {f"/approvals/instances/{instance.id}"}


def test_health_names_what_is_there(anonymous: ApiClient) -> None:
    found = {line["id"]: line for line in anonymous.get("/health/plugins").json()["plugins"]}
    (check,) = [each for each in found["approvals"]["checks"] if each["id"] == "approvals.surroundings"]
    assert check["values"] == {"calendars": True}
    assert "messaging" not in check.get("detail", "")
