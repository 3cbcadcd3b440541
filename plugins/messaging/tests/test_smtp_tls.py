"""Mail over TLS, to real servers with real certificates: nothing is said to a server that is not the right one."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography import x509

from riveredge_messaging.providers.smtp import SmtpProvider
from riveredge_messaging.providers.smtp_config import InstallationSmtp
from riveredge_sdk.features.messaging import ConfigurationFailure, RenderedMessage, TemporaryFailure
from riveredge_sdk.testing.smtp import MailServer
from riveredge_sdk.testing.tls import Authority

USERS = {"acme": "s3cret"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[MailServer, SmtpProvider]]:
    """A server, and what sends to it."""
    server = MailServer(**options)
    await server.start()
    try:
        async with aclosing(SmtpProvider()) as provider:
            yield server, provider
    finally:
        await server.stop()
        # Its sessions end when they see that nobody is there any more.
        if sessions := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(sessions, timeout=10)


def config(server: MailServer, **values: Any) -> InstallationSmtp:
    given = {"host": "127.0.0.1", "port": server.port, "sender": "no-reply@acme.example"}
    return InstallationSmtp.model_validate({**given, **values})


def mail() -> RenderedMessage:
    """To anybody."""
    return RenderedMessage(
        delivery_id=uuid4(), recipient_id=UUID(int=7), address="ada@example.com", subject="河", text="Hello"
    )


@pytest.mark.parametrize("starttls", [True, False])
async def test_a_mail_goes_over_tls_and_its_password_too(authority: Authority, *, starttls: bool) -> None:
    async with serving(tls=authority.server(), starttls=starttls, users=USERS) as (server, provider):
        trusting = {"tls": "starttls" if starttls else "tls", "ca_certificate": authority.pem, "username": "acme"}
        for _ in range(2):
            await provider.send(config(server, password="s3cret", **trusting), mail())
        assert [(each.encrypted, each.user) for each in server.mails] == [(True, "acme")] * 2
        assert server.connections == 1
        with pytest.raises(ConfigurationFailure, match="refuses the sign-in"):
            await provider.send(config(server, password="wrong", **trusting), mail())
        assert len(server.mails) == 2


@pytest.mark.parametrize("starttls", [True, False])
async def test_nothing_is_handed_to_a_server_that_cannot_prove_who_it_is(
    authority: Authority, tmp_path: Path, *, starttls: bool
) -> None:
    wrong: list[tuple[ssl.SSLContext, str | None, str]] = [
        (authority.server(), None, "(?i)unable to get local issuer|self.signed"),
        (authority.server(), Authority(tmp_path).pem, "(?i)unable to get local issuer|self.signed|signature"),
        (authority.server(x509.DNSName("mail.other.example")), authority.pem, "(?i)mismatch"),
        (authority.server(days=-1), authority.pem, "(?i)expired"),
    ]
    for context, trusted, reason in wrong:
        async with serving(tls=context, starttls=starttls, users=USERS) as (server, provider):
            tls = "starttls" if starttls else "tls"
            values = {"tls": tls, "ca_certificate": trusted, "username": "acme", "password": "s3cret"}
            with pytest.raises(ConfigurationFailure, match=reason):
                await provider.send(config(server, **values), mail())
            assert server.mails == []


async def test_nobody_in_between_can_talk_it_out_of_encryption() -> None:
    """Whoever takes the offer of STARTTLS out of the server's greeting gets neither the mail nor the password."""
    refuses: list[tuple[str, type[Exception]]] = [("starttls", ConfigurationFailure), ("tls", TemporaryFailure)]
    async with serving() as (server, provider):
        for tls, failure in refuses:
            with pytest.raises(failure):
                await provider.send(config(server, tls=tls, username="acme", password="s3cret"), mail())
        with pytest.raises(ConfigurationFailure, match="no sign-in"):
            await provider.send(config(server, tls="none", username="acme", password="s3cret"), mail())
        assert server.mails == []
