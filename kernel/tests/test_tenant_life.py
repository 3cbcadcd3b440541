"""An organisation's whole life: exported, deleted, taken back, erased, and brought in again from its archive."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from riveredge_example.models import Note
from riveredge_kernel.audit.models import AuditEntry
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.tenancy.deletion_routes import PURPOSE, content_hash
from riveredge_kernel.tenancy.models import Tenant
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk.models import TenantModel, tenant_models
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("engine")]

PASSWORD = "correct horse battery staple"
OPERATOR = {"Authorization": "Bearer operators-token-of-tests"}
EXPORTS, DELETION, TENANTS = "/api/v1/tenant/exports", "/api/v1/tenant/deletion", "/api/v1/operator/tenants"
SECRET = "s3cret-of-a-mail-server"
Files = dict[str, bytes]
Table = dict[UUID, dict[str, Any]]


@pytest.fixture(scope="module")
def platform(database_kind: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedPlatform]:
    """A platform whose operators have a token."""
    with start(database_kind, tmp_path_factory.mktemp("life"), ops={"token": "operators-token-of-tests"}) as made:
        yield made


@pytest.fixture
def owner(platform: ThreadedPlatform, tenant: TestTenant) -> Iterator[ApiClient]:
    """An administrator of `tenant` who has a password, and whose only organisation it is."""
    email = f"ada-{tenant.slug}@example.com"
    platform.run(platform.platform.provisioning.add_member(tenant.id, email, password=PASSWORD, roles=[ADMINISTRATOR]))
    with ApiClient(platform) as client:
        signed_in = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
        yield client


def seed(client: ApiClient) -> None:
    """Something of several plugins."""
    answers = [
        client.post("/api/v1/roles", json={"key": "custom.clerk", "title": "Clerk"}),
        client.post("/api/v1/service-accounts", json={"name": "Robot", "roles": ["custom.clerk"]}),
        client.post("/api/v1/api-keys", json={"name": "Mine", "permissions": ["example.note.read"]}),
        client.post("/api/v1/example/notes", json={"title": "Milk", "tags": ["a", "b"]}),
        client.post("/api/v1/example/notes", json={"title": "牛奶", "text": "x" * 5000}),
    ]
    assert [answer.status_code for answer in answers] == [201] * 5, [answer.text for answer in answers]
    settings = {"smtp_host": "mail.example", "smtp_password": SECRET}
    assert client.put("/api/v1/settings/messaging", json=settings).status_code == 200


def rows(platform: ThreadedPlatform, tenant: UUID, *, portable: bool = False) -> dict[str, Table]:
    """Everything that a tenant has, by table."""

    async def read() -> dict[str, Table]:
        found: dict[str, Table] = {}
        async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as db:
            for model in tenant_models():
                if "riveredge" in model.__module__ and (model.portable or not portable):
                    query: Any = select(model).where(col(model.tenant_id) == tenant)
                    if there := (await db.exec(query)).all():
                        found[str(model.__tablename__)] = {row.id: row.model_dump() for row in there}
        return found

    return platform.run(read())


def exported(platform: ThreadedPlatform, client: ApiClient) -> bytes:
    """The content of a new export."""
    asked = client.post(EXPORTS)
    assert asked.status_code == 202, asked.text
    platform.settle()
    archive = client.get(f"{EXPORTS}/{asked.json()['id']}").json()
    assert (archive["state"], archive["error"]) == ("completed", None)
    assert archive["progress"]["rows"] > 10
    content = client.get(f"{EXPORTS}/{archive['id']}/content")
    assert content.status_code == 200, content.text
    assert content.headers["cache-control"] == "no-store"
    return content.content


def unpacked(content: bytes) -> Files:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def ticket(client: ApiClient, tenant: TestTenant, *, purpose: str = PURPOSE) -> str:
    """A ticket for the deletion."""
    body = {"purpose": purpose, "content_hash": content_hash(tenant.id), "password": PASSWORD}
    answer = client.post("/api/v1/auth/tickets", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


def bring(client: ApiClient, content: bytes, **parameters: str) -> Any:
    """The answer to an import."""
    headers = {**OPERATOR, "Content-Type": "application/zip"}
    return client.post(f"{TENANTS}/import", content=content, params=parameters, headers=headers)


def plain(table: Table) -> list[dict[str, Any]]:
    """Rows without what an import does not keep."""
    hidden = {"secrets", "client_secret"}
    return sorted(({k: v for k, v in row.items() if k not in hidden} for row in table.values()), key=lambda r: r["id"])


def test_an_organisation_is_exported_erased_and_brought_in_again(  # noqa: PLR0917
    platform: ThreadedPlatform,
    tenant: TestTenant,
    other_tenant: TestTenant,
    as_user: AsUser,
    owner: ApiClient,
    anonymous: ApiClient,
) -> None:
    stranger = as_user(platform.permissions, tenant=other_tenant)
    seed(owner)
    seed(stranger)
    theirs = rows(platform, other_tenant.id, portable=True)
    content = exported(platform, owner)
    files = unpacked(content)
    everything = b"\n".join(files.values())
    manifest = json.loads(files["manifest.json"])
    assert manifest["organisation"]["slug"] == tenant.slug
    of_kernel = {table: left for table, left in manifest["left_out"].items() if table.startswith("kernel_")}
    assert of_kernel == {"kernel_tenant_settings": ["secrets"], "kernel_identity_provider": ["client_secret"]}
    for hidden in (SECRET, "gAAAAA", "rek_", "argon2", str(other_tenant.id)):
        assert hidden.encode() not in everything, hidden
    assert not [name for name in files if "kernel_api_key" in name or "kernel_outbox" in name]

    # -- the end, taken back once ----------------------------------------------------------------------------------
    body = {"slug": tenant.slug, "days": 2}
    asked = owner.post(DELETION, json=body)
    assert asked.json()["type"].endswith("reauthentication-required")
    assert (asked.json()["purpose"], asked.json()["content_hash"]) == (PURPOSE, content_hash(tenant.id))
    assert owner.post(DELETION, json={**body, "slug": "x", "ticket": ticket(owner, tenant)}).status_code == 422
    other_purpose = ticket(owner, tenant, purpose="contracts.sign")
    assert owner.post(DELETION, json={**body, "ticket": other_purpose}).status_code == 403
    used = ticket(owner, tenant)
    done = owner.post(DELETION, json={**body, "ticket": used})
    assert done.status_code == 202, done.text
    assert 0 < done.json()["seconds_left"] <= 2 * 86_400
    assert owner.get("/api/v1/example/notes").status_code == 403
    assert owner.get(DELETION).json()["status"] == "deleting"
    assert as_user({"kernel.tenant.read"}).get(DELETION).status_code == 403
    assert owner.post(f"{DELETION}/undo").status_code == 204
    assert owner.get("/api/v1/example/notes").status_code == 200
    platform.advance(_days(3))
    assert owner.get("/api/v1/example/notes").status_code == 200, "a deletion that was taken back does not happen"
    assert owner.post(DELETION, json={**body, "ticket": used}).status_code == 403, "a ticket is good once"

    # -- the end -----------------------------------------------------------------------------------------------------
    before = rows(platform, tenant.id, portable=True)
    content = exported(platform, owner)
    kept = rows(platform, tenant.id, portable=True)
    assert owner.post(DELETION, json={**body, "ticket": ticket(owner, tenant)}).status_code == 202
    platform.advance(_days(3))
    assert rows(platform, tenant.id) == {}
    still = rows(platform, other_tenant.id, portable=True)
    assert [table for table, there in theirs.items() if there.keys() - still[table].keys()] == []
    assert platform.run(_tombstone(platform, tenant)) == ("deleted", f"deleted-{tenant.id.hex}", "")
    assert owner.get("/api/v1/auth/me").status_code == 401, "an account that is nobody else's goes, too"
    proof = platform.run(_proof(platform, tenant))
    assert proof["rows"]["example_note"] == 2
    assert proof["rows"]["kernel_audit"] > 0

    # -- and back ----------------------------------------------------------------------------------------------------
    brought = bring(anonymous, content)
    assert brought.status_code == 201, brought.text
    assert (brought.json()["slug"], brought.json()["again"]) == (tenant.slug, False)
    assert bring(anonymous, content).json()["again"] is True, "the same archive comes in once"
    resumed = anonymous.post(f"{TENANTS}/{tenant.id}/resume", headers=OPERATOR)
    assert resumed.json()["status"] == "active", resumed.text
    after = rows(platform, tenant.id, portable=True)
    for table in before:
        if table not in {"kernel_audit", "kernel_timer"}:
            assert plain(after[table]) == plain(kept[table]), table
    assert len(after["kernel_audit"]) >= len(kept["kernel_audit"])
    assert after["kernel_tenant_settings"] != kept["kernel_tenant_settings"], "the secret is given anew"


def test_a_clash_is_named_and_nothing_comes_in(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, anonymous: ApiClient
) -> None:
    seed(client)
    content = exported(platform, client)
    there = bring(anonymous, content)
    assert there.status_code == 422
    assert f"{tenant.id} is here already" in there.json()["detail"]
    # As another organisation its rows would still have the ids of those that are here.
    moved = _changed(content, lambda files: _renamed(files, tenant, UUID(int=7)))
    clash = bring(anonymous, moved, slug=f"moved-{tenant.slug}"[:63])
    assert clash.status_code == 422
    assert "ids are taken here" in clash.json()["detail"]
    assert anonymous.get(f"{TENANTS}/{UUID(int=7)}", headers=OPERATOR).status_code == 404
    assert bring(anonymous, moved, slug=tenant.slug).json()["detail"].startswith("There is an organisation")


def test_forged_archives_are_refused_whole(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, anonymous: ApiClient
) -> None:
    """Each is an archive of an organisation that would otherwise come in."""
    client.post("/api/v1/example/notes", json={"title": "Milk"})
    good = exported(platform, client)
    fresh = UUID(int=tenant.id.int ^ 1)
    for attack, forge in _ATTACKS.items():
        answer = bring(anonymous, forge(good, tenant, fresh), slug=f"x{tenant.slug}"[:63])
        assert answer.status_code == 422, (attack, answer.text)
        if attack == "tenant":
            # Whose a row says it is is not even read: it is refused because its id is another's.
            assert "ids are taken here" in answer.json()["detail"], answer.text
        assert anonymous.get(f"{TENANTS}/{fresh}", headers=OPERATOR).status_code == 404, attack
        assert rows(platform, fresh) == {}, attack
    innocent = bring(anonymous, _packed(_moved(good, tenant, fresh)), slug=f"x{tenant.slug}"[:63])
    assert innocent.status_code == 201, "without a forgery it would have come in"


def test_routes_are_for_those_who_may(
    platform: ThreadedPlatform, client: ApiClient, other_tenant: TestTenant, as_user: AsUser, anonymous: ApiClient
) -> None:
    archive = client.post(EXPORTS).json()["id"]
    platform.settle()
    attacker = as_user(platform.permissions, tenant=other_tenant)
    for place in (f"{EXPORTS}/{archive}", f"{EXPORTS}/{archive}/content"):
        assert attacker.get(place).status_code == 404
    assert attacker.delete(f"{EXPORTS}/{archive}", headers={"If-Match": '"1"'}).status_code == 404
    assert as_user({"kernel.tenant.read", "kernel.tenant.write"}).post(EXPORTS).status_code == 403
    for method, path in (
        ("GET", ""),
        ("GET", f"/{other_tenant.id}"),
        ("POST", "/import"),
        ("POST", f"/{other_tenant.id}/suspend"),
        ("POST", f"/{other_tenant.id}/resume"),
        ("POST", f"/{other_tenant.id}/deletion"),
        ("POST", f"/{other_tenant.id}/deletion/undo"),
    ):
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": client.headers["Authorization"]}):
            refused = anonymous.request(method, TENANTS + path, headers=headers, json={} if method == "POST" else None)
            assert refused.status_code == 401, (method, path)
    told = anonymous.get(TENANTS, params={"limit": 200, "sort": "-created_at"}, headers=OPERATOR).json()["items"]
    assert str(other_tenant.id) in {one["id"] for one in told}
    suspended = anonymous.post(f"{TENANTS}/{other_tenant.id}/suspend", headers=OPERATOR).json()
    assert suspended["status"] == "suspended"
    gone = anonymous.post(f"{TENANTS}/{other_tenant.id}/deletion", json={"days": 0}, headers=OPERATOR)
    assert gone.json()["status"] == "deleting", gone.text
    platform.advance(_days(1))
    assert anonymous.get(f"{TENANTS}/{other_tenant.id}", headers=OPERATOR).json()["status"] == "deleted"
    assert rows(platform, other_tenant.id) == {}


def test_an_erasure_goes_on_after_the_engine_was_killed(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, anonymous: ApiClient
) -> None:
    seed(client)
    anonymous.post(f"{TENANTS}/{tenant.id}/deletion", json={"days": 0}, headers=OPERATOR)

    async def faults() -> None:
        platform.engine.faults.inject("lost-answer", function="riveredge-kernel-tenant_erasure", times=3)

    platform.run(faults())
    platform.run(platform.engine.crash())
    platform.advance(_days(1))
    assert rows(platform, tenant.id) == {}


# -- what the tests need --------------------------------------------------------------------------------------------


def _days(days: int) -> timedelta:
    return timedelta(days=days)


async def _tombstone(platform: ThreadedPlatform, tenant: TestTenant) -> tuple[str, str, str]:
    async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as db:
        row = (await db.exec(select(Tenant).where(col(Tenant.id) == tenant.id))).one()
        assert not (await db.exec(select(User).where(col(User.email) == f"ada-{tenant.slug}@example.com"))).all()
        return row.status, row.slug, row.name


async def _proof(platform: ThreadedPlatform, tenant: TestTenant) -> Any:
    async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as db:
        erased = col(AuditEntry.action) == "kernel.tenant.erase", col(AuditEntry.object_id) == str(tenant.id)
        return (await db.exec(select(AuditEntry).where(*erased))).one().details


def _packed(files: Files, **manifest: Any) -> bytes:
    """An archive of these files, with a manifest that fits them, apart from what is given."""
    told = json.loads(files["manifest.json"])
    told["parts"] = [
        {
            "name": name,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": content.count(b"\n") if name.endswith(".ndjson") else 0,
        }
        for name, content in files.items()
        if name != "manifest.json"
    ]
    told |= manifest
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, "manifest.json": json.dumps(told).encode()}.items():
            archive.writestr(name, content)
    return made.getvalue()


def _changed(content: bytes, change: Callable[[Files], Files]) -> bytes:
    return _packed(change(unpacked(content)))


def _renamed(files: Files, tenant: TestTenant, fresh: UUID) -> Files:
    return {name: content.replace(str(tenant.id).encode(), str(fresh).encode()) for name, content in files.items()}


def _moved(content: bytes, tenant: TestTenant, fresh: UUID) -> Files:
    """The files as those of another organisation, with rows that have other ids."""
    files = _renamed(unpacked(content), tenant, fresh)
    notes = next(name for name in files if "example_note/" in name)
    kept = {name: files[name] for name in ("manifest.json", "people.ndjson", notes)}
    row = json.loads(kept[notes].splitlines()[0])
    row["id"], row["author_id"] = str(UUID(int=fresh.int ^ 2)), None
    return {**kept, "people.ndjson": b"", notes: json.dumps(row).encode() + b"\n"}


def _row(files: Files, **values: Any) -> Files:
    notes = next(name for name in files if "example_note/" in name)
    return {**files, notes: json.dumps({**json.loads(files[notes]), **values}).encode() + b"\n"}


def _bomb(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = _moved(content, tenant, fresh)
    return _packed({**files, "files/bomb": b"\0" * 60_000_000})


def _liar(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    """A part that says it is small, and is not."""
    files = _moved(content, tenant, fresh)
    honest = unpacked(_packed({**files, "files/liar": b"\0" * 10}))
    told = json.loads(honest["manifest.json"])
    return _packed({**files, "files/liar": b"\0" * 5_000_000}, parts=told["parts"])


def _checksum(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = _moved(content, tenant, fresh)
    told = json.loads(unpacked(_packed(files))["manifest.json"])
    return _packed(_row(files, title="Forged"), parts=told["parts"])


def _unlisted(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = _moved(content, tenant, fresh)
    told = json.loads(unpacked(_packed(files))["manifest.json"])
    return _packed({**files, "files/more": b"x"}, parts=told["parts"])


def _twice(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    packed = io.BytesIO(_packed(_moved(content, tenant, fresh)))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("people.ndjson", b"")
    return packed.getvalue()


def _link(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = _moved(content, tenant, fresh)
    told = json.loads(unpacked(_packed({**files, "files/link": b"/etc/passwd"}))["manifest.json"])
    packed = io.BytesIO(_packed(files, parts=told["parts"]))
    with zipfile.ZipFile(packed, "a") as archive:
        info = zipfile.ZipInfo("files/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return packed.getvalue()


_ATTACKS: dict[str, Callable[[bytes, TestTenant, UUID], bytes]] = {
    "checksum": _checksum,
    "traversal": lambda c, t, f: _packed({**_moved(c, t, f), "files/../../evil": b"x"}),
    "unlisted": _unlisted,
    "twice": _twice,
    "bomb": _bomb,
    "liar": _liar,
    "no-zip": lambda _c, _t, _f: b"PK\x03\x04 this is none",
    "future": lambda c, t, f: _packed(_moved(c, t, f), revisions={"kernel": "9999"}),
    "column": lambda c, t, f: _packed(_row(_moved(c, t, f), is_admin=True)),
    "value": lambda c, t, f: _packed(_row(_moved(c, t, f), title=["no", "text"])),
    # The row of another organisation, under its own id.
    "tenant": lambda c, t, f: _packed(
        _row(_moved(c, t, f), id=json.loads(unpacked(c)[_notes(c)].splitlines()[0])["id"], tenant_id=str(t.id))
    ),
    "link": _link,
}


def _notes(content: bytes) -> str:
    return next(name for name in unpacked(content) if "example_note/" in name)


def test_the_kernel_knows_what_goes_along() -> None:
    """A row that goes along refers to none that does not."""
    tables = {str(model.__tablename__): model for model in tenant_models()}
    for model in tables.values():
        table: Any = getattr(model, "__table__")  # noqa: B009  (typed classes do not show it)
        for key in table.foreign_keys if model.portable else ():
            target = tables.get(key.column.table.name)
            assert target is None or target.portable, f"{table.name} refers to {key.column.table.name}"
    assert Note.portable
    assert issubclass(Note, TenantModel)
