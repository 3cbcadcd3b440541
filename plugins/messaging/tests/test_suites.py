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
        me = str(client.user.id)
        texts = {"en": {"subject": "Secret", "text": "Secret"}}
        rules = {"digest": {"window_s": 600, "leading": True}, "throttle": {"messages": 5, "per_s": 60}}
        for place, body in {
            "blocks": {"kind": "partial", "key": "secret", "title": "Secret", "text": "Secret"},
            "templates": {"key": "custom.secret", "title": "Secret", "texts": texts, "variables": {"type": "object"}},
            "categories": {"key": "custom.secret", "title": "Secret", **rules},
            "policies": {"category": "custom.secret", "rule": "off"},
            "topics": {"key": "custom.secret:7", "title": "Secret"},
            "notification-rules": {
                "title": "Secret",
                "event": "kernel/plugin.switched",
                "recipients": {"to": [me]},
                "template": "custom.secret",
                "timing": {"direction": "after", "days": 1, "subject": "event.plugin"},
            },
        }.items():
            made = client.post(f"/api/v1/messaging/{place}", json=body)
            assert made.status_code == 201, made.text
        (topic,) = client.get("/api/v1/messaging/topics").json()["items"]
        followed = client.post(f"/api/v1/messaging/topics/{topic['id']}/subscribe")
        assert followed.json() == {"people": 1}
        chosen = {"choices": [{"category": "custom.secret", "on": True}]}
        assert client.put("/api/v1/messaging/preferences", json=chosen).status_code == 200
        assert client.put("/api/v1/messaging/preferences/quiet-hours", json={"windows": []}).status_code == 200
        channels = ["messaging.in_app", "messaging.email"]
        message = {"template": "custom.secret", "to": [me], "channels": channels, "category": "custom.secret"}
        for _ in range(2):
            assert client.post("/api/v1/messaging/messages", json=message).status_code == 202
