"""The channels and providers of this plugin pass what every one should."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from riveredge_messaging.channels.in_app import InAppChannel
from riveredge_messaging.channels.push import PushChannel
from riveredge_messaging.channels.sms import SmsChannel
from riveredge_messaging.providers.aliyun_sms import AliyunSms
from riveredge_messaging.providers.apprise import Apprise
from riveredge_messaging.providers.twilio import Twilio
from riveredge_messaging.providers.webhook import Webhook
from riveredge_sdk.features.messaging import RenderedMessage
from riveredge_sdk.testing.http import HttpPeer, Reply
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest
from riveredge_sdk.testing.suites import ChannelSuite, ProviderSuite

from .test_addresses import MINE, code_of, twilio
from .test_providers import WHSEC
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


class TestSms(ChannelSuite):
    channel = SmsChannel()
    good_addresses: ClassVar[Mapping[str, str]] = {"0086 138-0013-8000": "+8613800138000"}
    bad_addresses = ("13800138000", "+86", "")

    @pytest.fixture(autouse=True)
    def _gateway(self, peer: HttpPeer, client: ApiClient, platform: PlatformUnderTest) -> None:
        self.peer, self.platform = peer, platform
        twilio(client, peer)

    def reach(self, client: ApiClient) -> None:
        client.put(MINE, json={"address": "+8613800138000"}).raise_for_status()
        self.platform.settle()
        client.post(f"{MINE}/verify", json={"code": code_of(self.peer)}).raise_for_status()


class TestTwilio(ProviderSuite):
    provider = Twilio()
    refused: ClassVar[list[dict[str, Any]]] = [{"sender": None}, {"messaging_service_sid": "MG1"}]

    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        return {"account_sid": "AC1", "auth_token": self.secret, "sender": "+15005550006", "api_url": peer.url}

    def taken(self) -> Reply:
        return Reply(201, {"sid": "SM1"})


class TestAliyun(ProviderSuite):
    provider = AliyunSms()
    refused: ClassVar[list[dict[str, Any]]] = [{"sign_name": ""}, {"report_token": "short"}]

    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        return {
            "access_key_id": "LTAI",
            "access_key_secret": self.secret,
            "sign_name": "河缘",
            "api_url": peer.url,
        }

    def taken(self) -> Reply:
        return Reply(200, {"Code": "OK", "BizId": "B1"})

    def message(self) -> RenderedMessage:
        return replace(super().message(), options={"provider_template_code": "SMS_1", "parameters": {}})


class TestWebhook(ProviderSuite):
    provider = Webhook()
    refused: ClassVar[list[dict[str, Any]]] = [{"secret": "short"}, {"url": "ftp://example.com"}]

    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        return {"url": peer.url, "secret": WHSEC[0]}


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestApprise(ProviderSuite):
    provider = Apprise()
    # The library does not tell.
    reads_retry_after = False
    refused: ClassVar[list[dict[str, Any]]] = [{"url": "file:///etc/passwd"}, {"url": "syslog://"}]

    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        return {"url": peer.url.replace("http://", f"json://me:{self.secret}@")}
