"""Health and metrics: what they show, and to whom."""

import socket
from pathlib import Path

import httpx2
import pytest

from riveredge_kernel.testing import start
from riveredge_sdk.metrics import counter
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest

TOKEN = "a-token-of-the-operators"


@pytest.mark.database
def test_metrics_tell_of_requests_checks_and_plugins(platform: PlatformUnderTest, anonymous: ApiClient) -> None:
    anonymous.get("/api/v1/auth/me")
    text = anonymous.get("/metrics").text
    assert 'riveredge_http_request_seconds_count{operation="auth.me",status="4xx"}' in text
    assert 'riveredge_health_ok{check="kernel.database"} 1.0' in text
    assert 'riveredge_health_value{check="kernel.outbox",name="oldest_seconds"}' in text
    assert 'riveredge_health_value{check="kernel.database",name="app_connections"}' in text
    assert 'riveredge_plugin_active{plugin="messaging"} 1.0' in text
    assert "tenant" not in {part for line in text.splitlines() if "{" in line for part in line.split('"')[::2]}


def test_names_and_labels_of_metrics_are_bounded() -> None:
    with pytest.raises(ValueError, match="<plugin>_<what>"):
        counter("Deliveries", "x")
    for label in ("tenant", "user_id", "email", "path"):
        with pytest.raises(ValueError, match="bounded"):
            counter("test_deliveries", "x", [label])


def test_in_production_strangers_see_no_more_than_readiness(tmp_path: Path) -> None:
    with start("sqlite", tmp_path, environment="production") as platform, ApiClient(platform) as anonymous:
        assert anonymous.get("/health/live").json() == {"status": "ok"}
        assert anonymous.get("/health/ready").json() == {"status": "ok"}
        for path in ("/metrics", "/health/plugins"):
            refused = anonymous.get(path)
            assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
            assert "RIVEREDGE_OPS__TOKEN" in refused.json()["detail"]


def test_with_a_token_who_has_it_sees_everything(tmp_path: Path) -> None:
    ops = {"token": TOKEN}
    with start("sqlite", tmp_path, environment="production", ops=ops) as platform, ApiClient(platform) as anonymous:
        right = {"Authorization": f"Bearer {TOKEN}"}
        for wrong in ("", "Bearer", "Bearer nonsense", f"Basic {TOKEN}", "Bearer \u00e9"):
            headers = {b"Authorization": wrong.encode("latin-1")}
            assert anonymous.get("/metrics", headers=headers).status_code == 401
        assert "riveredge_info" in anonymous.get("/metrics", headers=right).text
        assert anonymous.get("/health/plugins", headers=right).json()["plugins"]
        assert anonymous.get("/health/ready", headers=right).json()["checks"]
        assert "checks" not in anonymous.get("/health/ready").json()


def test_operators_may_have_a_port_of_their_own(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start("sqlite", tmp_path, ops={"port": port}) as platform, ApiClient(platform) as anonymous:
        assert anonymous.get("/metrics").status_code == 404
        assert "riveredge_info" in httpx2.get(f"http://127.0.0.1:{port}/metrics").text
        assert httpx2.get(f"http://127.0.0.1:{port}/api/v1/auth/me").status_code == 404


def test_a_platform_that_is_about_to_stop_is_not_ready(tmp_path: Path) -> None:
    with start("sqlite", tmp_path) as platform, ApiClient(platform) as anonymous:
        platform.platform.draining = True
        answer = anonymous.get("/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"status": "stopping"})
        assert anonymous.get("/health/live").status_code == 200
