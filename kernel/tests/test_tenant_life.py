"""An organisation's whole life: exported, deleted, taken back, erased, and brought in again from its archive."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from riveredge_example.models import Note
from riveredge_kernel.archives.models import ImportPart
from riveredge_kernel.archives.receiving import ImportRef
from riveredge_kernel.audit.models import AuditEntry
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.tenancy.deletion_routes import PURPOSE, content_hash
from riveredge_kernel.tenancy.models import Tenant
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.models import TenantModel, tenant_models, utcnow
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .forgeries import ATTACKS, changed, moved, packed, renamed, unpacked
from .organisations import (
    DELETION,
    EXPORTS,
    IMPORTS,
    OPERATOR,
    PASSWORD,
    SECRET,
    TENANTS,
    Table,
    ask_export,
    bring,
    exported,
    rows,
    seed,
    send,
    ticket,
)

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("engine")]


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


def plain(table: Table) -> list[dict[str, Any]]:
    """Rows without what an import does not keep."""
    # `version` counts the changes here.
    hidden = {"secrets", "client_secret", "version"}
    return sorted(({k: v for k, v in row.items() if k not in hidden} for row in table.values()), key=lambda r: r["id"])


def test_operators_create_an_organisation_and_ask_its_administrator_in(
    platform: ThreadedPlatform, tenant: TestTenant, anonymous: ApiClient
) -> None:
    slug, email = f"new-{tenant.slug}"[:63], f"bo-{tenant.slug}@example.com"
    wrong = anonymous.post(TENANTS, json={"slug": "No", "locale": "xx", "timezone": "Mars/X"}, headers=OPERATOR).json()
    assert {error["field"] for error in wrong["errors"]} == {"slug", "locale", "timezone"}
    body = {"slug": slug, "name": "New", "locale": "zh-CN", "timezone": "Asia/Shanghai"}
    made = anonymous.post(TENANTS, json=body, headers=OPERATOR)
    assert made.status_code == 201, made.text
    assert made.json() == anonymous.get(made.headers["location"], headers=OPERATOR).json()
    assert {name: made.json()[name] for name in body} == body
    assert anonymous.post(TENANTS, json=body, headers=OPERATOR).status_code == 409

    place = f"{TENANTS}/{made.json()['id']}/administrators"
    asked = anonymous.post(place, json={"email": email, "by_hand": True}, headers=OPERATOR)
    assert asked.status_code == 201, asked.text
    assert (asked.json()["roles"], asked.json()["inviter"]) == ([ADMINISTRATOR], "平台运营方")
    assert anonymous.post(place, json={"email": email, "by_hand": True}, headers=OPERATOR).status_code == 409
    secret = asked.json()["link"].partition("#token=")[2]
    joined = anonymous.post("/api/v1/auth/invitations/accept", json={"token": secret, "password": PASSWORD}).json()
    administrator = {"Authorization": f"Bearer {joined['access_token']}"}
    log = anonymous.get("/api/v1/audit", headers=administrator).json()["items"]
    told = {entry["action"]: entry["actor_kind"] for entry in log}
    assert told["kernel.tenant.create"] == told["kernel.tenant.invite_administrator"] == "operator"
    anonymous.post(f"{TENANTS}/{made.json()['id']}/suspend", headers=OPERATOR)
    refused = anonymous.post(place, json={"email": "c@example.com", "by_hand": True}, headers=OPERATOR)
    assert refused.status_code == 409


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
    for_deletion = ticket(owner, tenant)
    assert owner.post(EXPORTS, json={"ticket": for_deletion}).status_code == 403, "a ticket is for one thing"
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
    brought = bring(platform, anonymous, content)
    assert (brought["state"], brought["error"], brought["slug"]) == ("completed", None, tenant.slug)
    assert (brought["organisation_id"], brought["again"]) == (str(tenant.id), False)
    there = [part for part in json.loads(unpacked(content)["manifest.json"])["parts"] if "tables/" in part["name"]]
    assert brought["rows"] == brought["rows_total"] == sum(part["rows"] for part in there)
    assert (brought["size"], brought["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert bring(platform, anonymous, content)["again"] is True, "the same archive comes in once"
    resumed = anonymous.post(f"{TENANTS}/{tenant.id}/resume", headers=OPERATOR)
    assert resumed.json()["status"] == "active", resumed.text
    after = rows(platform, tenant.id, portable=True)
    for table in before:
        if table not in {"kernel_audit", "kernel_timer"}:
            assert plain(after[table]) == plain(kept[table]), table
    assert len(after["kernel_audit"]) >= len(kept["kernel_audit"])
    assert after["kernel_tenant_settings"] != kept["kernel_tenant_settings"], "the secret is given anew"


def test_a_clash_is_named_and_nothing_comes_in(
    platform: ThreadedPlatform, tenant: TestTenant, owner: ApiClient, anonymous: ApiClient
) -> None:
    seed(owner)
    content = exported(platform, owner)
    there = bring(platform, anonymous, content)
    assert there["state"] == "failed"
    assert f"{tenant.id} is here already" in there["error"]
    # As another organisation its rows would still have the ids of those that are here.
    foreign = changed(content, lambda files: renamed(files, tenant, UUID(int=7)))
    clash = bring(platform, anonymous, foreign, slug=f"moved-{tenant.slug}"[:63])
    assert clash["state"] == "failed"
    assert "ids are taken here" in clash["error"]
    assert anonymous.get(f"{TENANTS}/{UUID(int=7)}", headers=OPERATOR).status_code == 404
    assert bring(platform, anonymous, foreign, slug=tenant.slug)["error"].startswith("There is an organisation")


def test_forged_archives_are_refused_whole(
    platform: ThreadedPlatform, tenant: TestTenant, owner: ApiClient, anonymous: ApiClient
) -> None:
    """Each is an archive of an organisation that would otherwise come in."""
    owner.post("/api/v1/example/notes", json={"title": "Milk"})
    good = exported(platform, owner)
    fresh = UUID(int=tenant.id.int ^ 1)
    for attack, forge in ATTACKS.items():
        ended = bring(platform, anonymous, forge(good, tenant, fresh), slug=f"x{tenant.slug}"[:63])
        assert ended["state"] == "failed", attack
        if attack == "tenant":
            # Whose a row says it is is not even read: it is refused because its id is another's.
            assert "ids are taken here" in ended["error"], ended
        assert anonymous.get(f"{TENANTS}/{fresh}", headers=OPERATOR).status_code == 404, attack
        assert rows(platform, fresh) == {}, attack
    innocent = bring(platform, anonymous, packed(moved(good, tenant, fresh)), slug=f"x{tenant.slug}"[:63])
    assert innocent["state"] == "completed", "without a forgery it would have come in"


def limit(anonymous: ApiClient, tenant: TestTenant, limits: dict[str, int]) -> None:
    """Set the organisation's quotas, as operators do."""
    place = f"{TENANTS}/{tenant.id}"
    headers = {**OPERATOR, "If-Match": anonymous.get(place, headers=OPERATOR).headers["etag"]}
    answer = anonymous.put(f"{place}/quotas", json={"limits": limits}, headers=headers)
    assert answer.status_code == 200, answer.text


