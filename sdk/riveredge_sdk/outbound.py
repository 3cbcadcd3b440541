"""HTTP to addresses that a tenant has named: webhooks, identity providers, calendars.

A tenant must not reach the operator's network through the platform (server-side request forgery)::

    async with outbound_client() as client:
        answer = await client.get(url)

Only public addresses are connected to, and the connection goes to the very address that was looked at, so that a
second look-up cannot lead elsewhere. Redirects are not followed, proxies and credentials of the environment are not
used, bodies are bounded. What is refused is an `OutboundRefusedError`, one of the many `httpx2.HTTPError`s.

A name that lies at a private address is a `ConnectError`, the same as a name that there is none of: else a tenant could
ask for the names of the operator's network one by one. The log tells operators which it was.

`RIVEREDGE_OUTBOUND__ALLOW` names private networks that may be reached nevertheless, for an installation whose tenants
are the operator's own: `["10.1.0.0/16"]`.
"""

import asyncio
import functools
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import httpx2
from pydantic import Field, IPvAnyNetwork

from riveredge_sdk.settings import PluginSettings, plugin_settings
from riveredge_sdk.tracing import span

log = logging.getLogger(__name__)

MAX_BYTES = 1_000_000
SECONDS = 10.0

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Addresses that carry an IPv4 address to which a gateway would send the packet (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutboundSettings(PluginSettings):
    """The installation's, from RIVEREDGE_OUTBOUND__…"""

    model_config = plugin_settings("outbound")

    allow: list[IPvAnyNetwork] = Field(
        default_factory=list, description="Private networks that tenants may reach. None where strangers are tenants."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) of further authorities that are trusted, such as one's own."
    )


class OutboundRefusedError(httpx2.RequestError):
    """The address is not one to be reached, or its answer is too large."""


def outbound_client(
    *, seconds: float = SECONDS, max_bytes: int = MAX_BYTES, https_only: bool = True, http2: bool = False
) -> httpx2.AsyncClient:
    """A client for addresses that tenants have named. Close it, or use it as `async with`.

    Args:
        seconds: for connecting, and for each wait for more of an answer. Bound the whole by `asyncio.timeout`.
        max_bytes: how large the body of an answer may be.
        https_only: refuse plain HTTP, except to networks that the installation allows.
        http2: speak HTTP/2 only, and keep the connection for further calls. Such a client is for one host.
    """
    return httpx2.AsyncClient(
        transport=outbound_transport(max_bytes=max_bytes, https_only=https_only, http2=http2),
        # A packed answer could unpack to any size.
        headers={"Accept-Encoding": "identity"},
        trust_env=False,
        timeout=seconds,
    )


def outbound_transport(
    *, max_bytes: int = MAX_BYTES, https_only: bool = True, http2: bool = False
) -> httpx2.AsyncBaseTransport:
    """The same guard for a client of another library, which has to be told not to follow redirects."""
    return _GuardedTransport(OutboundSettings().allow, max_bytes, https_only, http2)


class _GuardedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, allow: Sequence[IPvAnyNetwork], max_bytes: int, https_only: bool, http2: bool) -> None:
        self._allow = allow
        self._max_bytes = max_bytes
        self._https_only = https_only
        self._http2 = http2
        # With HTTP/2: whom the connection is kept to, and at which of its addresses.
        self._host: tuple[str, int | None] | None = None
        self._address: IpAddress | None = None
        # No connection is kept: the pool knows addresses only, and would use one to a host for another host there.
        limits = httpx2.Limits(max_keepalive_connections=1 if http2 else 0)
        # HTTP/1.1 and HTTP/2 set up a context differently, so they do not share one.
        self._inner = httpx2.AsyncHTTPTransport(
            verify=_tls("h2" if http2 else "http/1.1", OutboundSettings().ca_file),
            trust_env=False,
            limits=limits,
            http1=not http2,
            http2=http2,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Neither the host, which may be somebody's name, nor our trace for the host: both are nobody else's business.
        with span(f"HTTP {request.method}", {"http.request.method": request.method}, kind="client") as call:
            response = await self._ask(request)
            call.set("http.response.status_code", response.status_code)
            if response.status_code >= 400:
                call.fail(str(response.status_code))
            return response

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if url.scheme not in {"http", "https"} or not url.host:
            raise OutboundRefusedError("only http and https addresses are reached", request=request)
        if url.userinfo:
            raise OutboundRefusedError("an address with a user name in it is not reached", request=request)
        if self._http2:
            self._host = self._host or (url.host, url.port)
            if self._host != (url.host, url.port):
                raise OutboundRefusedError("a client that keeps its connection is for one host", request=request)
        failed: httpx2.TransportError | None = None
        # A stable sort: the address that the connection is kept to comes first, if the host still has it.
        for address in sorted(await self._resolve(request), key=lambda address: address != self._address):
            request.url = url.copy_with(host=str(address))
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            try:
                response = await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
                continue
            finally:
                request.url = url
            self._address = address
            response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), self._max_bytes, request)
            return response
        raise failed or httpx2.ConnectError(f"{url.host} has no address", request=request)

    async def _resolve(self, request: httpx2.Request) -> list[IpAddress]:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise _not_found(request, str(error)) from None
        addresses = list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))
        for address in addresses:
            allowed = any(address in network for network in self._allow)
            if not allowed and not is_public(address):
                if is_address(url.host):
                    raise OutboundRefusedError(f"{url.host} is a private address", request=request)
                raise _not_found(request, "private address")
            if not allowed and self._https_only and url.scheme != "https":
                raise OutboundRefusedError("only https addresses are reached", request=request)
        return addresses

    async def aclose(self) -> None:
        await self._inner.aclose()


def _not_found(request: httpx2.Request, reason: str) -> httpx2.ConnectError:
    """One error for names that do not exist and for names inside; only the log tells them apart."""
    log.info("outbound host %s not found: %s", request.url.host, reason)
    return httpx2.ConnectError(f"{request.url.host} has no public address", request=request)


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off once it is too large."""

    def __init__(self, inner: httpx2.AsyncByteStream, max_bytes: int, request: httpx2.Request) -> None:
        self._inner = inner
        self._left = max_bytes
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise OutboundRefusedError("the answer is too large", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def is_address(host: str) -> bool:
    """Whether the host is an address itself, so that saying what it is tells nobody anything new."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_public(address: IpAddress) -> bool:
    """Whether the address is one of the internet's, also seen through what is packed into it."""
    if isinstance(address, ipaddress.IPv6Address):
        packed = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            packed.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(inner) for inner in packed if inner is not None):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast


@functools.cache
def _tls(_protocol: str, ca_file: Path | None) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


__all__ = [
    "MAX_BYTES",
    "OutboundRefusedError",
    "OutboundSettings",
    "is_address",
    "is_public",
    "outbound_client",
    "outbound_transport",
]
