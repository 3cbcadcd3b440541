"""Standard tests that every plugin should pass. Subclass them in a test module:

from riveredge_sdk.testing.suites import PluginSuite, TenancySuite

class TestInvoices(PluginSuite):
    plugin = plugin

class TestTenancyOfInvoices(TenancySuite):
    plugin = plugin

    def seed(self, client: ApiClient) -> None:
        client.post("/api/v1/invoices/invoices", json={"number": "A-1"})
"""

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy import ForeignKeyConstraint
from sqlmodel import select

from riveredge_sdk.context import use_context
from riveredge_sdk.features.scheduling import TaskAction
from riveredge_sdk.models import TenantModel, uuid7
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.approvals import ApprovalNodeSuite, ApprovalSubjectSuite
from riveredge_sdk.testing.approver_resolvers import ApproverResolverSuite
from riveredge_sdk.testing.channels import ChannelSuite, ProviderSuite
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.uow import unit_of_work

_PARAMETER = re.compile(r"\{[^}]+\}")
# What an attacker may be told: not signed in, not allowed, not there, or not even read.
_REFUSED = frozenset({401, 403, 404})
_UNREAD = frozenset({400, 404, 409, 412, 415, 422, 428})


@dataclass(frozen=True, slots=True)
class Operation:
    """A route of the plugin, from the OpenAPI document. `permission` is None if being signed in is enough."""

    method: str
    path: str
    permission: str | None
    public: bool

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    def at(self, value: object) -> str:
        """The path with every parameter replaced."""
        return _PARAMETER.sub(str(value), self.path)


def operations(platform: PlatformUnderTest, plugin: str) -> Iterator[Operation]:
    """The plugin's routes."""
    for path, methods in platform.openapi["paths"].items():
        if not path.startswith(f"/api/v1/{plugin}/"):
            continue
        for method, described in methods.items():
            yield Operation(method.upper(), path, described.get("x-permission"), "security" not in described)


class PluginSuite:
    """The contract: it runs, its names are its own, its routes are guarded, its tables are what its migrations make."""

    plugin: ClassVar[Plugin]

    def test_it_runs_without_a_complaint(self, anonymous: ApiClient) -> None:
        found = {line["id"]: line for line in anonymous.get("/health/plugins").json()["plugins"]}
        assert self.plugin.id in found, "it is not installed: is its entry point in the group riveredge.plugins?"
        assert (found[self.plugin.id]["state"], found[self.plugin.id]["reason"]) == ("active", "")

    def test_models_are_prefixed_and_keep_to_their_tenant(self) -> None:
        for model in self.plugin.models():
            table: Any = getattr(model, "__table__")  # noqa: B009  (typed classes do not show it)
            assert table.name.startswith(f"{self.plugin.id}_"), f"{table.name}: tables begin with the plugin's id"
            if not issubclass(model, TenantModel):
                continue
            for key in table.foreign_key_constraints:
                assert isinstance(key, ForeignKeyConstraint)
                target = key.referred_table
                if "tenant_id" in target.columns:
                    assert "tenant_id" in key.column_keys, f"{table.name}: use tenant_fk() for the key to {target.name}"

    @pytest.mark.database
    def test_tables_are_what_the_models_say(self, platform: PlatformUnderTest) -> None:
        assert platform.check_schema(self.plugin.id) == []

    def test_permissions_are_contributed(self, platform: PlatformUnderTest) -> None:
        contributed = {permission.id for permission in self.plugin.permissions()}
        named = {o.permission for o in operations(platform, self.plugin.id) if o.permission}
        assert named <= contributed, f"routes name permissions that nobody contributes: {sorted(named - contributed)}"
        for role in self.plugin.roles():
            unknown = role.permissions - set(platform.permissions)
            assert not unknown, f"the role {role.id} names unknown permissions: {sorted(unknown)}"

    def test_routes_are_guarded(self, platform: PlatformUnderTest, anonymous: ApiClient, as_user: AsUser) -> None:
        powerless = as_user(())
        for operation in operations(platform, self.plugin.id):
            if operation.public:
                continue
            place = operation.at(UUID(int=7))
            assert anonymous.request(operation.method, place).status_code == 401, operation
            if operation.permission is not None:
                assert powerless.request(operation.method, place).status_code == 403, operation

    def test_events_and_functions_belong_together(self) -> None:
        known = {event.name for event in self.plugin.event_types()}
        for function in self.plugin.functions():
            assert function.id.startswith(f"{self.plugin.id}."), function.id
            for event in function.events:
                own = event.plugin == self.plugin.id
                assert not own or event.name in known, f"{function.id}: contribute {event.name} in event_types()"