def used(owner: ApiClient, quota: str) -> int:
    """How much of it there is."""
    return int({one["id"]: one for one in owner.get("/api/v1/quotas").json()}[quota]["used"])


def test_exports_are_limited_in_bytes(
    platform: ThreadedPlatform, tenant: TestTenant, owner: ApiClient, anonymous: ApiClient
) -> None:
    exported(platform, owner)
    kept = used(owner, "kernel.exports")
    assert kept > 500
    limit(anonymous, tenant, {"kernel.exports": kept})
    refused = ask_export(owner).json()
    assert (refused["quota"], refused["limit"], refused["used"]) == ("kernel.exports", kept, kept)
    limit(anonymous, tenant, {"kernel.exports": kept + 100})
    begun = ask_export(owner).json()
    platform.settle()
    failed = owner.get(f"{EXPORTS}/{begun['id']}").json()
    assert failed["state"] == "failed"
    assert f"may have {kept + 100} bytes" in failed["error"]
    assert used(owner, "kernel.exports") == kept, "what was too much is not kept"


def test_the_storage_is_the_sum_of_all_that_is_counted_in_bytes(  # noqa: PLR0917
    platform: ThreadedPlatform,
    tenant: TestTenant,
    owner: ApiClient,
    anonymous: ApiClient,
    as_user: AsUser,
    other_tenant: TestTenant,
) -> None:
    def send(size: int, sender: ApiClient = owner) -> Any:
        message = {"template": "messaging.welcome", "to": [owner_id], "data": {"product": "x"}}
        file = {"name": "a.txt", "content": base64.b64encode(bytes(size)).decode()}
        return sender.post("/api/v1/messaging/messages", json={**message, "attachments": [file]})

    owner_id = owner.get("/api/v1/auth/me").json()["user"]["id"]
    exported(platform, owner)
    assert "ratelimit" not in send(100).headers, "there is no limit of the sum"
    kept = used(owner, "kernel.exports") + 100
    assert used(owner, "kernel.storage") == kept
    most = kept + 1000
    limit(anonymous, tenant, {"kernel.storage": most, "kernel.requests_per_minute": 1000})

    fits = send(990)
    assert fits.status_code == 202, fits.text
    assert fits.headers["ratelimit-policy"] == f'"minute";q=1000;w=60, "storage";q={most};qu="content-bytes"'
    assert fits.headers["ratelimit"].endswith(', "storage";r=10')
    assert "storage" not in owner.get("/api/v1/quotas").headers["ratelimit"]
    refused = send(11)
    assert (refused.status_code, refused.headers["ratelimit"].rpartition(", ")[2]) == (403, '"storage";r=10')
    problem = refused.json()
    assert problem["type"] == "urn:riveredge:problem:quota-exceeded"
    assert (problem["quota"], problem["limit"], problem["used"]) == ("kernel.storage", most, most - 10)
    assert send(10).headers["ratelimit"].endswith('"storage";r=0')
    assert used(owner, "kernel.storage") == most
    assert ask_export(owner).json()["quota"] == "kernel.storage"
    stranger = as_user(platform.permissions, tenant=other_tenant)
    assert stranger.user is not None
    owner_id = str(stranger.user.id)
    assert send(5000, stranger).status_code == 202, "others have their own"


