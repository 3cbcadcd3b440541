"""Approvals pass what every plugin should, and their action what every action should."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from riveredge_approvals import plugin
from riveredge_approvals.actions import StartRequest
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TaskActionSuite, TenancySuite

from .drawings import approver
from .requests import API, Publish, publish, submit, todo, user_of


class TestApprovals(PluginSuite):
    plugin: ClassVar[Plugin] = plugin


class TestTenancyOfApprovals(TenancySuite):
    plugin: ClassVar[Plugin] = plugin

    def seed(self, client: ApiClient) -> None:
        me = str(user_of(client))
        request = submit(client, publish(client, approver("mgr", user=me, self_approval="self")), form={"amount": 1})
        todo(client)
        at = f"{API}/instances/{request['id']}"
        leaver = {"user_id": str(uuid4()), "to_id": me}
        for place, body in (
            (f"{API}/handovers", leaver),
            (f"{at}/comments", {"text": "Secret"}),
            (f"{at}/cc", {"users": [me]}),
            (f"{API}/connections", {"key": "erp", "title": "ERP", "base_url": "https://erp.example.com"}),
        ):
            made = client.post(place, json=body)
            assert made.is_success, made.text


class TestStartRequest(TaskActionSuite):
    action = StartRequest()
    refused: ClassVar[list[dict[str, Any]]] = [{"process": "nothing"}]

    @pytest.fixture(autouse=True)
    def _process(self, client: ApiClient, published: Publish) -> None:
        self.key = published(approver("mgr", user=user_of(client)))

    def good_params(self, client: ApiClient) -> Mapping[str, Any]:
        return {"process": self.key, "form": {"amount": 1}}

    def effects(self, client: ApiClient) -> int:
        return len(client.get(f"{API}/instances", params={"limit": 200}).json()["items"])
