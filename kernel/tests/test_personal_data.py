"""What is held about a person: handed out and erased, by themselves and by administrators, over all plugins."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from riveredge_kernel.archives.personal_routes import content_hash, purpose_of
from riveredge_kernel.auth.leaving import switch_account
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk import FunctionContext, FunctionSpec, Plugin
from riveredge_sdk.context import current_tenant
from riveredge_sdk.features.tenants import MEMBER_LEFT, MemberLeft
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("engine")]

PASSWORD = "correct horse battery staple"
MINE, REQUESTS, NOTES = "/api/v1/personal-data/mine", "/api/v1/personal-data/requests", "/api/v1/example/notes"


class Flaky(Plugin):
    """A plugin whose hooks fail until they are mended. It keeps who has left which organisation, and why."""

    id = "flaky"
    title = "Flaky"

    def __init__(self) -> None:
        self.broken = 0
        self.left: list[tuple[UUID, UUID, str]] = []

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return [FunctionSpec(id="flaky.leavers", title="Leavers", trigger=MEMBER_LEFT, handler=self._note)]

    async def _note(self, _ctx: FunctionContext, event: MemberLeft) -> None:
        self.left.append((current_tenant(), event.user_id, event.why))

    def _fail(self) -> None:
        if self.broken:
            self.broken -= 1
            raise RuntimeError("not today")

    async def export_personal_data(self, user_id: UUID) -> Any:
        self._fail()
        return {"user": str(user_id)}

    async def erase_personal_data(self, user_id: UUID) -> int:
        self._fail()
        return 1


FLAKY = Flaky()


@pytest.fixture(scope="module")
def platform(database_kind: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedPlatform]:
    """A platform with a plugin that may fail."""
    with start(database_kind, tmp_path_factory.mktemp("personal"), plugins=[FLAKY]) as made:
        yield made


@pytest.fixture
def people(platform: ThreadedPlatform, tenant: TestTenant) -> Iterator[dict[str, tuple[UUID, ApiClient]]]:
    """Ada, who administers `tenant`, and Ben, who writes notes in it; both with passwords."""
    found = {}
    with ExitStack() as stack:
        for name, role in (("ada", ADMINISTRATOR), ("ben", "example.writer")):
            email = f"{name}-{tenant.slug}@example.com"
            add = platform.platform.provisioning.add_member
            member = platform.run(add(tenant.id, email, password=PASSWORD, roles=[role], name=name.title()))
            client = stack.enter_context(ApiClient(platform))
            tokens = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}).json()
            client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            found[name] = member.user_id, client
        yield found


def ask(client: ApiClient, tenant: TestTenant, kind: str, about: UUID, place: str = MINE) -> Any:
    """The answer to a request with a ticket for it."""
    body = {
        "purpose": purpose_of(kind),
        "content_hash": content_hash(kind, tenant.id, about),
        "password": PASSWORD,
    }
    ticket = client.post("/api/v1/auth/tickets", json=body).json()["ticket"]
    more = {"user_id": str(about)} if place == REQUESTS else {}
    return client.post(place, json={"kind": kind, "ticket": ticket, **more})


def files(answer: Any) -> dict[str, Any]:
    """The content of a downloaded archive."""
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def test_a_person_takes_their_data_along_and_goes(
    platform: ThreadedPlatform, tenant: TestTenant, people: dict[str, tuple[UUID, ApiClient]]
) -> None:
    (_, ada), (ben, client) = people["ada"], people["ben"]
    client.post(NOTES, json={"title": "Ben's milk"})
    assert client.post(MINE, json={"kind": "personal_export"}).json()["purpose"] == "kernel.personal_export"
    FLAKY.broken = 2
    asked = ask(client, tenant, "personal_export", ben)
    assert asked.status_code == 202, asked.text
    place = f"{MINE}/{asked.json()['id']}"
    platform.settle()
    platform.advance(_hour())
    done = client.get(place).json()
    assert (done["state"], done["failures"]) == ("completed", {}), "a plugin that fails is asked again"
    found = files(client.get(f"{place}/content"))
    assert found["plugins/example.json"] == ["Ben's milk"]
    assert found["plugins/flaky.json"] == {"user": str(ben)}
    assert found["kernel.json"]["account"]["email"] == f"ben-{tenant.slug}@example.com"
    assert "argon2" not in json.dumps(found)
    assert ada.get(f"{REQUESTS}/{asked.json()['id']}/content").status_code == 403, "it is Ben's alone"
    assert ada.get(place).status_code == 404

    gone = ask(client, tenant, "personal_erasure", ben)
    assert gone.status_code == 202, gone.text
    platform.settle()
    assert client.get("/api/v1/auth/me").status_code == 401, "the account was in this organisation only"
    report = ada.get(f"{REQUESTS}/{gone.json()['id']}").json()
    assert (report["state"], report["user_id"]) == ("completed", None)
    (note,) = ada.get(NOTES).json()["items"]
    assert note.get("author_id") is None
    log = ada.get("/api/v1/audit", params={"limit": 200})
    assert str(ben) not in log.text
    assert "Ben" not in {entry["actor_name"] for entry in log.json()["items"]}
    pseudonyms = {e["actor_id"] for e in log.json()["items"] if e["action"].startswith("example.")}
    assert pseudonyms == {gone.json()["id"]}, "what was done stays, under one name"
    assert f"ben-{tenant.slug}" not in ada.get("/api/v1/members").text


def test_an_administrator_asks_about_a_member(
    platform: ThreadedPlatform,
    tenant: TestTenant,
    other_tenant: TestTenant,
    people: dict[str, tuple[UUID, ApiClient]],
    as_user: AsUser,
) -> None:
    (ada_id, ada), (ben, client) = people["ada"], people["ben"]
    assert ada.post(REQUESTS, json={"kind": "personal_export", "user_id": str(ben)}).status_code == 403
    for_another = ask(ada, tenant, "personal_export", ada_id).request.content
    replayed = {**json.loads(for_another), "user_id": str(ben)}
    assert ada.post(REQUESTS, json=replayed).status_code == 403, "a ticket for another person"
    asked = ask(ada, tenant, "personal_export", ben, REQUESTS)
    assert asked.status_code == 202, asked.text
    assert ada.post(REQUESTS, json=json.loads(asked.request.content)).status_code in {403, 409}, "a used ticket"
    platform.settle()
    place = f"{REQUESTS}/{asked.json()['id']}"
    assert files(ada.get(f"{place}/content"))["kernel.json"]["roles"] == ["example.writer"]
    for stranger in (client, as_user(platform.permissions, tenant=other_tenant)):
        assert stranger.get(place).status_code in {403, 404}
        assert stranger.get(f"{place}/content").status_code in {403, 404}
    weak = as_user({"kernel.personal_data.manage"})
    assert weak.post(REQUESTS, json={"kind": "personal_erasure", "user_id": str(ada_id)}).status_code == 403
    last = ada.post(MINE, json={"kind": "personal_erasure"})
    assert last.status_code == 409, "the last administrator stays"
    unknown = ada.post(REQUESTS, json={"kind": "personal_erasure", "user_id": str(UUID(int=9))})
    assert unknown.json()["errors"][0]["field"] == "user_id"

    FLAKY.broken = 100
    gone = ask(ada, tenant, "personal_erasure", ben, REQUESTS)
    platform.settle()
    platform.advance(_hour())
    failed = ada.get(f"{REQUESTS}/{gone.json()['id']}").json()
    FLAKY.broken = 0
    assert failed["state"] == "failed"
    assert failed["failures"] == {"flaky": "RuntimeError: not today"}
    assert client.get("/api/v1/auth/me").status_code == 200, "the kernel's part comes last"
    again = ask(ada, tenant, "personal_erasure", ben, REQUESTS)
    platform.settle()
    assert ada.get(f"{REQUESTS}/{again.json()['id']}").json()["state"] == "completed"
    assert client.get("/api/v1/auth/me").status_code == 401
    assert [told for told in FLAKY.left if told[1] == ben] == [(tenant.id, ben, "erased")]
    actions = [entry["action"] for entry in ada.get("/api/v1/audit", params={"limit": 200}).json()["items"]]
    assert {"archives.request_personal_data", "kernel.archive.download"} <= set(actions)


def test_plugins_are_told_of_everybody_who_leaves(
    platform: ThreadedPlatform, client: ApiClient, tenant: TestTenant, other_tenant: TestTenant, as_user: AsUser
) -> None:
    def place(user: UUID) -> tuple[str, dict[str, str]]:
        listed = client.get("/api/v1/members", params={"limit": 200}).json()["items"]
        (found,) = [member for member in listed if member["user_id"] == str(user)]
        return f"/api/v1/members/{found['id']}", {"If-Match": f'"{found["version"]}"'}

    def told() -> list[tuple[UUID, UUID, str]]:
        platform.settle()
        mine = [one for one in FLAKY.left if one[0] in {tenant.id, other_tenant.id}]
        FLAKY.left.clear()
        return mine

    leaving, removed, off, locked = (as_user({"example.note.read"}) for _ in range(4))
    users = [one.user.id for one in (leaving, removed, off, locked) if one.user is not None]
    assert leaving.post("/api/v1/members/me/leave").status_code == 204
    assert told() == [(tenant.id, users[0], "left")]

    for change, why in (({"roles": []}, None), ({"active": False}, "switched_off"), ({"active": False}, None)):
        address, seen = place(users[2])
        assert client.patch(address, json=change, headers=seen).status_code == 200
        assert told() == ([(tenant.id, users[2], why)] if why else []), change
    for user, why in ((users[1], "removed"), (users[2], None)):
        address, seen = place(user)
        assert client.delete(address, headers=seen).status_code == 204
        assert told() == ([(tenant.id, user, why)] if why else []), "once only"

    assert locked.user is not None
    platform.run(platform.platform.provisioning.add_member(other_tenant.id, locked.user.email))
    for active in (False, False, True):
        platform.run(switch_account(platform.platform.runtime, users[3], active=active))
    assert sorted(told()) == sorted((one, users[3], "account_off") for one in (tenant.id, other_tenant.id))

    keeper = as_user(())
    assert keeper.user is not None
    platform.run(platform.platform.provisioning.add_member(tenant.id, keeper.user.email, roles=[ADMINISTRATOR]))
    refused = keeper.post("/api/v1/members/me/leave")
    assert (refused.status_code, told()) == (409, []), "what did not happen is not told"


def _hour() -> timedelta:
    return timedelta(hours=1)