def test_routes_are_for_those_who_may(
    platform: ThreadedPlatform, owner: ApiClient, other_tenant: TestTenant, as_user: AsUser, anonymous: ApiClient
) -> None:
    archive = ask_export(owner).json()["id"]
    platform.settle()
    attacker = as_user(platform.permissions, tenant=other_tenant)
    for place in (f"{EXPORTS}/{archive}", f"{EXPORTS}/{archive}/content"):
        assert attacker.get(place).status_code == 404
    assert attacker.delete(f"{EXPORTS}/{archive}", headers={"If-Match": '"1"'}).status_code == 404
    assert as_user({"kernel.tenant.read", "kernel.tenant.write"}).post(EXPORTS, json={}).status_code == 403
    administrators = f"{TENANTS}/{other_tenant.id}/administrators"
    bodies = {TENANTS: {"slug": "mine"}, administrators: {"email": "eve@example.com", "by_hand": True}}
    for method, path in (
        ("POST", TENANTS),
        ("POST", administrators),
        ("GET", TENANTS),
        ("GET", f"{TENANTS}/{other_tenant.id}"),
        ("POST", f"{TENANTS}/{other_tenant.id}/suspend"),
        ("POST", f"{TENANTS}/{other_tenant.id}/resume"),
        ("POST", f"{TENANTS}/{other_tenant.id}/deletion"),
        ("POST", f"{TENANTS}/{other_tenant.id}/deletion/undo"),
        ("POST", IMPORTS),
        ("GET", IMPORTS),
        ("GET", f"{IMPORTS}/{archive}"),
        ("DELETE", f"{IMPORTS}/{archive}"),
    ):
        for given in ({}, {"Authorization": "Bearer x"}, {"Authorization": owner.headers["Authorization"]}):
            headers = {**given, "If-Match": '"1"'}
            body = bodies.get(path, {}) if method == "POST" else None
            refused = anonymous.request(method, path, headers=headers, json=body)
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
    there = {table: len(found) for table, found in rows(platform, tenant.id, portable=True).items()}
    faulty(platform, "lost-answer", "kernel-tenant_erasure", times=3)
    platform.run(platform.engine.crash())
    platform.advance(_days(1))
    assert rows(platform, tenant.id) == {}
    proof = platform.run(_proof(platform, tenant))["rows"]
    assert {table: proof.get(table) for table in there} == there, "what was erased before the crash is counted, too"


