"""What plugins do when an organisation is made or switches one of them, and what becomes of it if one of them fails."""

from collections.abc import Sequence

import pytest

from riveredge_example.models import Note
from riveredge_example.service import Notes
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import Plugin
from riveredge_sdk.features.messaging import NOTIFIER
from riveredge_sdk.ports import find_service
from riveredge_sdk.problems import Conflict
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.plugin import AsUser

NOTES = "/api/v1/example/notes"

pytestmark = pytest.mark.database


class Clumsy(Plugin):
    """Writes, and fails then."""

    id = "clumsy"
    title = "Clumsy"

    async def tenant_created(self) -> None:
        await Notes().add(Note(title="Half a welcome"))
        raise RuntimeError("no more ink")

    async def plugin_switched(self, plugin_id: str, *, enabled: bool) -> None:
        await Notes().add(Note(title="Half a thought"))
        raise Conflict("It would rather not.")


class Observer(Plugin):
    """Notes what it can reach from now on."""

    id = "observer"
    title = "Observer"
    after = ("clumsy",)

    async def plugin_switched(self, plugin_id: str, *, enabled: bool) -> None:
        reachable = find_service(NOTIFIER) is not None
        await Notes().add(Note(title=f"{plugin_id} {enabled} {reachable}"))


class Sleeper(Clumsy):
    """Off until somebody switches it on, so nobody asks it."""

    id = "sleeper"
    title = "Sleeper"
    default_enabled = False


@pytest.fixture
def platform_plugins() -> Sequence[type[Plugin]]:
    return (Clumsy, Observer, Sleeper)


def titles(client: ApiClient) -> list[str]:
    return sorted(note["title"] for note in client.get(NOTES).json()["items"])


def test_one_that_fails_costs_what_it_would_have_given(
    platform: ThreadedPlatform, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVEREDGE_EXAMPLE__WELCOME", "true")
    new = platform.create_tenant(f"new-{platform.kind}")
    client = as_user(platform.permissions, tenant=new)
    assert titles(client) == ["Welcome to notes"]
    assert len(client.get("/api/v1/roles").json()["items"]) > 3

    assert client.put("/api/v1/plugins/messaging", json={"enabled": False}).json()["on"] is False
    assert titles(client) == ["Reminders reach nobody now", "Welcome to notes", "messaging False False"]
    assert client.put("/api/v1/plugins/messaging", json={"enabled": False}).status_code == 200
    assert client.put("/api/v1/plugins/messaging", json={"enabled": True}).json()["on"] is True
    assert titles(client)[2:] == ["messaging False False", "messaging True True"]

    reports = {report.id: report for report in platform.platform.plugins.report()}
    assert reports["clumsy"].reasons == [
        "tenant_created: RuntimeError: no more ink",
        "plugin_switched: Conflict: It would rather not.",
    ]
    assert (reports["observer"].state, reports["sleeper"].state) == ("active", "active")
    with pytest.raises(Conflict):
        platform.create_tenant(new.slug)
