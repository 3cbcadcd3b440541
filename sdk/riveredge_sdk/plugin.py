"""The contract. A plugin subclasses `Plugin` and overrides what it offers; nothing else is looked at.

Hooks that return contributions are plain methods, called once when the platform is assembled, and must not touch the
network or the database. Lifecycle hooks are coroutines with a time limit. A hook that raises, hangs or returns
something else than it promises is reported, and costs only what that hook would have given.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from riveredge_sdk.contributions import Command, HealthCheck, HookSpecs, NavItem, Permission, Role, StaticApp
from riveredge_sdk.events import EventType
from riveredge_sdk.features.approvals import ApprovalNode, ApprovalSubject, ApproverResolver
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import MessageChannel, MessageProvider, MessageTemplateSpec
from riveredge_sdk.features.scheduling import SystemSchedule, TaskAction
from riveredge_sdk.functions import JSON, FunctionSpec
from riveredge_sdk.http import Router
from riveredge_sdk.models import PlatformModel, TenantModel
from riveredge_sdk.ports import Service
from riveredge_sdk.quotas import Quota
from riveredge_sdk.settings import PluginSettings, TenantSettings
from riveredge_sdk.stream import StreamTopic
from riveredge_sdk.timers import DueRows
from riveredge_sdk.watching import EventWatcher


class Plugin:
    """One installable feature.

    Attributes:
        id: short and lower case; prefix of its URLs, tables, settings, permissions, events and contribution ids.
        title: for people.
        requires: ids of plugins it cannot do without.
        after: ids of plugins that are set up first when they are there.
        api: the SDK API versions it works with, for example ">=1,<2" (PEP 440 specifiers over `API_VERSION`).
        default_enabled: whether tenants have it on until they switch it off.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    requires: ClassVar[Sequence[str]] = ()
    after: ClassVar[Sequence[str]] = ()
    api: ClassVar[str] = ">=1,<2"
    default_enabled: ClassVar[bool] = True

    # -- what it contributes ------------------------------------------------------------------------------------

    def routers(self) -> Iterable[Router]:
        """REST routes, mounted under `/api/v1/<id>`."""
        return ()

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        """The mapped classes, all with tables called `<id>_…`. Their tables come from the plugin's migrations."""
        return ()

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        """Durable functions."""
        return ()

    def event_types(self) -> Iterable[EventType[Any]]:
        """Events it publishes, so that others may react to them."""
        return ()

    def permissions(self) -> Iterable[Permission]:
        """Every permission its routes name."""
        return ()

    def roles(self) -> Iterable[Role]:
        """Bundles of permissions offered to tenants."""
        return ()

    def settings(self) -> Iterable[type[PluginSettings]]:
        """Installation settings, checked when the platform starts."""
        return ()

    def tenant_settings(self) -> Iterable[type[TenantSettings]]:
        """At most one model of settings that each tenant edits."""
        return ()

    def services(self) -> Iterable[Service[Any]]:
        """Ports it implements."""
        return ()

    def stream_topics(self) -> Iterable[StreamTopic]:
        """What browsers can follow live."""
        return ()

    def navigation(self) -> Iterable[NavItem]:
        """Entries of the console's navigation."""
        return ()

    def static_apps(self) -> Iterable[StaticApp]:
        """Front ends it brings along."""
        return ()

    def commands(self) -> Iterable[Command]:
        """Commands below `riveredge <id>`."""
        return ()

    def hookspecs(self) -> Iterable[HookSpecs]:
        """Extension points of its own, for further plugins."""
        return ()

    def health(self) -> Iterable[HealthCheck]:
        """Checks shown under `/health/plugins`."""
        return ()

    def timer_sources(self) -> Iterable[DueRows]:
        """Tables of due rows of its own, claimed by the kernel's tick."""
        return ()

    def event_watchers(self) -> Iterable[EventWatcher]:
        """Who is told of events that organisations choose while the platform runs."""
        return ()

    def quotas(self) -> Iterable[Quota]:
        """What operators can limit for an organisation."""
        return ()

    def message_channels(self) -> Iterable[MessageChannel]:
        """Ways to reach people, for the messaging plugin."""
        return ()

    def message_providers(self) -> Iterable[MessageProvider[Any]]:
        """Services that deliver the messages of a channel, for the messaging plugin."""
        return ()

    def message_templates(self) -> Iterable[MessageTemplateSpec]:
        """Message templates, for the messaging plugin."""
        return ()

    def message_categories(self) -> Iterable[MessageCategory]:
        """Kinds of messages, for the messaging plugin: what people choose by, and the rules of each."""
        return ()

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        """What schedules can run, for the scheduling plugin."""
        return ()

    def system_schedules(self) -> Iterable[SystemSchedule]:
        """Schedules that every organisation gets, for the scheduling plugin."""
        return ()

    def approval_nodes(self) -> Iterable[ApprovalNode[Any]]:
        """Types of nodes that do something, for the drawings of the approvals plugin."""
        return ()

    def approval_subjects(self) -> Iterable[ApprovalSubject]:
        """Kinds of records that can be approved, for the approvals plugin."""
        return ()

    def approver_resolvers(self) -> Iterable[ApproverResolver[Any]]:
        """Ways to say who decides, for the approvals plugin."""
        return ()

    # -- what happens to it -------------------------------------------------------------------------------------

    async def startup(self) -> None:
        """The platform is about to serve. Runs in every process; no tenant."""

    async def shutdown(self) -> None:
        """The platform has stopped serving."""

    async def tenant_created(self) -> None:
        """The current tenant is new, and the plugin on for it; inside the unit of work that made it."""

    async def demo_data(self, people: Mapping[str, UUID]) -> None:
        """Give the demo organisation of `riveredge run` something to look at. It is new, and this its unit of work.

        Args:
            people: its members, by first name in lower case.
        """

    async def tenant_enabled(self) -> None:
        """It was switched on for the current tenant, inside that unit of work."""

    async def tenant_disabled(self) -> None:
        """It was switched off for the current tenant, inside that unit of work. Keep the data."""

    async def plugin_switched(self, plugin_id: str, *, enabled: bool) -> None:
        """The current tenant has switched another plugin on or off, inside that unit of work."""

    async def export_personal_data(self, user_id: UUID) -> JSON:
        """Everything the plugin holds about a user in the current tenant, as JSON; None for nothing."""
        return None

    async def erase_personal_data(self, user_id: UUID) -> int:
        """Erase or anonymise what it holds about a user in the current tenant; the number of rows it touched."""
        return 0