def test_an_import_is_looked_at_repeated_and_cancelled(
    platform: ThreadedPlatform, tenant: TestTenant, owner: ApiClient, anonymous: ApiClient
) -> None:
    owner.post("/api/v1/example/notes", json={"title": "Milk"})
    original = exported(platform, owner)
    content = packed(moved(original, tenant, fresh := UUID(int=tenant.id.int ^ 4)))
    slug = f"x{tenant.slug}"[:63]
    for body in (b"", b"<html>"):
        assert "no ZIP file" in send(anonymous, body).json()["detail"]
    assert send(anonymous, content, slug="No Slug").json()["errors"][0]["field"] == "query.slug"

    faulty(platform, "unreachable", "kernel-tenant_import")
    waiting = send(anonymous, content, slug=slug).json()
    platform.settle()
    place = f"{IMPORTS}/{waiting['id']}"
    looked = anonymous.get(place, headers=OPERATOR)
    assert (looked.json()["state"], looked.json()["size"], looked.json()["rows"]) == ("waiting", len(content), 0)
    assert anonymous.delete(place, headers=OPERATOR).status_code == 428
    assert anonymous.delete(place, headers={**OPERATOR, "If-Match": '"9"'}).status_code == 412
    cancelled = anonymous.delete(place, headers={**OPERATOR, "If-Match": looked.headers["etag"]})
    assert cancelled.status_code == 204, cancelled.text
    platform.advance(timedelta(hours=1))
    assert anonymous.get(place, headers=OPERATOR).status_code == 404
    assert anonymous.get(f"{TENANTS}/{fresh}", headers=OPERATOR).status_code == 404, "what was cancelled stays away"

    # Inngest asks again where an answer takes too long: of two that are at it at once, one works.
    faulty(platform, "unreachable", "kernel-tenant_import")
    twin = packed(moved(original, tenant, UUID(int=tenant.id.int ^ 64)))
    place = send(anonymous, twin, slug=f"y{tenant.slug}"[:63]).headers["location"]
    platform.settle()
    outcomes = platform.run(_two_at_once(platform, UUID(place.rpartition("/")[2])))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RetryAfterError", "dict"], outcomes
    twice = anonymous.get(place, headers=OPERATOR).json()
    assert (twice["state"], twice["attempt"]) == ("completed", 1)

    # The work is done and its answer lost, the file being there still: asked again, it is told and not done again.
    faulty(platform, "lost-answer", "kernel-tenant_import", times=2)
    done = bring(platform, anonymous, content, slug=slug, name="Elsewhere")
    platform.advance(timedelta(hours=1))
    assert (done["state"], done["attempt"], done["again"]) == ("completed", 1, False)
    assert anonymous.get(f"{TENANTS}/{fresh}", headers=OPERATOR).json()["name"] == "Elsewhere"
    page = anonymous.get(
        IMPORTS,
        params={"filter": json.dumps({"conditions": [{"field": "slug", "op": "eq", "value": slug}]})},
        headers=OPERATOR,
    )
    assert [one["id"] for one in page.json()["items"]] == [done["id"]]

    async def files() -> int:
        async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as db:
            return len((await db.exec(select(ImportPart.id))).all())

    assert platform.run(files()) == 0, "files are deleted when nobody needs them any more"


