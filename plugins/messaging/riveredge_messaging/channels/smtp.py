"""E-mail through SMTP."""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from uuid import UUID

import aiosmtplib

from riveredge_messaging.settings import MessagingSettings, MessagingTenantSettings, SmtpSettings
from riveredge_sdk import get_service, tenant_settings, utcnow
from riveredge_sdk.features.messaging import (
    DeliveryResult,
    MessageChannel,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
)
from riveredge_sdk.features.people import PEOPLE

TIMEOUT_SECONDS = 30
# Where mail is submitted (RFC 8314, RFC 6409) or relayed (RFC 5321); tenants reach no other port of a host.
TENANT_PORTS = frozenset({25, 465, 587, 2525})


@dataclass(frozen=True, slots=True)
class Route:
    """The mail server to use, and whether a tenant named it."""

    server: SmtpSettings
    of_tenant: bool


class EmailChannel(MessageChannel):
    """Mail to the address of the user's account, from the tenant's mail server or the installation's."""

    id = "messaging.email"
    title = "E-mail"
    description = "A mail to the address of the person's account."
    has_html = True

    async def address_of(self, user_id: UUID) -> str | None:
        person = (await get_service(PEOPLE).find([user_id])).get(user_id)
        return person.email if person is not None and person.active else None

    async def deliver(self, message: RenderedMessage) -> DeliveryResult:
        installation = MessagingSettings()
        route = _route(await tenant_settings(MessagingTenantSettings), installation.smtp)
        server_is_checked = route.of_tenant and not installation.allow_private_smtp
        return await send_mail(route.server, message, public_only=server_is_checked)


async def send_mail(server: SmtpSettings, message: RenderedMessage, *, public_only: bool) -> DeliveryResult:
    """Hand one mail to a server.

    Args:
        public_only: refuse servers at private addresses: somebody else than the operator has named this one.

    Raises:
        TemporaryFailure: try again later.
        PermanentFailure: trying again cannot help.
    """
    if server.host is None:
        raise PermanentFailure("No mail server is set: neither by the organisation nor by the installation.")
    mail = compose(message, server.sender)
    connection = await _connect(server.host, server.port, public_only=public_only)
    try:
        return await _send(server, connection, mail, message.address)
    finally:
        connection.close()


def _route(own: MessagingTenantSettings, installation: SmtpSettings) -> Route:
    sender = own.sender or installation.sender
    if own.smtp_host is None:
        return Route(installation.model_copy(update={"sender": sender}), of_tenant=False)
    return Route(
        SmtpSettings(
            host=own.smtp_host,
            port=own.smtp_port,
            tls=own.smtp_tls,
            username=own.smtp_username,
            password=own.smtp_password,
            sender=sender,
        ),
        of_tenant=True,
    )


async def _connect(host: str, port: int, *, public_only: bool) -> socket.socket:
    """A connection to the very address that was looked at, so that a second look-up cannot lead elsewhere."""
    if public_only and port not in TENANT_PORTS:
        raise PermanentFailure(f"Port {port} is no mail port; use one of {sorted(TENANT_PORTS)}.")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise PermanentFailure(f"{host!r} is no name of a mail server.") from None
    except OSError as error:
        raise TemporaryFailure(f"The mail server {host!r} cannot be found: {error}") from None
    last = "no address"
    for family, kind, protocol, _, address in found:
        if public_only and not ipaddress.ip_address(address[0]).is_global:
            raise PermanentFailure(f"The mail server {host!r} lies at a private address, which is not allowed here.")
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await loop.sock_connect(connection, address)
        except (OSError, TimeoutError) as error:
            connection.close()
            last = str(error) or type(error).__name__
        else:
            return connection
    raise TemporaryFailure(f"The mail server {host}:{port} does not answer: {last}")


async def _send(server: SmtpSettings, connection: socket.socket, mail: EmailMessage, address: str) -> DeliveryResult:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        sock=connection,
        timeout=TIMEOUT_SECONDS,
        use_tls=server.tls == "tls",
        start_tls=server.tls == "starttls",
    )
    try:
        async with client:
            if server.username:
                password = server.password.get_secret_value() if server.password else ""
                await client.login(server.username, password)
            _, reply = await client.send_message(mail, recipients=[address])
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        raise _failure(refused.code, refused.message) from None
    except aiosmtplib.SMTPAuthenticationError as error:
        # A wrong password is mended by the organisation, so later tries may well succeed.
        raise TemporaryFailure(f"The mail server refuses the sign-in: {error.code} {error.message}") from None
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error.code, error.message) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TemporaryFailure(f"The mail server broke off: {error}"[:500]) from None
    return DeliveryResult("accepted", reply[:500])


def _failure(code: int, message: str) -> Exception:
    """RFC 5321 §4.2.1: 5yz replies are final, 4yz are not."""
    text = f"The mail server answered {code} {message}"[:500]
    return PermanentFailure(text) if code >= 500 else TemporaryFailure(text)


def compose(message: RenderedMessage, sender: str) -> EmailMessage:
    """The mail. Its Message-ID is the delivery's, so that a repeated one can be told by the reader's program.

    Raises:
        PermanentFailure: an address is none.
    """
    name, address = parseaddr(sender)
    mail = EmailMessage(policy=SMTP_POLICY)
    try:
        mail["From"] = Address(name, addr_spec=address)
        mail["To"] = Address(addr_spec=message.address)
        mail["Subject"] = message.subject
    except (ValueError, IndexError) as error:
        raise PermanentFailure(f"An address cannot be written into a mail: {error}"[:500]) from None
    mail["Date"] = format_datetime(utcnow())
    domain = address.rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<{message.delivery_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    # Only now: setting the content takes away what was said about it.
    mail["Content-Language"] = message.locale
    return mail
