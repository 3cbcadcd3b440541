"""Standard tests of message channels and of their providers. Subclass them in a test module:

class TestPager(ChannelSuite):
    channel = PagerChannel()
    good_addresses = {"12 34": "1234"}
    bad_addresses = ("twelve",)

class TestBeeper(ProviderSuite):
    provider = Beeper()

    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        return {"url": peer.url, "token": "secret"}
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import ValidationError

from riveredge_sdk.context import use_context
from riveredge_sdk.features.messaging import (
    CallbackRefusedError,
    CallbackRequest,
    ConfigurationFailure,
    DeliveringChannel,
    DeliveryResult,
    MessageChannel,
    MessageProvider,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.models import uuid7
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.runtime import contributions
from riveredge_sdk.testing.http import HttpPeer, Reply
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.uow import unit_of_work

_SECRET = "a-secret-that-nobody-is-told"  # noqa: S105


class ChannelSuite:
    """A channel: its addresses, who has one, and that a message arrives.

    Attributes:
        channel: the channel.
        good_addresses: addresses as people write them, and the form in which they are used.
        bad_addresses: what is no address.
        reaches_everybody: nobody is without an address.
    """

    channel: ClassVar[MessageChannel]
    good_addresses: ClassVar[Mapping[str, str]] = {}
    bad_addresses: ClassVar[Sequence[str]] = ()
    reaches_everybody: ClassVar[bool] = False

    def reach(self, client: ApiClient) -> None:
        """Give the client's user an address, as people do it."""

    def arrived(self, client: ApiClient) -> int | None:
        """How many messages have arrived for the client's user; None if nobody can tell."""
        return None

    def test_it_is_contributed(self, platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant) -> None:
        # What is on for a tenant is known once it has been served.
        client.get("/api/v1/tenant").raise_for_status()
        with use_context(platform.context(tenant)):
            there = {channel.id: channel for channel in contributions(Plugin.message_channels)}
            served = {provider.channel for provider in contributions(Plugin.message_providers)}
        assert self.channel.id in there, "it is not contributed by message_channels() of an installed plugin"
        assert self.channel.title
        assert self.channel.description, "people choose by it: give it a description"
        by_itself = isinstance(self.channel, DeliveringChannel)
        assert by_itself or not hasattr(self.channel, "deliver"), "it has a `deliver`: derive it from DeliveringChannel"
        assert by_itself or self.channel.id in served, (
            "nothing hands its messages over: derive it from DeliveringChannel, or contribute a provider for it"
        )

    def test_addresses_have_one_form(self) -> None:
        for written, used in self.good_addresses.items():
            assert self.channel.check_address(written) == used
            assert self.channel.check_address(used) == used, "what is used is written that way as well"
        for bad in self.bad_addresses:
            with pytest.raises(ValueError, match=r"\w"):
                self.channel.check_address(bad)

    @pytest.mark.database
    def test_who_is_reached_is_told_alike_for_one_and_for_many(
        self, platform: PlatformUnderTest, client: ApiClient, as_user: AsUser, tenant: TestTenant
    ) -> None:
        other = as_user(())
        assert client.user is not None
        assert other.user is not None
        people = [client.user.id, other.user.id]
        self.reach(client)

        async def ask() -> tuple[dict[UUID, str | None], Mapping[UUID, str]]:
            with use_context(platform.context(tenant)):
                async with unit_of_work(read_only=True):
                    each = {user_id: await self.channel.address_of(user_id) for user_id in people}
                    return each, await self.channel.addresses_of(people)

        each, many = platform.run(ask())
        assert {user_id: address for user_id, address in each.items() if address is not None} == dict(many)
        assert each[client.user.id] is not None, "reach() gave no address"
        assert (each[other.user.id] is not None) == self.reaches_everybody
        for address in many.values():
            assert self.channel.check_address(address) == address
            assert len(address) <= 500

    @pytest.mark.database
    def test_a_message_arrives_and_nobody_is_left_out_silently(
        self, platform: PlatformUnderTest, client: ApiClient, as_user: AsUser
    ) -> None:
        if not isinstance(self.channel, DeliveringChannel):
            # What a provider hands over is the ProviderSuite's.
            return
        other = as_user(())
        assert client.user is not None
        assert other.user is not None
        self.reach(client)
        before = self.arrived(client)
        body = {
            "template": "messaging.welcome",
            "to": [str(client.user.id), str(other.user.id)],
            "data": {"product": "RiverEdge"},
            "channels": [self.channel.id],
        }
        answer = client.post("/api/v1/messaging/messages", json=body)
        assert answer.status_code == 202, answer.text
        platform.settle()
        filter_ = f'{{"conditions": [{{"field": "message_id", "op": "eq", "value": "{answer.json()["id"]}"}}]}}'
        found = client.get("/api/v1/messaging/deliveries", params={"filter": filter_}).json()["items"]
        status = {each["recipient_id"]: each["status"] for each in found}
        assert status[str(client.user.id)] in {"sent", "delivered"}, found
        if not self.reaches_everybody:
            assert status[str(other.user.id)] == "skipped", found
        if before is not None:
            assert self.arrived(client) == before + 1


