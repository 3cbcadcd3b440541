"""The example plugin passes what every plugin should."""

from typing import ClassVar

from riveredge_example import plugin
from riveredge_example.actions import WriteNote
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TaskActionSuite, TenancySuite


class TestExample(PluginSuite):
    plugin: ClassVar[Plugin] = plugin


class TestTenancyOfExample(TenancySuite):
    plugin: ClassVar[Plugin] = plugin

    def seed(self, client: ApiClient) -> None:
        made = client.post("/api/v1/example/notes", json={"title": "Secret", "tags": ["a", "b"]})
        assert made.status_code == 201


class TestWriteNote(TaskActionSuite):
    action = WriteNote()
    params: ClassVar[dict[str, str]] = {"title": "Milk"}
    refused: ClassVar[list[dict[str, str]]] = [{"title": ""}]

    def effects(self, client: ApiClient) -> int:
        return len(client.get("/api/v1/example/notes", params={"limit": 200}).json()["items"])
