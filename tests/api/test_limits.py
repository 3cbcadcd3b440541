"""What a stranger can send: oversized, deeply nested, slow and forged requests."""

import contextlib
import json
import logging
import socket
import time
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog

from riveredge_kernel.testing import start
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest

LOGIN = "/api/v1/auth/login"
NOTES = "/api/v1/example/notes"
JSON = {"Content-Type": "application/json"}
SEVERAL = 100_000


def raw(platform: PlatformUnderTest, sent: bytes) -> bytes:
    """What comes back for these bytes until the connection is closed."""
    parts = urlsplit(platform.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


@pytest.mark.parametrize("path", [LOGIN, NOTES])
@pytest.mark.parametrize(
    "body",
    [
        "[" * SEVERAL,
        "[" * SEVERAL + "]" * SEVERAL,
        '{"a":' * SEVERAL + "1" + "}" * SEVERAL,
        '{"title": ' + "[" * 500 + "]" * 500 + "}",
        '{"title": ' + "9" * SEVERAL + "}",
        '{"title": 1e999999}',
        '{"title": "\\ud800"}',
        '{"title": "\\u0000"}',
        "\x00" * 1000,
        "{" * SEVERAL,
    ],
    ids=lambda body: f"{body[:12]}…{len(body)}".replace("\x00", "NUL"),
)
def test_deep_and_odd_bodies_are_refused_without_a_crash(
    client: ApiClient, anonymous: ApiClient, path: str, body: str
) -> None:
    sender = anonymous if path == LOGIN else client
    answer = sender.post(path, content=body.encode(), headers=JSON)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert client.get(NOTES).json()["items"] == []


def test_filters_that_nest_deeply_are_refused(client: ApiClient) -> None:
    deep = '{"match":"all","conditions":[' * 300 + "]}" * 300
    for text in (deep, "[" * 9_000, '{"conditions":' * 600):
        assert client.get(NOTES, params={"filter": text}).status_code in {400, 422}


@pytest.mark.parametrize("path", [LOGIN, NOTES])
def test_oversized_bodies_are_refused(client: ApiClient, anonymous: ApiClient, path: str) -> None:
    sender = anonymous if path == LOGIN else client
    big = json.dumps({"title": "x" * 2_000_000}).encode()
    assert sender.post(path, content=big, headers=JSON).status_code == 413
    chunks = (b"x" * 10_000 for _ in range(300))
    assert sender.post(path, content=chunks, headers=JSON).status_code == 413


def test_an_oversized_call_of_a_would_be_inngest_is_refused_before_it_is_held(tmp_path: Path) -> None:
    embedded = {"engine_port": 0, "max_body_bytes": 100_000}
    with start("sqlite", tmp_path, inngest=embedded) as platform, ApiClient(platform) as anonymous:
        chunks = (b"x" * 10_000 for _ in range(300))
        assert anonymous.post("/api/inngest", content=chunks, params={"fnId": "x"}).status_code == 413
        for body in (b"[" * 50_000, b"", b"\xff\xfe", b"{}"):
            answer = anonymous.post("/api/inngest", content=body, params={"fnId": "x", "stepId": "step"})
            assert 400 <= answer.status_code < 500 or answer.json()["code"], answer.text


def test_oversized_heads_end_the_connection(platform: PlatformUnderTest) -> None:
    head = b"GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n"
    # Where the rest of the head is still on its way, the connection is reset before the answer can be read.
    assert raw(platform, head)[:12] in {b"HTTP/1.1 400", b""}


def test_a_request_that_smuggles_another_is_refused(platform: PlatformUnderTest) -> None:
    for head in (
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Content-Length: +5",
        b"X-A : b\r\nContent-Length: 5",
    ):
        second = b"0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        said = raw(platform, b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + second)
        assert said.count(b"HTTP/1.1 ") == 1, (head, said)
        assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), (head, said)


def test_lines_cannot_be_forged_into_answers(client: ApiClient, platform: PlatformUnderTest) -> None:
    for name in ("X-Request-ID", "X-Tenant", "Accept-Language", "If-None-Match", "Origin"):
        answer = client.get(NOTES, headers={name: "a%0d%0aSet-Cookie:%20x=1"})
        assert "set-cookie" not in answer.headers
        assert "\n" not in "".join(answer.headers.values())
    answer = client.get("/api/v1/nowhere%0d%0aSet-Cookie:%20x=1/")
    assert "set-cookie" not in answer.headers
    sent = b"GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\x00b\r\nConnection: close\r\n\r\n"
    assert b"a\x00b" not in raw(platform, sent)
    key = client.post(NOTES, json={"title": "x"}, headers={"Idempotency-Key": "a\tb"})
    assert key.status_code == 400


def test_a_forged_host_appears_nowhere(client: ApiClient) -> None:
    for path in (NOTES, NOTES + "/", "/docs/", "/apps/example/panel", "/openapi.json", "/nowhere"):
        answer = client.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        assert "evil.example" not in answer.text + str(answer.headers), path


