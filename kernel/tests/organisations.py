"""What the tests of organisations' lives do over HTTP: fill them, take them along, bring them in."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_kernel.archives import exports
from riveredge_kernel.tenancy.deletion_routes import PURPOSE, content_hash
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.models import tenant_models
from riveredge_sdk.testing.platform import ApiClient, TestTenant

PASSWORD = "correct horse battery staple"
OPERATOR = {"Authorization": "Bearer operators-token-of-tests"}
EXPORTS, DELETION, TENANTS = "/api/v1/tenant/exports", "/api/v1/tenant/deletion", "/api/v1/operator/tenants"
IMPORTS = "/api/v1/operator/imports"
SECRET = "s3cret-of-a-mail-server"
Table = dict[UUID, dict[str, Any]]


def seed(client: ApiClient) -> None:
    """Something of several plugins."""
    answers = [
        client.post("/api/v1/roles", json={"key": "custom.clerk", "title": "Clerk"}),
        client.post("/api/v1/service-accounts", json={"name": "Robot", "roles": ["custom.clerk"]}),
        client.post("/api/v1/api-keys", json={"name": "Mine", "permissions": ["example.note.read"]}),
        client.post("/api/v1/example/notes", json={"title": "Milk", "tags": ["a", "b"]}),
        client.post("/api/v1/example/notes", json={"title": "牛奶", "text": "x" * 5000}),
    ]
    parent = None
    for key in ("acme", "sales", "north"):
        department = {"key": key, "name": key.title(), "parent_id": parent}
        answers.append(client.post("/api/v1/directory/departments", json=department))
        parent = answers[-1].json()["id"]
    # One that is older than what it was moved below.
    top = client.post("/api/v1/directory/departments", json={"key": "group", "name": "Group"})
    answers.append(top)
    assert [answer.status_code for answer in answers] == [201] * 9, [answer.text for answer in answers]
    moved = client.patch(
        f"/api/v1/directory/departments/{answers[5].json()['id']}",
        json={"parent_id": top.json()["id"]},
        headers={"If-Match": '"1"'},
    )
    assert moved.status_code == 200, moved.text
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
    """The content of a new export, of somebody with a password."""
    asked = ask_export(client)
    assert asked.status_code == 202, asked.text
    platform.settle()
    archive = client.get(f"{EXPORTS}/{asked.json()['id']}").json()
    assert (archive["state"], archive["error"]) == ("completed", None)
    assert archive["progress"]["rows"] > 10
    content = client.get(f"{EXPORTS}/{archive['id']}/content")
    assert content.status_code == 200, content.text
    assert content.headers["cache-control"] == "no-store"
    return content.content


def ask_export(client: ApiClient) -> Any:
    """The answer to somebody who asks, is told for what to get a ticket, and gets it."""
    required = client.post(EXPORTS, json={}).json()
    assert required["type"].endswith("reauthentication-required")
    assert required["purpose"] == exports.PURPOSE
    body = {"purpose": required["purpose"], "content_hash": required["content_hash"], "password": PASSWORD}
    issued = client.post("/api/v1/auth/tickets", json=body)
    assert issued.status_code == 201, issued.text
    return client.post(EXPORTS, json={"ticket": issued.json()["ticket"]})


def ticket(client: ApiClient, tenant: TestTenant, *, purpose: str = PURPOSE) -> str:
    """A ticket for the deletion."""
    body = {"purpose": purpose, "content_hash": content_hash(tenant.id), "password": PASSWORD}
    answer = client.post("/api/v1/auth/tickets", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


def send(client: ApiClient, content: bytes, **parameters: str) -> Any:
    """The answer to an archive."""
    headers = {**OPERATOR, "Content-Type": "application/zip"}
    return client.post(IMPORTS, content=content, params=parameters, headers=headers)


def bring(platform: ThreadedPlatform, client: ApiClient, content: bytes, **parameters: str) -> dict[str, Any]:
    """The import of an archive, when it has ended."""
    sent = send(client, content, **parameters)
    assert sent.status_code == 202, sent.text
    platform.settle()
    ended: dict[str, Any] = client.get(sent.headers["location"], headers=OPERATOR).json()
    assert ended["state"] in {"completed", "failed"}
    return ended
