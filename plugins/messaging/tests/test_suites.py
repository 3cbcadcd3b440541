"""Messaging passes what every plugin should."""

from typing import ClassVar

from riveredge_messaging import plugin
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TenancySuite


class TestMessaging(PluginSuite):
    plugin: ClassVar[Plugin] = plugin


class TestTenancyOfMessaging(TenancySuite):
    plugin: ClassVar[Plugin] = plugin

    def seed(self, client: ApiClient) -> None:
        assert client.user is not None
        texts = {"en": {"subject": "Secret", "text": "Secret"}}
        template = {"key": "custom.secret", "title": "Secret", "texts": texts, "variables": {"type": "object"}}
        assert client.post("/api/v1/messaging/templates", json=template).status_code == 201
        message = {"template": "custom.secret", "to": [str(client.user.id)], "channels": ["messaging.in_app"]}
        assert client.post("/api/v1/messaging/messages", json=message).status_code == 202
