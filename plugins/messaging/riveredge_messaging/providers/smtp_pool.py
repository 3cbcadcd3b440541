"""Connections to mail servers, kept open between mails.

A pool belongs to one configuration, so that nobody's mail goes out over somebody else's sign-in.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiosmtplib
import structlog

from riveredge_messaging.providers.smtp_config import TENANT_PORTS, SmtpConfig
from riveredge_messaging.providers.smtp_errors import connection_failure
from riveredge_sdk.features.messaging import ConfigurationFailure, TemporaryFailure
from riveredge_sdk.outbound import OutboundSettings, is_address, is_public

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 15
COMMAND_SECONDS = 20
# Unused for so long, a connection is asked whether it lives; and then it is closed.
CHECK_SECONDS = 5
IDLE_SECONDS = 30
# Servers limit how much goes over one connection, and say so by breaking it off.
MAILS_A_CONNECTION = 100
# The same for names inside and for names that there are none of: else tenants could ask for the operator's, one by one.
_NOT_FOUND = "The mail server {!r} has no public address."


@dataclass(slots=True)
class Connection:
    """One signed-in connection."""

    client: aiosmtplib.SMTP
    mails: int = 0
    idle_since: float = 0
    fresh: bool = True


class SmtpPool:
    """Up to `config.connections` connections to one server.

    Args:
        public_only: refuse servers at private addresses: somebody else than the operator has named this one.
    """

    def __init__(self, config: SmtpConfig, *, public_only: bool) -> None:
        self._config = config
        self._public_only = public_only
        self._places = asyncio.Semaphore(config.connections)
        self._idle: list[Connection] = []
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of one's own for the block; closed afterwards if the block raises.

        Raises:
            ConfigurationFailure: the server, its certificate or the sign-in is not right.
            TemporaryFailure: the server does not answer, or not now.
        """
        async with self._places:
            found = await self._living() or await self._open()
            try:
                yield found
            except BaseException:
                found.client.close()
                raise
            await self._give_back(found)

    async def aclose(self) -> None:
        """Close what is open; connections in use are closed when they are given back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            await _quit(self._idle.pop())

    async def _living(self) -> Connection | None:
        while self._idle:
            found = self._idle.pop()
            if not found.client.is_connected:
                continue
            if self._loop.time() - found.idle_since > CHECK_SECONDS:
                try:
                    await found.client.noop(timeout=CHECK_SECONDS)
                except (aiosmtplib.SMTPException, OSError):
                    found.client.close()
                    continue
            found.fresh = False
            return found
        return None

    async def _give_back(self, connection: Connection) -> None:
        connection.mails += 1
        if self._closed or connection.mails >= MAILS_A_CONNECTION or not connection.client.is_connected:
            await _quit(connection)
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(IDLE_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        now = self._loop.time()
        for connection in [each for each in self._idle if now - each.idle_since >= IDLE_SECONDS]:
            self._idle.remove(connection)
            connection.client.close()
        self._sweep = self._loop.call_later(IDLE_SECONDS, self._close_idle) if self._idle else None

    async def _open(self) -> Connection:
        config = self._config
        stream = await _connect(config.host, config.port, public_only=self._public_only)
        client = aiosmtplib.SMTP(
            hostname=config.host,
            sock=stream,
            timeout=COMMAND_SECONDS,
            use_tls=config.tls == "tls",
            start_tls=False,
            tls_context=_trusting(config.ca_certificate) if config.ca_certificate else None,
        )
        # The socket is the client's from here on: to close it below TLS would leave the loop with half a connection.
        try:
            await client.connect()
            if config.tls == "starttls":
                await client.ehlo()
                if not client.supports_extension("starttls"):
                    raise aiosmtplib.SMTPNotSupported("it offers no encryption (STARTTLS)")
                await client.starttls()
            if config.username:
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
                if not client.supports_extension("auth"):
                    raise aiosmtplib.SMTPNotSupported("it knows no sign-in here")
                password = config.password.get_secret_value() if config.password else ""
                await client.login(config.username, password)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise connection_failure(error) from None
        except BaseException:
            client.close()
            raise
        return Connection(client)


async def _quit(connection: Connection) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        await connection.client.quit(timeout=1)
    connection.client.close()


def _trusting(certificate: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=certificate)
    except (ssl.SSLError, ValueError):
        raise ConfigurationFailure("The certificate of the authority cannot be read.") from None


async def _connect(host: str, port: int, *, public_only: bool) -> socket.socket:
    """A connection to the very address that was looked at, so that a second look-up cannot lead elsewhere."""
    if public_only and port not in TENANT_PORTS:
        raise ConfigurationFailure(f"Port {port} is no mail port; use one of {sorted(TENANT_PORTS)}.")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise ConfigurationFailure(f"{host!r} is no name of a mail server.") from None
    except (OSError, TimeoutError) as error:
        log.info("mail_server_not_found", host=host, reason=str(error))
        raise TemporaryFailure(_NOT_FOUND.format(host)) from None
    allowed = OutboundSettings().allow if public_only else []
    last = "no address"
    for family, kind, protocol, _, address in found:
        ip = ipaddress.ip_address(address[0])
        if public_only and not is_public(ip) and not any(ip in network for network in allowed):
            if is_address(host):
                raise ConfigurationFailure(f"The mail server {host!r} is a private address, which is not allowed here.")
            log.info("mail_server_not_found", host=host, reason="private address")
            raise TemporaryFailure(_NOT_FOUND.format(host))
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        # Commands are short, and each waits for its answer.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(connection, address)
        except (OSError, TimeoutError) as error:
            connection.close()
            last = str(error) or type(error).__name__
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise TemporaryFailure(f"The mail server {host}:{port} does not answer: {last}")
