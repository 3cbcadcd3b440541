"""Where tenants' addresses may lead, and where not. The peer is a real HTTP server on this machine."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from riveredge_sdk.outbound import OutboundRefusedError, is_public, outbound_client


@contextlib.asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on 127.0.0.1 that answers everything alike: its port, and the requests it has seen."""
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is a network that the installation allows."""
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", '["127.0.0.0/8"]')


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


async def test_a_connection_that_is_kept_is_to_one_host(allowed: None) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    async with outbound_client(http2=True) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://127.0.0.1:{port}/")
        # A pool knows addresses only: it would use the connection for whoever else lies there.
        for other in (f"https://localhost:{port}/", "https://127.0.0.1:1/"):
            with pytest.raises(OutboundRefusedError, match="for one host"):
                await client.get(other)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"]
)
async def test_this_machine_is_not_reached_however_it_is_written(host: str) -> None:
    async with serving(OK) as (port, seen), outbound_client(https_only=False) as client:
        with pytest.raises((OutboundRefusedError, httpx2.ConnectError, httpx2.InvalidURL)):
            await client.get(f"http://{host}:{port}/")
        assert seen == []


async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, allowed: None
) -> None:
    looked_up = []

    async with serving(OK) as (port, seen), outbound_client(https_only=False) as client:
        loop = asyncio.get_running_loop()

        async def rebinding(host: Any, asked: Any, **_: Any) -> list[Any]:
            looked_up.append(host)
            address = "127.0.0.1" if len(looked_up) == 1 else "169.254.169.254"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, asked))]

        monkeypatch.setattr(loop, "getaddrinfo", rebinding)
        answer = await client.get(f"http://rebinding.test:{port}/path")
    assert answer.text == "ok"
    assert looked_up == ["rebinding.test"]
    assert f"host: rebinding.test:{port}".encode() in seen[0].lower()


async def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mixed(_host: Any, port: Any, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", mixed)
    async with outbound_client() as client:
        with pytest.raises(httpx2.ConnectError, match="no public address"):
            await client.get("https://mixed.test/")


async def test_a_name_inside_is_told_from_one_that_is_not_there_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever may name an address learns the names of the operator's network, one by one."""

    async def look_up(host: Any, port: Any, **_: Any) -> list[Any]:
        if host in {"intranet.test", "10.1.2.3"}:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", port))]
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    told = set()
    async with outbound_client() as client:
        for name in ("intranet.test", "unknown.test"):
            for scheme in ("https", "http"):
                with pytest.raises(httpx2.HTTPError) as refused:
                    await client.get(f"{scheme}://{name}/")
                told.add((type(refused.value), str(refused.value).replace(name, "…")))
        with pytest.raises(OutboundRefusedError, match="private address"):
            await client.get("https://10.1.2.3/")
    assert told == {(httpx2.ConnectError, "… has no public address")}


async def test_redirects_are_not_followed(allowed: None) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    async with serving(moved) as (port, seen), outbound_client() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 302
        assert len(seen) == 1


async def test_an_endless_answer_is_broken_off(allowed: None) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000
    async with serving(endless) as (port, _), outbound_client(max_bytes=100_000) as client:
        with pytest.raises(OutboundRefusedError, match="too large"):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_a_small_body_that_unpacks_to_a_large_one_is_not_asked_for(allowed: None) -> None:
    async with serving(OK) as (port, seen), outbound_client() as client:
        await client.get(f"http://127.0.0.1:{port}/")
    assert b"accept-encoding: identity" in seen[0].lower()


@pytest.mark.parametrize("url", ["http://example.com/", "https://user:secret@example.com/", "ftp://example.com/"])
async def test_other_ways_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def public(_host: Any, port: Any, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", public)
    async with outbound_client() as client:
        with pytest.raises((OutboundRefusedError, httpx2.UnsupportedProtocol)):
            await client.get(url)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch, allowed: None) -> None:
    async with (
        serving(b"HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n") as (proxy, through),
        serving(OK) as (port, _),
    ):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        async with outbound_client() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200
        assert through == []
