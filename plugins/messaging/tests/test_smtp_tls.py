"""Mail over TLS, to real servers with real certificates: nothing is said to a server that is not the right one."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from riveredge_messaging.providers.smtp import SmtpProvider
from riveredge_messaging.providers.smtp_config import InstallationSmtp
from riveredge_sdk.features.messaging import ConfigurationFailure, RenderedMessage, TemporaryFailure
from riveredge_sdk.testing.smtp import MailServer

HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
USERS = {"acme": "s3cret"}


@dataclass
class Authority:
    """Signs certificates, and is trusted by whoever has its `pem`."""

    directory: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Authority {uuid4()}")])
        own = self._begin(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        own = own.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True)
        self.pem = self._sign(own).public_bytes(Encoding.PEM).decode()

    def server(self, name: x509.GeneralName = HERE, *, days: int = 1) -> ssl.SSLContext:
        """What a server of that name shows, until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        made = self._begin(subject, key, days=days)
        made = made.add_extension(x509.SubjectAlternativeName([name]), False)
        file = self.directory / f"{uuid4()}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(private + self._sign(made).public_bytes(Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context

    def _begin(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(issuer_name=self._name, subject_name=subject, public_key=key.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))
        own, ours = x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier
        made = made.add_extension(own.from_public_key(key.public_key()), False)
        return made.add_extension(ours.from_issuer_public_key(self._key.public_key()), False)

    def _sign(self, made: x509.CertificateBuilder) -> x509.Certificate:
        return made.sign(self._key, hashes.SHA256())


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
