"""The audit log: what is in it, who reads it, and that nobody changes it."""

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select

from riveredge_kernel.audit.log import AuditLog, entry
from riveredge_kernel.audit.models import AuditEntry
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import TenantWallError, unit_of_work
from riveredge_sdk.audit import AuditRecord, record
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database


def where(**equal: str) -> dict[str, str]:
    conditions = [{"field": name, "op": "eq", "value": value} for name, value in equal.items()]
    return {"filter": json.dumps({"match": "all", "conditions": conditions})}


def entries(client: ApiClient, **equal: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/audit", params=where(**equal))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_a_change_is_told_with_who_what_and_from_where(client: ApiClient) -> None:
    made = client.post("/api/v1/roles", json={"key": "a.b", "title": "B"}, headers={"X-Request-ID": "req-1"})
    (one,) = entries(client, object_id=made.json()["id"])
    assert client.user is not None
    assert (one["action"], one["object_kind"], one["object_title"]) == ("access.create_role", "kernel.role", "B")
    assert (one["actor_kind"], one["actor_id"]) == ("user", str(client.user.id))
    assert (one["address"], one["request_id"]) == ("127.0.0.1", "req-1")
    assert one["details"] == {"fields": ["key", "title"]}
    assert client.get(f"/api/v1/audit/{one['id']}").json() == one


def test_what_fails_and_what_only_reads_is_no_entry(client: ApiClient) -> None:
    client.post("/api/v1/roles", json={"key": "no key!", "title": "B"})
    client.get("/api/v1/roles")
    assert entries(client) == []


def test_a_repeated_request_is_one_entry(client: ApiClient) -> None:
    for _ in range(2):
        client.post("/api/v1/roles", json={"key": "a.b", "title": "B"}, headers={"Idempotency-Key": "once"})
    assert len(entries(client, action="access.create_role")) == 1


def test_values_of_settings_are_not_told(client: ApiClient) -> None:
    client.put("/api/v1/settings/messaging", json={"smtp_password": "s3cret-word"})
    answer = client.get("/api/v1/audit")
    assert "s3cret-word" not in answer.text
    (one,) = answer.json()["items"]
    assert (one["object_kind"], one["object_id"]) == ("kernel.settings", "messaging")
    assert one["details"] == {"fields": ["smtp_password"]}


def test_a_plugin_declares_what_its_routes_change(client: ApiClient) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Milk"}).json()
    client.patch(f"/api/v1/example/notes/{note['id']}", json={"title": "Tea"}, headers={"If-Match": '"1"'})
    client.delete(f"/api/v1/example/notes/{note['id']}", headers={"If-Match": '"2"'})
    told = [one["action"] for one in entries(client, object_kind="example.note", object_id=note["id"])]
    assert told == ["example.delete_note", "example.change_note", "example.create_note"]


def test_an_entry_comes_and_goes_with_its_work(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient
) -> None:
    async def work(*, fails: bool) -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                record("example.note.stamp", "example.note", "7", title="Seven", details={"round": 2})
                if fails:
                    raise KeyError

    with pytest.raises(KeyError):
        platform.run(work(fails=True))
    assert entries(client) == []
    platform.run(work(fails=False))
    (one,) = entries(client)
    assert (one["actor_kind"], one["object_title"], one["details"]) == ("system", "Seven", {"round": 2})


def test_an_entry_is_written_for_no_other_tenant(
    platform: ThreadedPlatform, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    async def work() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                record("example.note.stamp", "example.note", "7", tenant_id=other_tenant.id)

    with pytest.raises(TenantWallError):
        platform.run(work())


def test_the_log_is_for_its_tenant_and_for_those_who_may(
    client: ApiClient, as_user: AsUser, other_tenant: TestTenant, platform: ThreadedPlatform
) -> None:
    client.post("/api/v1/roles", json={"key": "a.b", "title": "B"})
    (one,) = entries(client)
    stranger = as_user(platform.permissions, tenant=other_tenant)
    assert entries(stranger) == []
    assert stranger.get(f"/api/v1/audit/{one['id']}").status_code == 404
    assert stranger.get("/api/v1/audit/export").text == ""
    for path in ("", "/export", f"/{one['id']}"):
        assert as_user({"kernel.role.write"}).get(f"/api/v1/audit{path}").status_code == 403


def test_the_log_is_taken_along_whole(client: ApiClient) -> None:
    made = [client.post("/api/v1/roles", json={"key": f"a.r{n}", "title": "R"}).json()["id"] for n in range(205)]
    answer = client.get("/api/v1/audit/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["object_id"] for line in lines] == made
    some = client.get("/api/v1/audit/export", params={**where(object_id=made[3]), "format": "csv"})
    assert [row["object_id"] for row in csv.DictReader(io.StringIO(some.text))] == [made[3]]
    wrong = client.get("/api/v1/audit/export", params={"filter": '{"conditions":[{"field":"x"}]}'})
    assert wrong.status_code == 422


@pytest.mark.parametrize("formula", ['=cmd|"/c calc"!A1', "+1", "-1", "@SUM(A1)"])
def test_a_spreadsheet_gets_no_formula(client: ApiClient, formula: str) -> None:
    client.post("/api/v1/roles", json={"key": "a.b", "title": formula})
    answer = client.get("/api/v1/audit/export", params={"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["object_title"] == f"'{formula}"


@pytest.mark.parametrize("role", ["url", "owner_url", "system_url"])
@pytest.mark.parametrize("statement", ["UPDATE kernel_audit SET action = 'x.y'", "DELETE FROM kernel_audit"])
def test_the_database_refuses_changes_by_every_role(
    platform: ThreadedPlatform, client: ApiClient, role: str, statement: str
) -> None:
    client.post("/api/v1/roles", json={"key": "a.b", "title": "B"})
    (before,) = entries(client)
    settings = platform.platform.settings.database
    address = str(getattr(settings, role) or settings.url)

    async def attack() -> None:
        engine = create_async_engine(address)
        try:
            async with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    setting = f"SELECT set_config('app.tenant_id', '{client.user.tenant.id}', true)"  # type: ignore[union-attr]
                    await connection.execute(text(setting))
                await connection.execute(text(statement))
        finally:
            await engine.dispose()

    with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
        platform.run(attack())
    assert entries(client) == [before]


def test_the_serving_role_cannot_open_the_log(platform: ThreadedPlatform) -> None:
    if platform.kind == "sqlite":
        return  # It knows no roles.

    async def attack() -> None:
        engine = create_async_engine(platform.platform.settings.database_url)
        try:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT 1 FROM kernel_audit_maintenance"))
        finally:
            await engine.dispose()

    with pytest.raises(DBAPIError, match="permission denied"):
        platform.run(attack())


def test_old_entries_go_by_the_retention(platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> None:
    client.post("/api/v1/roles", json={"key": "a.b", "title": "B"})
    kernel = platform.platform
    ended = platform.now().replace(year=2001)

    async def seen() -> list[str]:
        async with kernel.database.system("test", kernel.runtime, read_only=True) as db:
            query = select(AuditEntry.action).where(AuditEntry.tenant_id == tenant.id)
            return list((await db.exec(query)).all())

    async def both() -> tuple[list[str], int, list[str]]:
        with use_context(platform.context(tenant)):
            async with kernel.database.system("test", kernel.runtime) as db:
                old = entry(AuditRecord(action="a.b.c", object_kind="a.b", object_id="1", tenant_id=tenant.id))
                old.created_at = ended
                db.add(old)
        await AuditLog(kernel.database, kernel.runtime, None).prune()
        before = await seen()
        return before, await AuditLog(kernel.database, kernel.runtime, 365).prune(), await seen()

    before, removed, after = platform.run(both())
    assert sorted(before) == ["a.b.c", "access.create_role"]
    assert (removed, after) == (1, ["access.create_role"])