def test_in_production_only_known_hosts_are_served(tmp_path: Path) -> None:
    known: dict[str, Any] = {
        "public_url": "https://river.example",
        "environment": "production",
        "http": {"drain_seconds": 0},
    }
    with start("sqlite", tmp_path, **known) as platform:
        with ApiClient(platform) as anonymous:
            anonymous.base_url = platform.platform.address
            for host in ("evil.example", "river.example.evil.example", "", "127.0.0.1", "xriver.example"):
                answer = anonymous.get("/api/v1/auth/me", headers={"Host": host})
                assert answer.status_code == 400, host
                assert answer.headers["content-type"] == "application/problem+json"
            for host in ("river.example", "RIVER.example:443"):
                answer = anonymous.get("/api/v1/auth/me", headers={"Host": host})
                assert answer.status_code == 401
                assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
            assert anonymous.get("/health/ready").status_code == 200
            for path in ("/docs", "/openapi.json"):
                assert anonymous.get(path, headers={"Host": "river.example"}).status_code == 404
        platform.settle()


def test_hosts_below_a_domain_can_be_allowed(tmp_path: Path) -> None:
    http = {"allowed_hosts": ["*.river.example"]}
    with start("sqlite", tmp_path, http=http) as platform, ApiClient(platform) as anonymous:
        for host, status in {"acme.river.example": 401, "river.example": 400, "evilriver.example": 400}.items():
            assert anonymous.get("/api/v1/auth/me", headers={"Host": host}).status_code == status, host


def test_security_headers_are_on_every_answer(client: ApiClient, anonymous: ApiClient) -> None:
    answers = [client.get(NOTES), anonymous.get(NOTES), anonymous.get("/nowhere"), anonymous.get("/health/live")]
    answers += [anonymous.post(LOGIN, content=b"{", headers=JSON), anonymous.get("/apps/example/panel/")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
    assert answers[0].headers["content-security-policy"].startswith("default-src 'none'")


def test_other_origins_may_not_read_unless_they_are_named(tmp_path: Path, anonymous: ApiClient) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in anonymous.options(NOTES, headers=asked).headers
    http = {"cors_origins": ["https://app.example"]}
    with start("sqlite", tmp_path, http=http) as platform, ApiClient(platform) as named:
        headers = {**asked, "Access-Control-Request-Headers": "authorization,if-match"}
        answer = named.options(NOTES, headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
        assert "access-control-allow-credentials" not in answer.headers
        for forged in ("https://evil.example", "https://app.example.evil.example", "null", "http://app.example"):
            refused = named.options(NOTES, headers={**headers, "Origin": forged})
            assert "access-control-allow-origin" not in refused.headers, forged


@pytest.mark.parametrize("trusted", [True, False])
def test_forwarded_addresses_are_believed_from_trusted_proxies_only(tmp_path: Path, trusted: bool) -> None:
    http = {"trusted_proxies": ["127.0.0.0/8", "10.1.0.0/16"] if trusted else ["10.1.0.0/16"]}
    with start("sqlite", tmp_path, http=http) as platform, ApiClient(platform) as anonymous:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
        with structlog.testing.capture_logs() as lines:
            anonymous.get("/api/v1/auth/me", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3"})
            line = _logged(lines, "/api/v1/auth/me")
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    # The first is what the client itself may have written.
    assert line["client"] == ("203.0.113.9" if trusted else "127.0.0.1")


def _logged(lines: Sequence[MutableMapping[str, Any]], path: str) -> MutableMapping[str, Any]:
    """The line about a request to `path`. It is written after the answer has left."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := [line for line in list(lines) if line.get("path") == path]:
            return found[0]
        time.sleep(0.01)
    raise AssertionError(f"no line about {path}")


def test_strangers_do_not_let_functions_be_registered(platform: PlatformUnderTest) -> None:
    with ApiClient(platform) as anonymous:
        for headers in ({}, {"X-RiverEdge-Register": "ab" * 32}, {"X-Inngest-Server-Kind": "dev"}):
            answer = anonymous.put("/api/inngest", headers=headers)
            assert answer.status_code == 403
            assert answer.headers["content-type"] == "application/problem+json"
            assert "x-request-id" in answer.headers
        # Inngest's own way is signed, and this is not.
        assert anonymous.put("/api/inngest", headers={"X-Inngest-Sync-Kind": "in_band"}).status_code == 401


def test_slow_heads_and_slow_bodies_come_to_an_end(tmp_path: Path) -> None:
    http = {"header_seconds": 0.5, "request_seconds": 0.5}
    with start("sqlite", tmp_path, http=http) as platform:
        for begun in (b"", b"GET /api/v1/auth/me HT"):
            assert raw(platform, begun) == b""
        head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
        said = raw(platform, head + b"Content-Length: 100\r\n\r\n{")
        assert said.startswith(b"HTTP/1.1 503")
        assert b"took longer" in said
