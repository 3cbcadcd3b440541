"""The action `messaging.send` passes what every action should."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from riveredge_messaging.actions import SendMessage
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import TaskActionSuite

MESSAGES = "/api/v1/messaging/messages"
REPORT = b"region,sales\nnorth,7\n"
NOBODY = "00000000-0000-7000-8000-000000000000"


class TestSendMessage(TaskActionSuite):
    action = SendMessage()
    refused: ClassVar[list[dict[str, Any]]] = [
        {"template": "messaging.welcome", "to": []},
        {"template": "messaging.welcome", "to": [NOBODY], "data": {"product": "x"}},
        {"template": "no.such", "to": [NOBODY]},
        {"template": "messaging.welcome", "attachments": [{"name": "report.csv"}]},
        {"template": "messaging.welcome", "attachments": [{"name": "report.exe", "content": "TVo="}]},
    ]

    def good_params(self, client: ApiClient) -> Mapping[str, Any]:
        assert client.user is not None
        return {
            "template": "messaging.welcome",
            "to": [str(client.user.id)],
            "data": {"product": "RiverEdge"},
            "channels": ["messaging.email", "messaging.in_app"],
            "attachments": [{"name": "report.csv", "content": b64encode(REPORT).decode()}],
        }

    def effects(self, client: ApiClient) -> int:
        """How many messages there are; each has the file with it."""
        sent = client.get(MESSAGES, params={"limit": 200}).json()["items"]
        for message in sent:
            (file,) = client.get(f"{MESSAGES}/{message['id']}").json()["attachments"]
            kept = client.get(f"{MESSAGES}/{message['id']}/attachments/{file['id']}")
            assert (file["name"], file["media_type"], kept.content) == ("report.csv", "text/csv", REPORT)
        return len(sent)
