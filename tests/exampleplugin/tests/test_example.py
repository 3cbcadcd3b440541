"""The example plugin passes what every plugin should."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from riveredge_example import plugin
from riveredge_example.actions import WriteNote
from riveredge_example.approvals import NoteNode, NoteSubject
from riveredge_example.approvers import NoteAuthor
from riveredge_example.channel import LogChannel
from riveredge_example.provider import PaperMail
from riveredge_sdk import Plugin
from riveredge_sdk.testing.http import HttpPeer
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import (
    ApprovalNodeSuite,
    ApprovalSubjectSuite,
    ApproverResolverSuite,
    ChannelSuite,
    PluginSuite,
    ProviderSuite,
    TaskActionSuite,
    TenancySuite,
)


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


class TestLogChannel(ChannelSuite):
    channel = LogChannel()
    reaches_everybody = True


class TestPaperMail(ProviderSuite):
    provider = PaperMail()
    refused: ClassVar[list[dict[str, str]]] = [{"printer": ""}]
    speaks_http = False

    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        return {"printer": "laser", "signing_key": self.secret}


class TestNoteNode(ApprovalNodeSuite):
    node = NoteNode()
    good_config: ClassVar[dict[str, str]] = {"title": "Approved"}
    refused: ClassVar[list[dict[str, str]]] = [{"title": ""}]

    def effects(self, client: ApiClient) -> int:
        return len(client.get("/api/v1/example/notes", params={"limit": 200}).json()["items"])


class TestNoteSubject(ApprovalSubjectSuite):
    subject = NoteSubject()

    def make(self, client: ApiClient) -> str:
        return str(client.post("/api/v1/example/notes", json={"title": "Milk", "tags": []}).json()["id"])

    def state(self, client: ApiClient, subject_id: str) -> Any:
        return client.get(f"/api/v1/example/notes/{subject_id}").json()["title"]


class TestNoteAuthor(ApproverResolverSuite):
    resolver = NoteAuthor()
    configuration: ClassVar[dict[str, str]] = {"field": "note"}
    refused: ClassVar[list[dict[str, str]]] = [{"field": ""}]

    def form(self, client: ApiClient) -> Mapping[str, Any]:
        return {"note": client.post("/api/v1/example/notes", json={"title": "Budget"}).json()["id"]}

    def expected(self, client: ApiClient) -> list[UUID]:
        assert client.user is not None
        return [client.user.id]
