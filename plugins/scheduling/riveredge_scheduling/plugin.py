"""What the scheduling plugin contributes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from riveredge_scheduling import calendar_routes, fire_routes, personal, quotas, routes, system
from riveredge_scheduling.actions.emit_event import EmitEvent
from riveredge_scheduling.actions.webhook import Webhook
from riveredge_scheduling.events import EVENTS
from riveredge_scheduling.functions import FUNCTIONS
from riveredge_scheduling.models import Calendar, Fire, ScheduledTask
from riveredge_scheduling.permissions import PERMISSIONS, ROLES, TASK_READ
from riveredge_scheduling.settings import SchedulingSettings, SchedulingTenantSettings
from riveredge_scheduling.source import Schedules
from riveredge_scheduling.templates import TEMPLATES
from riveredge_scheduling.workday_service import CalendarDays
from riveredge_sdk import (
    Command,
    EventType,
    FunctionSpec,
    NavItem,
    Permission,
    PlatformModel,
    Plugin,
    PluginSettings,
    Role,
    Router,
    Service,
    TenantModel,
    TenantSettings,
)
from riveredge_sdk.features.messaging import MessageTemplateSpec
from riveredge_sdk.features.scheduling import WORKDAYS, TaskAction
from riveredge_sdk.quotas import Quota
from riveredge_sdk.timers import DueRows


class SchedulingPlugin(Plugin):
    """Scheduled tasks."""

    id = "scheduling"
    title = "Scheduling"
    description = "Runs tasks by cron, interval and date in any time zone, and remembers what became of each."
    after = ("messaging",)

    def routers(self) -> Iterable[Router]:
        return (routes.router, fire_routes.fires_router, fire_routes.other_router, calendar_routes.router)

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return (Calendar, ScheduledTask, Fire)

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return FUNCTIONS

    def event_types(self) -> Iterable[EventType[Any]]:
        return EVENTS

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def roles(self) -> Iterable[Role]:
        return ROLES

    def settings(self) -> Iterable[type[PluginSettings]]:
        return (SchedulingSettings,)

    def tenant_settings(self) -> Iterable[type[TenantSettings]]:
        return (SchedulingTenantSettings,)

    def services(self) -> Iterable[Service[Any]]:
        return (Service(WORKDAYS, CalendarDays()),)

    def navigation(self) -> Iterable[NavItem]:
        return (NavItem("scheduling.tasks", "Schedules", "scheduling/tasks", "clock", permission=TASK_READ, order=40),)

    def commands(self) -> Iterable[Command]:
        from riveredge_scheduling.commands import build

        return (Command("scheduling.commands", "Scheduled tasks.", build),)

    def timer_sources(self) -> Iterable[DueRows]:
        return (Schedules(),)

    def quotas(self) -> Iterable[Quota]:
        return quotas.quotas()

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (EmitEvent(), Webhook())

    def message_templates(self) -> Iterable[MessageTemplateSpec]:
        return TEMPLATES

    async def tenant_created(self) -> None:
        await system.follow()

    async def tenant_enabled(self) -> None:
        await system.follow()

    async def plugin_switched(self, plugin_id: str, *, enabled: bool) -> None:
        await system.follow()

    async def export_personal_data(self, user_id: UUID) -> dict[str, Any]:
        return await personal.export(user_id)

    async def erase_personal_data(self, user_id: UUID) -> int:
        return await personal.erase(user_id)
