"""What the tests of approvals share."""

from functools import partial

import pytest

from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest

from .requests import Publish, publish


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

    return partial(publish, client)