def test_people_keep_their_accounts_and_are_named_by_them(
    platform: ThreadedPlatform, tenant: TestTenant, owner: ApiClient, anonymous: ApiClient
) -> None:
    seed(owner)
    original = unpacked(content := exported(platform, owner))
    email, there, fresh = f"eve-{tenant.slug}@example.com", UUID(int=tenant.id.int ^ 8), UUID(int=tenant.id.int ^ 16)
    settings = next(name for name in original if "kernel_tenant_settings/" in name)
    row = json.loads(original[settings].splitlines()[0])
    named = {"by": str(there), "deep": [{str(there): [str(there), "other"]}]}
    row |= {"id": str(UUID(int=fresh.int ^ 32)), "tenant_id": str(fresh), "values": named, "secrets": None}
    person = {"id": str(there), "email": email, "name": "Eve", "locale": None, "timezone": None}
    forged = packed(
        {
            **moved(content, tenant, fresh),
            "people.ndjson": json.dumps(person).encode() + b"\n",
            settings: json.dumps(row).encode() + b"\n",
        }
    )

    async def account(**values: Any) -> UUID:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            user = (await db.exec(select(User).where(col(User.email) == email))).one_or_none() or User(email=email)
            user.sqlmodel_update(values)
            db.add(user)
            return user.id

    here = platform.run(account(password_hash="of whoever waits there"))
    slug = f"x{tenant.slug}"[:63]
    refused = bring(platform, anonymous, forged, slug=slug)
    assert refused["state"] == "failed"
    assert f"{email} has not confirmed its address" in refused["error"]
    assert rows(platform, fresh) == {}

    platform.run(account(email_verified_at=utcnow()))
    done = bring(platform, anonymous, forged, slug=slug)
    assert (done["state"], done["people"]) == ("completed", 1)
    (brought,) = rows(platform, fresh)["kernel_tenant_settings"].values()
    assert brought["values"] == {"by": str(here), "deep": [{str(here): [str(here), "other"]}]}


# -- what the tests need --------------------------------------------------------------------------------------------


def faulty(platform: ThreadedPlatform, fault: str, function: str, times: int = 1) -> None:
    """Let the engine's next calls of a function go wrong."""

    async def inject() -> None:
        platform.engine.faults.inject(fault, function=f"riveredge-{function}", times=times)

    platform.run(inject())


def _days(days: int) -> timedelta:
    return timedelta(days=days)


async def _two_at_once(platform: ThreadedPlatform, import_id: UUID) -> list[Any]:
    """What two calls of the function's first step come to."""
    spec = platform.platform.functions.spec("kernel.tenant_import")
    assert spec is not None

    class Steps:
        async def run(self, _name: str, work: Callable[[], Any]) -> Any:
            return await work()

    call: Any = SimpleNamespace(step=Steps())
    with use_context(Context(runtime=platform.platform.runtime, system_reason="test")):
        calls = (spec.handler(call, ImportRef(import_id=import_id)) for _ in range(2))
        return list(await asyncio.gather(*calls, return_exceptions=True))


async def _tombstone(platform: ThreadedPlatform, tenant: TestTenant) -> tuple[str, str, str]:
    async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as db:
        row = (await db.exec(select(Tenant).where(col(Tenant.id) == tenant.id))).one()
        assert not (await db.exec(select(User).where(col(User.email) == f"ada-{tenant.slug}@example.com"))).all()
        return row.status, row.slug, row.name


async def _proof(platform: ThreadedPlatform, tenant: TestTenant) -> Any:
    async with platform.platform.database.system("test", platform.platform.runtime, read_only=True) as db:
        erased = col(AuditEntry.action) == "kernel.tenant.erase", col(AuditEntry.object_id) == str(tenant.id)
        return (await db.exec(select(AuditEntry).where(*erased))).one().details


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