class TenancySuite:
    """The wall: with every permission, nothing of one tenant is read, changed or noticed from another."""

    plugin: ClassVar[Plugin]

    @abstractmethod
    def seed(self, client: ApiClient) -> None:
        """Make at least one row of each kind, as a member of the tenant that is attacked."""

    @pytest.fixture
    def attacker(self, platform: PlatformUnderTest, as_user: AsUser, other_tenant: TestTenant) -> ApiClient:
        """Signed in to another tenant, with every permission there."""
        return as_user(platform.permissions, tenant=other_tenant)

    @pytest.mark.database
    def test_no_model_shows_another_tenant_s_rows(
        self, platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant, other_tenant: TestTenant
    ) -> None:
        self.seed(client)
        for model in self._tenant_models():
            if model not in self._unseeded(platform, tenant):
                # What a plugin gives every organisation is there, but it is its own.
                others = self._rows(platform, other_tenant, model)
                assert {row["tenant_id"] for row in others.values()} <= {other_tenant.id}, model
                assert others.keys().isdisjoint(self._rows(platform, tenant, model)), model

    @pytest.mark.database
    def test_no_list_shows_another_tenant_s_rows(
        self, platform: PlatformUnderTest, client: ApiClient, tenant: TestTenant, attacker: ApiClient
    ) -> None:
        self.seed(client)
        ids = [str(row_id) for model in self._tenant_models() for row_id in self._rows(platform, tenant, model)]
        assert ids, "seed() made no rows"
        for operation in operations(platform, self.plugin.id):
            if operation.method == "GET" and not operation.parameters:
                text = attacker.get(operation.path).text
                assert not [row_id for row_id in ids if row_id in text], operation

    @pytest.mark.database
    def test_no_route_reaches_another_tenant_s_rows(
        self,
        platform: PlatformUnderTest,
        client: ApiClient,
        tenant: TestTenant,
        attacker: ApiClient,
        engine: EngineControl,
    ) -> None:
        self.seed(client)
        # What waits or is tried again by itself comes to its end now, not meanwhile.
        engine.advance(hours=1)
        before = {model: self._rows(platform, tenant, model) for model in self._tenant_models()}
        ids = [row_id for rows in before.values() for row_id in list(rows)[:2]]
        headers = {"If-Match": '"1"'}
        for operation in operations(platform, self.plugin.id):
            if not operation.parameters:
                continue
            for row_id in ids:
                body: dict[str, Any] | None = None if operation.method in {"GET", "DELETE"} else {}
                answer = attacker.request(operation.method, operation.at(row_id), headers=headers, json=body)
                assert answer.status_code in _REFUSED | _UNREAD, (operation, answer.status_code, answer.text)
        platform.settle()
        assert {model: self._rows(platform, tenant, model) for model in self._tenant_models()} == before

    def _tenant_models(self) -> list[type[TenantModel]]:
        return [model for model in self.plugin.models() if issubclass(model, TenantModel)]

    def _unseeded(self, platform: PlatformUnderTest, tenant: TestTenant) -> list[type[TenantModel]]:
        return [model for model in self._tenant_models() if not self._rows(platform, tenant, model)]

    @staticmethod
    def _rows(platform: PlatformUnderTest, tenant: TestTenant, model: type[TenantModel]) -> dict[UUID, dict[str, Any]]:
        async def read() -> dict[UUID, dict[str, Any]]:
            with use_context(platform.context(tenant)):
                async with unit_of_work(read_only=True) as session:
                    return {row.id: row.model_dump() for row in (await session.exec(select(model))).all()}

        return platform.run(read())


