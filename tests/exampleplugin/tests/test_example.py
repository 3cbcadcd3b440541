"""The example plugin passes what every plugin should."""

from typing import ClassVar

from riveredge_example import plugin
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TenancySuite


class TestExample(PluginSuite):
    plugin: ClassVar[Plugin] = plugin


class TestTenancyOfExample(TenancySuite):
    plugin: ClassVar[Plugin] = plugin

    def seed(self, client: ApiClient) -> None:
        made = client.post("/api/v1/example/notes", json={"title": "Secret", "tags": ["a", "b"]})
        assert made.status_code == 201
