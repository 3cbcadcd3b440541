"""What the tests of approvals share."""

from typing import Any
from uuid import uuid4

import pytest

from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest

from .drawings import flow
from .requests import API, FORM, Publish


@pytest.fixture
def mail_settings(
    platform: PlatformUnderTest, client: ApiClient, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Mailbox:
    """The tenant's own mail server: the test's mailbox."""
    monkeypatch.setenv("RIVEREDGE_MESSAGING__ALLOW_PRIVATE_SMTP", "true")
    values = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_tls": "none",
        "sender": "no-reply@acme.example",
    }
    saved = client.put("/api/v1/settings/messaging", json=values)
    assert saved.status_code == 200, saved.text
    return mailbox


@pytest.fixture
def published(client: ApiClient) -> Publish:
    """`published(*steps, title="…")`: a process of these steps that can be started; its key. Settings by name."""

    def publish(*steps: Any, **settings: Any) -> str:
        key = f"p{uuid4().hex[:10]}"
        made = client.post(f"{API}/processes", json={"key": key, "title": key})
        assert made.status_code == 201, made.text
        url = f"{API}/processes/{made.json()['id']}"
        draft = {"revision": 1, "diagram": flow(*steps, settings=settings), "form_schema": FORM}
        kept = client.put(f"{url}/draft", json=draft)
        assert kept.status_code == 200, kept.text
        done = client.post(f"{url}/publish", json={"revision": kept.json()["revision"]})
        assert done.status_code == 201, done.text
        return key

    return publish