class ProviderSuite:
    """A provider: its form, that it sends, and what its failures mean.

    Attributes:
        provider: the provider.
        refused: settings that it does not take.
        speaks_http: it calls the peer over HTTP, through the guarded client.
        reads_retry_after: it waits as long as the peer asks for.
    """

    provider: ClassVar[MessageProvider[Any]]
    refused: ClassVar[Sequence[Mapping[str, Any]]] = ()
    speaks_http: ClassVar[bool] = True
    reads_retry_after: ClassVar[bool] = True

    @abstractmethod
    def settings(self, peer: HttpPeer) -> Mapping[str, Any]:
        """Settings with which it calls the peer. Texts of secrets may be anything, `self.secret` for example."""

    @property
    def secret(self) -> str:
        """A secret for `settings`; the suite sees that it is told to nobody."""
        return _SECRET

    def taken(self) -> Reply:
        """What the peer answers when it takes a message."""
        return Reply(200, {})

    def message(self) -> RenderedMessage:
        """A message that it sends."""
        return RenderedMessage(
            delivery_id=uuid7(), recipient_id=UUID(int=7), address="+8613800138000", subject="Hello", text="Hello"
        )

    def test_it_is_contributed_with_a_form(
        self, platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant
    ) -> None:
        client.get("/api/v1/tenant").raise_for_status()
        with use_context(platform.context(tenant)):
            there = {provider.id for provider in contributions(Plugin.message_providers)}
            known = {channel.id for channel in contributions(Plugin.message_channels)}
        assert self.provider.id in there, "it is not contributed by message_providers() of an installed plugin"
        assert self.provider.channel in known, "no installed plugin contributes its channel"
        schema = self.provider.config.model_json_schema()
        assert schema.get("additionalProperties") is False, "derive the settings from ProviderConfig"
        for name, described in schema["properties"].items():
            assert described.get("title"), f"{name}: give it a title"
        fields = self.provider.config.model_fields.keys()
        assert self.provider.config.secrets_sent_to <= fields

    def test_it_takes_what_it_says_and_nothing_else(self, peer: HttpPeer) -> None:
        good = self.settings(peer)
        config = self.provider.config.model_validate(good)
        assert self.secret not in repr(config), "fields with secrets are of the type SecretStr"
        for bad in ({**good, "no_such_field": 1}, *({**good, **change} for change in self.refused)):
            with pytest.raises(ValidationError):
                self.provider.config.model_validate(bad)
        assert self.provider.parallel(config) >= 1

    def test_it_sends(self, platform: PlatformUnderTest, tenant: TestTenant, peer: HttpPeer) -> None:
        peer.reply = lambda _call: self.taken()
        result = self._send(platform, tenant, peer)
        assert result.outcome in {"accepted", "delivered"}
        assert len(result.reference) <= 500
        assert bool(peer.calls) == self.speaks_http

    def test_what_failures_mean(self, platform: PlatformUnderTest, tenant: TestTenant, peer: HttpPeer) -> None:
        if not self.speaks_http:
            return
        cases: list[tuple[Reply | None, tuple[type[Exception], ...]]] = [
            (Reply(500), (TemporaryFailure,)),
            (Reply(503), (TemporaryFailure,)),
            (Reply(401), (ConfigurationFailure,)),
            # The call has arrived, and nobody knows what became of it.
            (None, (UnknownOutcome, TemporaryFailure) if self.provider.supports_idempotency else (UnknownOutcome,)),
            (Reply(302, None, {"Location": f"{peer.url}/elsewhere"}), (ConfigurationFailure, TemporaryFailure)),
        ]
        for reply, expected in cases:
            peer.calls.clear()
            peer.reply = lambda _call, reply=reply: reply  # type: ignore[misc]
            with pytest.raises(expected) as raised:
                self._send(platform, tenant, peer)
            assert self.secret not in str(raised.value), "failures are shown to people: tell no secrets"
            assert len(peer.calls) == 1, "trying again is messaging's business"
        peer.reply = lambda _call: Reply(429, None, {"Retry-After": "7"})
        with pytest.raises(TemporaryFailure) as wait:
            self._send(platform, tenant, peer)
        assert wait.value.retry_after is not None
        assert wait.value.retry_after == 7 or not self.reads_retry_after

    def test_it_stays_out_of_the_operator_s_network(
        self, platform: PlatformUnderTest, tenant: TestTenant, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not self.speaks_http:
            return
        monkeypatch.delenv("RIVEREDGE_OUTBOUND__ALLOW")
        with pytest.raises((ConfigurationFailure, TemporaryFailure, PermanentFailure)):
            self._send(platform, tenant, peer)
        assert peer.calls == []

    def test_a_stranger_s_call_is_refused(
        self, platform: PlatformUnderTest, tenant: TestTenant, peer: HttpPeer
    ) -> None:
        config = self.provider.config.model_validate(self.settings(peer))
        for body in (b"", b"{}", b"[]", b"a=b", b"\xff"):
            request = CallbackRequest(
                method="POST", url="https://edge.example/callback", headers={}, query={}, body=body
            )

            async def receive(request: CallbackRequest = request) -> None:
                with use_context(platform.context(tenant)):
                    async with unit_of_work():
                        await self.provider.receive(config, request)

            with pytest.raises((CallbackRefusedError, ValueError)):
                platform.run(receive())

    def _send(self, platform: PlatformUnderTest, tenant: TestTenant, peer: HttpPeer) -> DeliveryResult:
        config = self.provider.config.model_validate(self.settings(peer))

        async def send() -> DeliveryResult:
            with use_context(platform.context(tenant)):
                return await self.provider.send(config, self.message())

        return platform.run(send())


__all__ = ["ChannelSuite", "ProviderSuite"]
