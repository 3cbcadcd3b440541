"""A real SMTP server that keeps what it is sent: for tests, and for `riveredge run`, which has nowhere to send mail.

Needs aiosmtpd: `pip install "riveredge-sdk[testing]"`.
"""

import asyncio
import email
import email.policy
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DROP = "drop"
_UNSAFE = re.compile(r"[^A-Za-z0-9.@_-]+")


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One message as it came over the wire. `recipients` are the envelope's, not the headers'.

    Args:
        encrypted: it came over TLS.
        user: who had signed in; empty for nobody.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool = False
    user: str = ""

    @property
    def message(self) -> EmailMessage:
        """The parsed message."""
        return email.message_from_bytes(self.content, policy=email.policy.default)

    def text(self, subtype: str = "plain") -> str:
        """The text/<subtype> part, decoded; empty if there is none."""
        part = self.message.get_body((subtype,))
        return str(part.get_content()) if part is not None else ""


class MailServer:
    """An SMTP server on a free port of this machine.

    Args:
        directory: also keep each mail as an .eml file here.
        reply: asked for every message; returns None to accept it, or an SMTP reply such as "451 4.3.0 try later", or
            `DROP` to keep it and break the connection off without an answer.
        tls: with a certificate: it speaks TLS from the start, or offers STARTTLS.
        starttls: which of these.
        users: names and passwords, asked for once the connection is encrypted; empty: nobody has to sign in.
        smtputf8: offer SMTPUTF8 (RFC 6531); without it, addresses are in ASCII. May be changed later.

    Attributes:
        recipient_reply: asked for every recipient, in the same way.
        delay: seconds before each answer to a message.
        connections: how many were opened.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        reply: Callable[[Envelope], str | None] | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: bool = False,
        users: Mapping[str, str] | None = None,
        smtputf8: bool = True,
    ) -> None:
        self.host = host
        self.port = port
        self.directory = directory
        self.reply = reply
        self.tls = tls
        self.starttls = starttls
        self.users = dict(users or {})
        self.smtputf8 = smtputf8
        self.recipient_reply: Callable[[str], str | None] | None = None
        self.delay = 0.0
        self.connections = 0
        self.mails: list[ReceivedMail] = []
        self._server: asyncio.Server | None = None
        self._sessions = WeakSet[SMTP]()
        self._arrived = asyncio.Event()

    async def start(self) -> None:
        """Listen; `port` is then the real one.

        Raises:
            OSError: the port is taken.
        """
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        at_once = None if self.starttls else self.tls
        self._server = await loop.create_server(self._session, self.host, self.port, ssl=at_once)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and break off with whoever is connected. Mails that were received stay."""
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                if isinstance(session.transport, asyncio.WriteTransport):
                    session.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def _session(self) -> SMTP:
        self.connections += 1
        made = SMTP(
            self,
            hostname="mail.riveredge.test",
            enable_SMTPUTF8=self.smtputf8,
            tls_context=self.tls if self.starttls else None,
            require_starttls=self.tls is not None and self.starttls,
            authenticator=self._sign_in if self.users else None,
            # Over TLS from the start it is encrypted, which aiosmtpd does not see.
            auth_require_tls=self.tls is None or self.starttls,
            loop=asyncio.get_running_loop(),
        )
        self._sessions.add(made)
        return made

    def _sign_in(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False)
        name, password = data.login.decode(), data.password.decode()
        # A wrong password is told to the client by aiosmtpd, with 535.
        return AuthResult(success=self.users.get(name) == password, handled=False, auth_data=name)

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """aiosmtpd calls this for each sender."""
        if self.users and not session.authenticated:
            return "530 5.7.0 sign in first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 go on"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """aiosmtpd calls this for each recipient."""
        refusal = self.recipient_reply(address) if self.recipient_reply else None
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 known"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd calls this for each message."""
        if self.delay:
            await asyncio.sleep(self.delay)
        refusal = self.reply(envelope) if self.reply else None
        if refusal and refusal != DROP:
            return refusal
        content: Any = envelope.content
        raw = content.encode() if isinstance(content, str) else bytes(content or b"")
        mail = ReceivedMail(
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            raw,
            encrypted=server.transport is not None and server.transport.get_extra_info("sslcontext") is not None,
            user=str(session.auth_data) if session.authenticated else "",
        )
        if self.directory is not None:
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{_UNSAFE.sub('_', mail.recipients[0])[:80]}.eml"
            (self.directory / name).write_bytes(raw)
        self.mails.append(mail)
        self._arrived.set()
        if refusal == DROP and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return "250 2.0.0 kept"

    async def wait_for(self, count: int = 1, *, timeout: float = 15) -> list[ReceivedMail]:  # noqa: ASYNC109
        """The mails, once there are at least `count`.

        Raises:
            TimeoutError: they did not come in time.
        """
        async with asyncio.timeout(timeout):
            while len(self.mails) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return list(self.mails)
