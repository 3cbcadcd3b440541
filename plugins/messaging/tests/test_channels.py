"""The channels of this plugin pass what every channel should."""

import pytest

from riveredge_messaging.channels.in_app import InAppChannel
from riveredge_messaging.channels.push import PushChannel
from riveredge_sdk.testing.http import HttpPeer, Reply
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import ChannelSuite

from .test_push import DEVICES, Browser


class TestInApp(ChannelSuite):
    channel = InAppChannel()
    reaches_everybody = True

    def arrived(self, client: ApiClient) -> int:
        return len(client.get("/api/v1/messaging/inbox").json()["items"])


class TestPush(ChannelSuite):
    channel = PushChannel()

    @pytest.fixture(autouse=True)
    def _service(self, peer: HttpPeer) -> None:
        self.peer = peer
        self.peer.reply = lambda _call: Reply(201)

    def reach(self, client: ApiClient) -> None:
        body = {"subscription": Browser(self.peer, "suite").subscription()}
        client.post(DEVICES, json=body).raise_for_status()

    def arrived(self, client: ApiClient) -> int:
        return len(self.peer.calls)
