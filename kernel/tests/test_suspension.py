"""A tenant that is suspended: nobody gets in, nothing runs, and what ran has ended visibly."""

import time
from datetime import UTC, datetime

import pytest

from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant

pytestmark = pytest.mark.database


def set_status(platform: ThreadedPlatform, tenant: TestTenant, status: TenantStatus) -> int:
    async def change() -> int:
        with use_context(Context(runtime=platform.platform.runtime)):
            return await platform.platform.provisioning.set_status(tenant.slug, status)

    return platform.run(change())


def runs(client: ApiClient) -> list[tuple[str, str | None]]:
    found = client.get("/api/v1/runs").json()["items"]
    return [(run["status"], run["error"]) for run in found if run["function"] == "example.remind"]


def test_nobody_of_it_gets_in(platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> None:
    assert client.get("/api/v1/example/notes").status_code == 200
    set_status(platform, tenant, TenantStatus.SUSPENDED)
    for path in ("/example/notes", "/messaging/inbox", "/tenant", "/navigation", "/stream/topics", "/audit"):
        refused = client.get(f"/api/v1{path}")
        assert (refused.status_code, refused.json()["detail"]) == (403, "This organisation is suspended."), path
    assert client.post("/api/v1/stream/tickets").status_code == 403
    assert client.get("/api/v1/auth/me").status_code == 200
    set_status(platform, tenant, TenantStatus.ACTIVE)
    assert client.get("/api/v1/example/notes").status_code == 200


def test_another_tenant_is_served_all_the_while(
    platform: ThreadedPlatform, other_tenant: TestTenant, client: ApiClient
) -> None:
    set_status(platform, other_tenant, TenantStatus.SUSPENDED)
    assert client.get("/api/v1/example/notes").status_code == 200


def test_runs_under_way_end_visibly_and_stay_ended(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, engine: EngineControl
) -> None:
    note = {"title": "Milk", "remind_at": datetime.now(UTC).isoformat()}
    assert client.post("/api/v1/example/notes", json=note).status_code == 201
    for _ in range(1200):
        if runs(client):
            break
        time.sleep(0.05)
    engine.run_until_idle()
    assert runs(client) == [("running", None)]
    assert set_status(platform, tenant, TenantStatus.SUSPENDED) == 1
    set_status(platform, tenant, TenantStatus.ACTIVE)
    ended = [("cancelled", "The organisation was suspended.")]
    assert runs(client) == ended
    engine.advance(days=3)
    assert runs(client) == ended


def test_its_log_tells_of_it_once(platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> None:
    for status in (TenantStatus.SUSPENDED, TenantStatus.SUSPENDED, TenantStatus.ACTIVE):
        set_status(platform, tenant, status)
    told = [(one["action"], one["actor_kind"]) for one in client.get("/api/v1/audit").json()["items"]]
    assert told == [("kernel.tenant.resume", "operator"), ("kernel.tenant.suspend", "operator")]