class TaskActionSuite:
    """An action of schedules: its form, its permission, and that it does its work once.

    Attributes:
        action: the action.
        params: parameters that it takes; override `good_params` if they have to be made first.
        refused: parameters that it does not take.
    """

    action: ClassVar[TaskAction[Any]]
    params: ClassVar[Mapping[str, Any]] = {}
    refused: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def good_params(self, client: ApiClient) -> Mapping[str, Any]:
        """Parameters that it takes in the client's tenant."""
        return self.params

    @abstractmethod
    def effects(self, client: ApiClient) -> int:
        """How often it has done its work in the client's tenant."""

    def test_it_is_contributed_with_a_form(self, client: ApiClient) -> None:
        offered = {each["id"]: each for each in client.get("/api/v1/scheduling/actions").json()}
        assert self.action.id in offered, "it is not contributed by task_actions() of an installed plugin"
        schema = offered[self.action.id]["params_schema"]
        assert schema["type"] == "object"
        assert schema.get("additionalProperties") is False, "forbid unknown fields, so that a misspelt one is told"
        for name, described in schema.get("properties", {}).items():
            assert described.get("title") or described.get("description"), f"{name}: give it a title or a description"
        assert offered[self.action.id]["idempotency"]

    def test_it_takes_what_it_says_and_nothing_else(self, client: ApiClient) -> None:
        good = self.good_params(client)
        assert self._save(client, good).status_code == 201
        for bad in ({**good, "no_such_field": 1}, *self.refused):
            answer = self._save(client, bad)
            assert answer.status_code == 422, (bad, answer.text)
            assert all(error["field"].startswith("params") for error in answer.json()["errors"]), answer.text

    def test_it_keeps_to_its_permission(self, client: ApiClient, as_user: AsUser) -> None:
        if self.action.permission is None:
            return
        weak = as_user({"scheduling.task.read", "scheduling.task.write"})
        answer = self._save(weak, self.good_params(client))
        assert (answer.status_code, answer.json().get("permission")) == (403, self.action.permission)

    @pytest.mark.database
    def test_it_does_its_work_once(self, platform: PlatformUnderTest, client: ApiClient) -> None:
        made = self._save(client, self.good_params(client))
        assert made.status_code == 201, made.text
        before = self.effects(client)
        # The engine calls twice, as after an answer that was lost.
        for function in ("riveredge-kernel-fire", "riveredge-scheduling-execute"):
            EngineControl(platform).fail("twice", function=function)
        started = client.post(f"/api/v1/scheduling/tasks/{made.json()['id']}/run", json={})
        assert started.status_code == 202, started.text
        platform.settle()
        fire = client.get(f"/api/v1/scheduling/fires/{started.json()['id']}").json()
        assert fire["state"] == "succeeded", fire
        platform.settle()
        assert self.effects(client) == before + 1

    def _save(self, client: ApiClient, params: Mapping[str, Any]) -> Any:
        body = {
            "key": f"suite-{uuid7()}",
            "title": self.action.title,
            "action": self.action.id,
            "params": dict(params),
            "trigger": {"kind": "cron", "expression": "0 0 1 1 *"},
        }
        return client.post("/api/v1/scheduling/tasks", json=body)


__all__ = [
    "ApprovalNodeSuite",
    "ApprovalSubjectSuite",
    "ApproverResolverSuite",
    "ChannelSuite",
    "Operation",
    "PluginSuite",
    "ProviderSuite",
    "TaskActionSuite",
    "TenancySuite",
    "operations",
]
