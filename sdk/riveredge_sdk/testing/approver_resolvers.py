"""Standard tests of what plugins bring to approvals. Subclass them in a test module:

class TestOwner(ApproverResolverSuite):
    resolver = OwnerOfOrder()
    configuration = {"field": "order"}

    def form(self, client: ApiClient) -> Mapping[str, Any]:
        return {"order": client.post("/api/v1/orders/orders", json={}).json()["id"]}

    def expected(self, client: ApiClient) -> list[UUID]:
        return [client.user.id]
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import ValidationError

from riveredge_sdk.context import use_context
from riveredge_sdk.features.approvals import ApproverResolver, Found, Request
from riveredge_sdk.models import uuid7
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.runtime import contributions
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.uow import unit_of_work


class ApproverResolverSuite:
    """A way to say who decides: its form, whom it finds, and that it keeps to its tenant.

    Attributes:
        resolver: the resolver.
        configuration: what a drawing gives it.
        refused: configurations that it does not take.
    """

    resolver: ClassVar[ApproverResolver[Any]]
    configuration: ClassVar[Mapping[str, Any]] = {}
    refused: ClassVar[Sequence[Mapping[str, Any]]] = ()

    @abstractmethod
    def form(self, client: ApiClient) -> Mapping[str, Any]:
        """The form of a request for which it finds somebody in the client's tenant."""

    @abstractmethod
    def expected(self, client: ApiClient) -> Sequence[UUID]:
        """Whom it finds for that form."""

    def test_it_is_contributed_with_a_form(
        self, platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant
    ) -> None:
        client.get("/api/v1/tenant").raise_for_status()
        with use_context(platform.context(tenant)):
            there = {each.id for each in contributions(Plugin.approver_resolvers)}
        assert self.resolver.id in there, "it is not contributed by approver_resolvers() of an installed plugin"
        assert self.resolver.title
        assert self.resolver.description, "designers choose by it: give it a description"
        schema = self.resolver.config.model_json_schema()
        assert schema["type"] == "object"
        assert schema.get("additionalProperties") is False, "forbid unknown fields, so that a misspelt one is told"
        for name, described in schema.get("properties", {}).items():
            assert described.get("title") or described.get("description"), f"{name}: give it a title or a description"

    def test_it_takes_what_it_says_and_nothing_else(self) -> None:
        self.resolver.config.model_validate(self.configuration)
        for bad in ({**self.configuration, "no_such_field": 1}, *self.refused):
            with pytest.raises(ValidationError):
                self.resolver.config.model_validate(bad)

    @pytest.mark.database
    def test_it_finds_people_of_its_tenant_or_says_why_not(
        self, platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant, other_tenant: TestTenant
    ) -> None:
        form = self.form(client)
        found = self._resolve(platform, tenant, client, form)
        assert list(found.users) == list(self.expected(client))
        assert found.why, "people are told why it is them"
        elsewhere = self._resolve(platform, other_tenant, client, form)
        assert not set(elsewhere.users) & set(found.users), "it finds people of another tenant"
        nothing = self._resolve(platform, tenant, client, {})
        assert nothing.why, "a form without the field is no reason to fail"

    def _resolve(
        self, platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient, form: Mapping[str, Any]
    ) -> Found:
        user = client.user
        assert user is not None
        config = self.resolver.config.model_validate(self.configuration)
        request = Request(
            id=uuid7(),
            process="suite",
            version=1,
            number="1",
            title="A request of the suite",
            submitter=user.id,
            department=None,
            form=form,
            node="approver",
        )

        async def resolve() -> tuple[Sequence[str], Found]:
            with use_context(platform.context(tenant)):
                async with unit_of_work(read_only=True):
                    return await self.resolver.check(config), await self.resolver.resolve(request, config)

        objections, found = platform.run(resolve())
        assert all(objections), "objections are sentences"
        return found


__all__ = ["ApproverResolverSuite"]
