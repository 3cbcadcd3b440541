"""What happens to requests, told by an organisation's own rules of messaging."""

import pytest

from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import Publish, decide, submit, todo


@pytest.mark.database
def test_a_request_that_is_rejected_is_told_by_mail(
    platform: PlatformUnderTest, client: ApiClient, as_user: AsUser, published: Publish, mail_settings: Mailbox
) -> None:
    li = as_user(platform.permissions)
    assert client.user is not None
    assert li.user is not None
    template = {
        "key": "custom.rejected",
        "title": "Rejected",
        "texts": {"en": {"subject": "{{ number }} was rejected", "text": "It was rejected."}},
        "variables": {"type": "object", "properties": {"number": {"type": "string"}}},
    }
    kept = client.post("/api/v1/messaging/templates", json=template)
    assert kept.status_code == 201, kept.text
    rule = {
        "title": "Rejected",
        "event": "approvals/instance.closed",
        "condition": {"conditions": [{"field": "event.outcome", "op": "eq", "value": "rejected"}]},
        "recipients": {"to": [str(client.user.id)]},
        "template": "custom.rejected",
        "channels": ["messaging.email"],
        "data": {"number": {"field": "event.number"}},
    }
    made = client.post("/api/v1/messaging/notification-rules", json=rule)
    assert made.status_code == 201, made.text
    process = published(approver("mgr", user=li.user.id))
    numbers: list[str] = []
    for act in ("approve", "reject"):
        numbers.append(submit(client, process)["number"])
        assert decide(li, todo(li), act, comment="No").status_code < 300
        platform.settle()
    found = client.get(f"/api/v1/messaging/notification-rules/{made.json()['id']}/firings").json()["items"]
    assert [each["state"] for each in found] == ["sent"], found
    told = [each for mail in mail_settings.mails if "was rejected" in (each := str(mail.message["subject"]))]
    assert told == [f"{numbers[1]} was rejected"]
