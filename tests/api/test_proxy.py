"""The nginx configuration of deploy/nginx, in a real nginx before a running platform."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk.testing.platform import TestUser

CONFIG = Path(__file__).resolve().parents[2] / "deploy/nginx/riveredge.conf"
HOST = "riveredge.example.com"
# A client that is not the proxy: all of 127.0.0.0/8 is this machine.
CLIENT = "127.0.0.5"


@dataclass
class Behind:
    """A platform behind nginx."""

    platform: ThreadedPlatform
    user: TestUser
    port: int
    tls: ssl.SSLContext

    def client(self, **headers: str) -> httpx2.Client:
        transport = httpx2.HTTPTransport(verify=self.tls, local_address=CLIENT)
        given = {"Host": HOST, "Authorization": f"Bearer {self.user.token}", **headers}
        return httpx2.Client(
            base_url=f"https://127.0.0.1:{self.port}", transport=transport, headers=given, trust_env=False, timeout=30
        )

    def socket(self, ticket: str, *, origin: str) -> ClientConnection:
        reached = socket.create_connection(("127.0.0.1", self.port))
        return connect(
            f"wss://{HOST}/api/v1/stream?ticket={ticket}",
            sock=reached,
            ssl=self.tls,
            origin=Origin(origin),
            proxy=None,
            open_timeout=60,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        assert not os.environ.get("CI"), "CI needs nginx"
        pytest.skip("no nginx here")
    place = tmp_path_factory.mktemp("proxy")
    certificate, key = place / "fullchain.pem", place / "privkey.pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={HOST} -addext subjectAltName=DNS:{HOST}"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    settings: dict[str, Any] = {
        "environment": "production",
        "public_url": f"https://{HOST}",
        "http": {"trusted_proxies": ["127.0.0.1"], "drain_seconds": 0},
        "max_body_bytes": 100_000,
        "stream": {"heartbeat_seconds": 1},
    }
    with start("sqlite", place, **settings) as platform:
        plain, secure = _free_port(), _free_port()
        text = CONFIG.read_text()
        for written, meant in {
            "127.0.0.1:8000": urlsplit(platform.platform.address).netloc,
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl": f"listen 127.0.0.1:{secure} ssl",
            "/etc/ssl/riveredge": str(place),
        }.items():
            assert written in text
            text = text.replace(written, meant)
        account = "root" if os.getuid() == 0 else "nobody"
        top = f"user {account}; pid {place}/pid; error_log {place}/error.log; events {{}}"
        temporary = " ".join(
            f"{name}_temp_path {place}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (place / "nginx.conf").write_text(f"{top}\nhttp {{ access_log off; {temporary}\n{text}\n}}\n")
        run = [nginx, "-p", str(place), "-c", str(place / "nginx.conf"), "-g", "daemon off;"]
        process = subprocess.Popen(run, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 20
            while not _answers(secure):
                assert process.poll() is None, (place / "error.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            tenant = platform.create_tenant("acme")
            user = platform.create_user(tenant, platform.permissions)
            tls = ssl.create_default_context(cafile=str(certificate))
            tls.check_hostname = False
            yield Behind(platform, user, secure, tls)
        finally:
            process.terminate()
            process.wait(20)


def test_who_asks_is_told_by_the_proxy_alone(behind: Behind) -> None:
    with behind.client(**{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "ftp"}) as client:
        made = client.post("/api/v1/roles", json={"key": "a.b", "title": "B"})
        assert made.status_code == 201, made.text
        assert "max-age" in made.headers["strict-transport-security"]
        (entry,) = client.get("/api/v1/audit").json()["items"]
    assert entry["address"] == CLIENT
    # Inside, nobody may say where others are.
    forged = {"Authorization": f"Bearer {behind.user.token}", "X-Forwarded-For": "203.0.113.9", "Host": "evil.example"}
    assert httpx2.get(f"{behind.platform.platform.address}/api/v1/auth/me", headers=forged).status_code == 400


@pytest.mark.parametrize("path", ["/api/inngest", "/metrics", "/health/plugins"])
def test_what_is_for_the_inside_stays_there(behind: Behind, path: str) -> None:
    with behind.client() as client:
        assert client.put(path).status_code == client.get(path).status_code == 404
        assert client.get("/health/ready").status_code == 200


def test_the_platform_answers_for_large_bodies(behind: Behind) -> None:
    with behind.client() as client:
        answer = client.post("/api/v1/roles", content=b"x" * 200_000, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_streams_pass_as_they_come(behind: Behind) -> None:
    with behind.client(Origin=f"https://{HOST}") as client:
        ticket = client.post("/api/v1/stream/tickets").json()["ticket"]
        # The first words arrive although the answer has no end.
        with client.stream("GET", "/api/v1/stream", params={"ticket": ticket, "topic": "kernel.runs"}) as answer:
            assert answer.status_code == 200, answer.read()
            assert next(answer.iter_lines())
        tickets = [client.post("/api/v1/stream/tickets").json()["ticket"] for _ in range(2)]
    with behind.socket(tickets[0], origin=f"https://{HOST}") as live:
        assert '"hello"' in str(live.recv(20))
    with pytest.raises(InvalidStatus) as refused, behind.socket(tickets[1], origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403
