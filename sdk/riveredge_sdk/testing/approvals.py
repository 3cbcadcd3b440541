"""Standard tests of what plugins add to approvals. Subclass them in a test module:

class TestPostInvoice(ApprovalNodeSuite):
    node = PostInvoice()
    good_config = {"account": "4711"}
    refused = ({"account": ""},)

class TestInvoiceSubject(ApprovalSubjectSuite):
    subject = InvoiceSubject()

    def make(self, client: ApiClient) -> str:
        return client.post("/api/v1/invoices/invoices", json={"number": "A-1"}).json()["id"]
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pytest
from pydantic import ValidationError

from riveredge_sdk.context import use_context
from riveredge_sdk.features.approvals import ApprovalNode, ApprovalSubject, Request
from riveredge_sdk.functions import Subject
from riveredge_sdk.models import uuid7
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import NotFound
from riveredge_sdk.runtime import contributions
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.uow import unit_of_work

T = TypeVar("T")


def a_request(client: ApiClient, **more: Any) -> Request:
    """A request of the client's user, standing on a node."""
    assert client.user is not None
    return Request(
        id=uuid7(),
        process="suite",
        version=1,
        number="AP-1",
        title="A request",
        submitter=client.user.id,
        department=None,
        form={"amount": "12.50"},
        node="node",
        visit=uuid7(),
        **more,
    )


def _serve(
    platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient, work: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    # The platform knows which plugins are on for an organisation once somebody has asked it for something.
    assert client.get("/api/v1/auth/me").status_code == 200

    async def served() -> T:
        with use_context(platform.context(tenant, client.user)):
            return await work()

    return platform.run(served())


class ApprovalNodeSuite:
    """A type of node: its form, what it refuses, and that a repetition does no harm.

    Attributes:
        node: the type of node.
        good_config: a configuration that it takes; override `config` if something has to be made first.
        refused: configurations that it does not take.
    """

    node: ClassVar[ApprovalNode[Any]]
    good_config: ClassVar[Mapping[str, Any]] = {}
    refused: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def config(self, client: ApiClient) -> Mapping[str, Any]:
        """A configuration that it takes in the client's tenant."""
        return self.good_config

    @abstractmethod
    def effects(self, client: ApiClient) -> int:
        """How often it has done its work in the client's tenant."""

    def test_it_is_contributed_with_a_form(
        self, platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient
    ) -> None:
        async def offered() -> set[str]:
            return {each.id for each in contributions(Plugin.approval_nodes)}

        assert self.node.id in _serve(platform, tenant, client, offered), "an installed plugin contributes it"
        schema = self.node.config.model_json_schema()
        assert schema.get("additionalProperties") is False, "forbid unknown fields, so that a misspelt one is told"
        for name, described in schema.get("properties", {}).items():
            assert described.get("title") or described.get("description"), f"{name}: give it a title or a description"

    def test_it_takes_what_it_says_and_nothing_else(
        self, platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient
    ) -> None:
        config = self.node.config.model_validate(self.config(client))

        async def complaints() -> Sequence[str]:
            async with unit_of_work(read_only=True):
                return await self.node.check(config)

        assert list(_serve(platform, tenant, client, complaints)) == []
        for bad in ({**self.config(client), "no_such_field": 1}, *self.refused):
            with pytest.raises(ValidationError):
                self.node.config.model_validate(bad)

    @pytest.mark.database
    def test_a_repetition_does_no_harm(
        self, platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient
    ) -> None:
        config = self.node.config.model_validate(self.config(client))
        request, before = a_request(client), self.effects(client)

        async def twice() -> list[Mapping[str, Any]]:
            return [await self.node.run(request, config) for _ in range(2)]

        for result in _serve(platform, tenant, client, twice):
            assert isinstance(json.loads(json.dumps(result)), dict), "the result is an object of JSON values"
        assert self.effects(client) == before + 1, "a second run for the same `request.visit` is a repetition"


class ApprovalSubjectSuite:
    """A kind of record that can be approved: it says what it is, keeps to its tenant, and hears a decision twice.

    Attributes:
        subject: the kind of record.
    """

    subject: ClassVar[ApprovalSubject]

    @abstractmethod
    def make(self, client: ApiClient) -> str:
        """Make a record that can be submitted in the client's tenant; its id."""

    @abstractmethod
    def state(self, client: ApiClient, subject_id: str) -> Any:
        """What of the record a decision changes."""

    @pytest.mark.database
    def test_it_says_what_it_is_in_its_tenant_alone(
        self, platform: PlatformUnderTest, tenant: TestTenant, other_tenant: TestTenant, client: ApiClient
    ) -> None:
        subject_id = self.make(client)

        async def describe() -> None:
            async with unit_of_work(read_only=True):
                assert self.subject.type in {each.type for each in contributions(Plugin.approval_subjects)}
                info = await self.subject.describe(subject_id)
                assert info.title
                assert isinstance(json.loads(json.dumps(dict(info.form))), dict)
                for nobody in (str(uuid7()), "nonsense", ""):
                    with pytest.raises(NotFound):
                        await self.subject.describe(nobody)

        async def describe_to_a_stranger() -> None:
            async with unit_of_work(read_only=True):
                with pytest.raises(NotFound):
                    await self.subject.describe(subject_id)

        _serve(platform, tenant, client, describe)
        _serve(platform, other_tenant, client, describe_to_a_stranger)

    @pytest.mark.database
    def test_a_decision_that_comes_twice_is_one(
        self, platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient
    ) -> None:
        subject_id = self.make(client)
        request = a_request(client, subject=Subject(self.subject.type, subject_id))
        before = self.state(client, subject_id)

        @unit_of_work()
        async def submitted() -> None:
            await self.subject.on_submitted(request)

        @unit_of_work()
        async def closed() -> None:
            await self.subject.on_closed(request, "approved")

        _serve(platform, tenant, client, submitted)
        _serve(platform, tenant, client, closed)
        after = self.state(client, subject_id)
        assert after != before, "an approval changes something"
        _serve(platform, tenant, client, closed)
        assert self.state(client, subject_id) == after


__all__ = ["ApprovalNodeSuite", "ApprovalSubjectSuite", "a_request"]
