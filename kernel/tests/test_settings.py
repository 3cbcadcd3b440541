"""An organisation's settings of plugins: forms, changes, resets, secrets, and what the audit log is told."""

from typing import Any

import pytest
from sqlmodel import col, select

from riveredge_kernel.tenancy.models import TenantSettingsRow
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = pytest.mark.database

EXAMPLE, MESSAGING = "/api/v1/settings/example", "/api/v1/settings/messaging"
TOKEN = "t0ken-of-another-service"


def change(client: ApiClient, place: str, body: Any, version: int) -> Any:
    """The answer to a merge patch."""
    headers = {"If-Match": f'"{version}"', "Content-Type": "application/merge-patch+json"}
    return client.patch(place, json=body, headers=headers)


def fields(answer: Any) -> list[str]:
    """The fields that a refusal names."""
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


def test_settings_live(platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient) -> None:
    forms = {form["plugin"]: form for form in client.get("/api/v1/settings").json()}
    assert forms["example"]["title"] == "Example"
    assert forms["example"]["form"]["properties"]["greeting"]["description"] == "Begins each reminder."
    fresh = client.get(EXAMPLE)
    assert fresh.headers["etag"] == '"0"'
    assert fresh.json()["values"] == {"greeting": "Hello", "diary": "", "api_token": None}
    assert fresh.json()["sources"] == {"greeting": "default", "diary": "default", "api_token": "default"}
    assert client.patch(EXAMPLE, json={"greeting": "Hi"}).status_code == 428

    first = change(client, EXAMPLE, {"greeting": "Hi"}, 0)
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    second = change(client, EXAMPLE, {"api_token": TOKEN}, 1).json()
    assert second["values"] == {"greeting": "Hi", "diary": "", "api_token": "********"}, "what is not named stays"
    assert (second["secrets"], second["version"]) == ({"api_token": True}, 2)
    assert change(client, EXAMPLE, {"greeting": "Ho"}, 1).status_code == 412
    assert client.put(EXAMPLE, json={}, headers={"If-Match": '"1"'}).status_code == 412
    kept = change(client, EXAMPLE, {"api_token": "********", "greeting": "Ho"}, 2).json()
    assert kept["sources"] == {"greeting": "organisation", "diary": "default", "api_token": "organisation"}

    reset = client.delete(f"{EXAMPLE}/greeting", headers={"If-Match": '"3"'}).json()
    assert (reset["values"]["greeting"], reset["sources"]["greeting"]) == ("Hello", "default")
    assert client.delete(f"{EXAMPLE}/greetings", headers={"If-Match": '"4"'}).status_code == 404
    gone = change(client, EXAMPLE, {"api_token": None}, 4).json()
    assert gone["secrets"] == {"api_token": False}
    change(client, EXAMPLE, {"greeting": "Hey"}, 5)
    emptied = client.delete(EXAMPLE, headers={"If-Match": '"6"'}).json()
    assert set(emptied["sources"].values()) == {"default"}

    told = client.get("/api/v1/audit", params={"sort": "created_at"})
    assert TOKEN not in told.text
    changes = [(e["action"].partition(".")[2], e["details"]["fields"]) for e in told.json()["items"]]
    assert changes == [
        ("change_settings", ["greeting"]),
        ("change_settings", ["api_token"]),
        ("change_settings", ["greeting"]),
        ("reset_setting", ["greeting"]),
        ("change_settings", ["api_token"]),
        ("change_settings", ["greeting"]),
        ("reset_settings", ["greeting"]),
    ]


def test_what_is_wrong_is_named_and_changes_nothing(client: ApiClient, as_user: AsUser) -> None:
    assert fields(change(client, MESSAGING, {"smtp_port": 70_000, "smtp_tls": "maybe"}, 0)) == ["smtp_port", "smtp_tls"]
    # Mass assignment: names that are columns of the row, or nobody's.
    assert fields(change(client, EXAMPLE, {"tenant_id": "0", "secrets": {}, "version": 9}, 0)) == [
        "tenant_id",
        "secrets",
        "version",
    ]
    assert fields(client.put(EXAMPLE, json={"plugin": "messaging"})) == ["plugin"]
    assert (
        client.patch(
            EXAMPLE, content=b"[]", headers={"If-Match": '"0"', "Content-Type": "application/json"}
        ).status_code
        == 422
    )
    assert client.get(EXAMPLE).json()["version"] == 0
    reader = as_user({"kernel.tenant.read"})
    assert reader.get("/api/v1/settings").status_code == 200
    assert change(reader, EXAMPLE, {"greeting": "Hi"}, 0).status_code == 403
    assert client.get("/api/v1/settings/nothing").status_code == 404


def test_a_stored_secret_is_encrypted_and_follows_nobody_elsewhere(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient
) -> None:
    change(client, MESSAGING, {"smtp_host": "mail.example", "smtp_password": TOKEN}, 0)

    async def row() -> TenantSettingsRow:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            query = select(TenantSettingsRow).where(col(TenantSettingsRow.tenant_id) == tenant.id)
            return (await db.exec(query)).one()

    kept = platform.run(row())
    assert TOKEN not in f"{kept.values}{kept.secrets}"
    assert fields(change(client, MESSAGING, {"smtp_host": "evil.example"}, 1)) == ["smtp_password"]
    assert fields(client.delete(f"{MESSAGING}/smtp_host", headers={"If-Match": '"1"'})) == ["smtp_password"]
    moved = change(client, MESSAGING, {"smtp_host": "new.example", "smtp_password": "another"}, 1)
    assert moved.status_code == 200, moved.text
