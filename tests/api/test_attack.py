"""Every route and every model there is, tried from another tenant by somebody with every permission there."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, get_origin
from uuid import UUID

import pytest
from sqlalchemy import Column
from sqlmodel import select

from riveredge_example.schemas import NotePayload
from riveredge_example.service import REMINDER_DUE
from riveredge_sdk import timers
from riveredge_sdk.context import use_context
from riveredge_sdk.models import METADATA, TenantModel, tenant_models, utcnow
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.testing.suites import Operation, operations
from riveredge_sdk.uow import unit_of_work

Made = dict[Any, Any]
Rows = dict[str, dict[UUID, dict[str, Any]]]
REFUSED = frozenset({400, 403, 404, 409, 412, 415, 422, 428})
TRIED = ("kernel_", "messaging_", "example_")
# Their addresses hold nobody's ids, so there is nothing to reach.
OWN_NAMES = ("/api/v1/settings/", "/api/v1/plugins/")


def rows_of(platform: PlatformUnderTest, tenant: TestTenant) -> Rows:
    """Every row that the tenant can see, by table."""

    async def read() -> Rows:
        found: Rows = {}
        with use_context(platform.context(tenant)):
            async with unit_of_work(read_only=True) as session:
                for model in tenant_models():
                    table = str(model.__tablename__)
                    if table.startswith(TRIED):
                        found[table] = {row.id: row.model_dump() for row in (await session.exec(select(model))).all()}
        return found

    return platform.run(read())


def seed(platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient) -> None:
    """Something of every kind."""
    assert client.user is not None
    me = str(client.user.id)
    texts = {"en": {"subject": "Secret", "text": "Secret"}}
    made = [
        client.post("/api/v1/roles", json={"key": "custom.secret", "title": "Secret"}),
        client.post("/api/v1/example/notes", json={"title": "Secret", "tags": ["a"]}, headers={"Idempotency-Key": "k"}),
        client.post(
            "/api/v1/messaging/templates",
            json={"key": "custom.secret", "title": "Secret", "texts": texts, "variables": {"type": "object"}},
        ),
        client.post(
            "/api/v1/messaging/messages",
            json={"template": "custom.secret", "to": [me], "channels": ["messaging.in_app"]},
        ),
        client.put("/api/v1/settings/example", json={"greeting": "Secret", "api_token": "secret"}),
        client.put("/api/v1/plugins/example", json={"enabled": True}),
        client.post("/api/v1/stream/tickets"),
        client.post("/api/v1/runs/reruns", json={}),
    ]
    assert [answer.status_code for answer in made] == [201, 201, 201, 202, 200, 200, 201, 202]
    provider = {"key": "secret", "title": "Secret", "issuer": "https://id.example", "client_id": "secret"}
    account = {"name": "Secret", "roles": ["custom.secret"]}
    more = [
        client.post("/api/v1/service-accounts", json=account),
        client.post("/api/v1/api-keys", json={"name": "Secret", "permissions": ["example.note.read"]}),
        client.post("/api/v1/invitations", json={"email": "secret@example.com", "by_hand": True}),
        client.post("/api/v1/identity-providers", json=provider),
    ]
    assert [answer.status_code for answer in more] == [201, 201, 201, 201], [answer.text for answer in more]
    platform.settle()
    platform.run(_seed_rows(platform, tenant, client.user.id, UUID(made[1].json()["id"])))


async def _seed_rows(platform: PlatformUnderTest, tenant: TestTenant, user: UUID, note: UUID) -> None:
    """What comes about only by itself, or through somebody else's server: one row in each table that has none."""
    later = utcnow() + timedelta(days=1)
    made: Made = {UUID: user, str: "secret", datetime: later, bool: True, int: 1, bytes: b"secret", dict: {}, list: []}
    with use_context(platform.context(tenant)):
        async with unit_of_work() as session:
            owner = timers.Owner("example.secret", str(note))
            await timers.set(owner, "secret", later, REMINDER_DUE, NotePayload(note_id=note))
            models = {str(model.__tablename__): model for model in tenant_models()}
            there: dict[str, UUID | None] = {}
            for table in METADATA.sorted_tables:
                model = models.get(table.name)
                if model is None or not table.name.startswith(TRIED):
                    continue
                there[table.name] = (await session.exec(select(model.id).limit(1))).first()
                if there[table.name] is None:
                    values = {c.name: _value(model, c, there, made) for c in table.columns if _is_asked_for(c)}
                    session.add(row := model(**values))
                    await session.flush()
                    there[table.name] = row.id


def _is_asked_for(column: Column[Any]) -> bool:
    return not column.nullable and column.default is None and column.name not in TenantModel.model_fields


def _value(model: type[TenantModel], column: Column[Any], there: Mapping[str, UUID | None], made: Made) -> Any:
    """Something that the column takes; of a foreign key, a row that is there."""
    for key in column.foreign_keys:
        if key.column.table.name in there:
            return there[key.column.table.name]
    wanted = model.model_fields[column.name].annotation
    return made[get_origin(wanted) or wanted]


@pytest.fixture
def attacker(platform: PlatformUnderTest, as_user: AsUser, other_tenant: TestTenant) -> ApiClient:
    """Signed in to another tenant, with every permission there."""
    return as_user(platform.permissions, tenant=other_tenant)


@pytest.mark.database
def test_nothing_of_another_tenant_is_read_or_changed(
    platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant, other_tenant: TestTenant, attacker: ApiClient
) -> None:
    seed(platform, tenant, client)
    platform.settle()
    before = rows_of(platform, tenant)
    assert [table for table, rows in before.items() if not rows] == []
    ids = [row_id for rows in before.values() for row_id in rows]
    # One of each table: each is tried at every route.
    targets = [*(next(iter(rows)) for rows in before.values()), next(iter(before["kernel_run"].values()))["run_id"]]
    foreign = rows_of(platform, other_tenant)
    assert not set(ids) & {row_id for rows in foreign.values() for row_id in rows}
    for operation in every_operation(platform):
        if operation.public or operation.path.startswith(OWN_NAMES):
            continue
        if not operation.parameters:
            if operation.method == "GET":
                text = attacker.get(operation.path).text
                assert not [row_id for row_id in ids if str(row_id) in text], operation
            continue
        for target in targets:
            body: dict[str, Any] | None = None if operation.method in {"GET", "DELETE"} else {}
            answer = attacker.request(operation.method, operation.at(target), headers={"If-Match": '"1"'}, json=body)
            assert answer.status_code in REFUSED, (operation, target, answer.text)
    platform.settle()
    assert rows_of(platform, tenant) == before


def every_operation(platform: PlatformUnderTest) -> Iterator[Operation]:
    """All routes of the document."""
    sections = {path.split("/")[3] for path in platform.openapi["paths"]}
    seen: set[tuple[str, str]] = set()
    for section in sorted(sections):
        for operation in operations(platform, section):
            seen.add((operation.method, operation.path))
            yield operation
    for path, methods in platform.openapi["paths"].items():
        for method, described in methods.items():
            if (method.upper(), path) not in seen:
                yield Operation(method.upper(), path, described.get("x-permission"), "security" not in described)


def test_every_tenant_table_is_tried() -> None:
    tables = {str(model.__tablename__) for model in tenant_models()}
    assert {"kernel_run", "kernel_outbox", "messaging_message", "example_note"} <= tables
    assert all(issubclass(model, TenantModel) for model in tenant_models())
