"""The action `messaging.send` passes what every action should."""

from collections.abc import Mapping
from typing import Any, ClassVar

from riveredge_messaging.actions import SendMessage
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import TaskActionSuite

NOBODY = "00000000-0000-7000-8000-000000000000"


class TestSendMessage(TaskActionSuite):
    action = SendMessage()
    refused: ClassVar[list[dict[str, Any]]] = [
        {"template": "messaging.welcome", "to": []},
        {"template": "messaging.welcome", "to": [NOBODY], "data": {"product": "x"}},
        {"template": "no.such", "to": [NOBODY]},
    ]

    def good_params(self, client: ApiClient) -> Mapping[str, Any]:
        assert client.user is not None
        return {
            "template": "messaging.welcome",
            "to": [str(client.user.id)],
            "data": {"product": "RiverEdge"},
            "channels": ["messaging.in_app"],
        }

    def effects(self, client: ApiClient) -> int:
        return len(client.get("/api/v1/messaging/messages", params={"limit": 200}).json()["items"])
