"""What the tests of approvals share."""

import pytest

from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest


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
