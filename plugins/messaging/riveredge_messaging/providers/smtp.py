"""Mail through an SMTP server."""

import asyncio
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import aiosmtplib

from riveredge_messaging.providers import reports
from riveredge_messaging.providers.addresses import mail_address
from riveredge_messaging.providers.mime import compose
from riveredge_messaging.providers.returns import HEADER, marks, return_path
from riveredge_messaging.providers.signatures import check_signature
from riveredge_messaging.providers.smtp_config import InstallationSmtp, SmtpConfig
from riveredge_messaging.providers.smtp_errors import Phase, refusal
from riveredge_messaging.providers.smtp_pool import COMMAND_SECONDS, Connection, SmtpPool
from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk.features.messaging import (
    CallbackRefusedError,
    CallbackRequest,
    DeliveryResult,
    MessageProvider,
    PermanentFailure,
    ProviderEvent,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.tracing import span

# After the last line of a mail a server may scan and store it before it answers.
ANSWER_SECONDS = 40
# Pools of configurations that are not used any more have no connections after a while; this bounds the rest.
MAX_POOLS = 200
_NO_UTF8 = (
    "The mail server does not offer SMTPUTF8, without which nothing goes to or from {!r}: letters other than ASCII."
)

_Pools = dict[tuple[SmtpConfig, bool], SmtpPool]


class SmtpProvider(MessageProvider[SmtpConfig]):
    """Hands mails to a server for submission, one envelope for each recipient."""

    id = "messaging.smtp"
    channel = "messaging.email"
    title = "Mail server (SMTP)"
    description = "Any server that takes mail by SMTP."
    config = SmtpConfig

    def __init__(self) -> None:
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = weakref.WeakKeyDictionary()

    def parallel(self, config: SmtpConfig) -> int:
        return config.connections

    async def send(self, config: SmtpConfig, message: RenderedMessage) -> DeliveryResult:
        sender = mail_address(config.sender).addr_spec
        if config.bounce_address or config.inbound_secret:
            mark = (await marks()).make(message.delivery_id)
            message = replace(message, headers={**message.headers, HEADER: mark})
            sender = return_path(config.bounce_address, mark) if config.bounce_address else sender
        write = partial(compose, message, config.sender, reply_to=config.reply_to)
        # To encode files takes its time.
        content = await asyncio.to_thread(write) if message.files else write()
        with span("SMTP", {"smtp.bytes": len(content)}, kind="client"):
            recipient = mail_address(message.address).addr_spec
            reply = await self._hand_over(await self._pool(config), sender, recipient, content)
        return DeliveryResult("accepted", reply[:500])

    async def receive(self, config: SmtpConfig, request: CallbackRequest) -> Sequence[ProviderEvent]:
        """Reports of what could not be delivered (RFC 3464) and of complaints (RFC 5965), as raw mails."""
        if config.inbound_secret is None:
            raise CallbackRefusedError("The configuration has no secret for reports.")
        check_signature(config.inbound_secret.get_secret_value(), request)
        return reports.read(request.body, await marks())

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        pools = self._pools.pop(asyncio.get_running_loop(), {})
        await asyncio.gather(*(pool.aclose() for pool in pools.values()))

    async def _pool(self, config: SmtpConfig) -> SmtpPool:
        public_only = not isinstance(config, InstallationSmtp) and not MessagingSettings().allow_private_smtp
        pools = self._pools.setdefault(asyncio.get_running_loop(), {})
        key = (config, public_only)
        pool = pools.pop(key, None) or SmtpPool(config, public_only=public_only)
        # Put back as the newest, so that the oldest is the first.
        pools[key] = pool
        if len(pools) > MAX_POOLS:
            await pools.pop(next(iter(pools))).aclose()
        return pool

    async def _hand_over(self, pool: SmtpPool, sender: str, recipient: str, content: bytes) -> str:
        try:
            return await _exchange(pool, sender, recipient, content)
        except _StaleError:
            # Nothing was said yet: the server had closed a connection that was kept.
            return await _exchange(pool, sender, recipient, content)


class _StaleError(TemporaryFailure):
    """A kept connection turned out to be closed."""


async def _exchange(pool: SmtpPool, sender: str, recipient: str, content: bytes) -> str:
    refused: Exception | None = None
    async with pool.connection() as connection:
        try:
            await _envelope(connection, sender, recipient)
        except aiosmtplib.SMTPResponseException as error:
            refused = refusal(_phase(error), error.code, error.message)
            await _reset(connection)
        else:
            code, reply = await _content(connection, content)
            if code == 250:
                return reply
            refused = refusal("content", code, reply)
    raise refused


async def _envelope(connection: Connection, sender: str, recipient: str) -> None:
    """MAIL, RCPT and DATA; nothing is sent yet.

    Raises:
        SMTPResponseException: the server refuses.
        TemporaryFailure: it broke off.
    """
    client = connection.client
    utf8 = not (sender.isascii() and recipient.isascii())
    options, encoding = (["SMTPUTF8"], "utf-8") if utf8 else ([], "ascii")
    said = False
    try:
        if utf8 and not await _offers_smtputf8(client):
            raise PermanentFailure(_NO_UTF8.format(recipient if sender.isascii() else sender)[:500])
        await client.mail(sender, options=options, encoding=encoding)
        said = True
        await client.rcpt(recipient, encoding=encoding)
        ready = await client.execute_command(b"DATA", timeout=COMMAND_SECONDS)
    except aiosmtplib.SMTPResponseException:
        raise
    except (aiosmtplib.SMTPException, OSError) as error:
        kind = TemporaryFailure if connection.fresh or said else _StaleError
        raise kind(f"The mail server broke off: {error}"[:500]) from None
    except ValueError as error:
        raise PermanentFailure(f"An address cannot be sent: {error}"[:500]) from None
    if ready.code != 354:
        raise aiosmtplib.SMTPDataError(ready.code, ready.message)


async def _offers_smtputf8(client: aiosmtplib.SMTP) -> bool:
    if client.is_ehlo_or_helo_needed:
        # Who knows only HELO offers nothing.
        with suppress(aiosmtplib.SMTPHeloError):
            await client.ehlo()
    return client.supports_extension("smtputf8")


def _phase(error: aiosmtplib.SMTPResponseException) -> Phase:
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return "sender"
    return "recipient" if isinstance(error, aiosmtplib.SMTPRecipientRefused) else "content"


async def _content(connection: Connection, content: bytes) -> tuple[int, str]:
    """The mail itself, and the server's answer.

    Raises:
        UnknownOutcome: there was none.
    """
    protocol = connection.client.protocol
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
    try:
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("connection lost")
        protocol.write(stuffed + end)
        answer = await protocol.read_response(timeout=ANSWER_SECONDS)
    except aiosmtplib.SMTPResponseException as error:
        raise UnknownOutcome(f"The mail was sent, and the server's answer cannot be read: {error}"[:500]) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise UnknownOutcome(f"The mail was sent, and the server did not answer: {error}"[:500]) from None
    return answer.code, answer.message


async def _reset(connection: Connection) -> None:
    """Make the connection fit for the next mail."""
    try:
        await connection.client.rset()
    except (aiosmtplib.SMTPException, OSError):
        connection.client.close()


__all__ = ["SmtpProvider"]
