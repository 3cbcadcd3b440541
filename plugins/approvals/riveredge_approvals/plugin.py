"""What the approvals plugin contributes."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from riveredge_approvals import demo, personal, quotas, stream
from riveredge_approvals.actions import StartRequest
from riveredge_approvals.effects import callback_routes, connection_routes, mail_routes
from riveredge_approvals.effects.functions import EFFECT_FUNCTIONS
from riveredge_approvals.effects.surroundings import Surroundings
from riveredge_approvals.effects.templates import CATEGORIES, TEMPLATES
from riveredge_approvals.events import EVENTS
from riveredge_approvals.files import routes as file_routes
from riveredge_approvals.files.functions import FILE_FUNCTIONS
from riveredge_approvals.files.models import FILE_MODELS
from riveredge_approvals.foresight import rehearsal_routes
from riveredge_approvals.foresight import routes as foresight_routes
from riveredge_approvals.foresight.models import FORESIGHT_MODELS
from riveredge_approvals.functions import FUNCTIONS, JOBS
from riveredge_approvals.instances import routes as instance_routes
from riveredge_approvals.instances import talk_routes, why_routes
from riveredge_approvals.models import MODELS
from riveredge_approvals.people import delegation_routes, handover_routes
from riveredge_approvals.people.handover_models import HANDOVER_MODELS
from riveredge_approvals.people.leaving import LEAVING_FUNCTIONS
from riveredge_approvals.people.resolvers.registry import OWN
from riveredge_approvals.permissions import PERMISSIONS, REQUEST_USE, ROLES
from riveredge_approvals.port import ApprovalsService
from riveredge_approvals.processes import (
    diff_routes,
    finding_routes,
    import_routes,
    migration_routes,
    palette_routes,
    statistics_routes,
    validation_routes,
)
from riveredge_approvals.processes import routes as process_routes
from riveredge_approvals.processes.migration_models import MIGRATION_MODELS
from riveredge_approvals.settings import ApprovalsTenantSettings
from riveredge_approvals.tasks import routes as task_routes
from riveredge_sdk import (
    EventType,
    FunctionSpec,
    HealthCheck,
    NavItem,
    Permission,
    PlatformModel,
    Plugin,
    Role,
    Router,
    Service,
    StreamTopic,
    TenantModel,
    TenantSettings,
)
from riveredge_sdk.features.approvals import APPROVALS, ApproverResolver
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import MessageTemplateSpec
from riveredge_sdk.features.scheduling import TaskAction
from riveredge_sdk.quotas import Quota


class ApprovalsPlugin(Plugin):
    """Processes, requests and the tasks of approvers."""

    id = "approvals"
    title = "Approvals"
    description = "Flows that are drawn, compiled to durable workflows, and watched and explained on the drawing."
    after = ("directory", "messaging", "scheduling")

    def __init__(self) -> None:
        self._surroundings = Surroundings()

    def routers(self) -> Iterable[Router]:
        return (
            # Before those of one process: `startable` and `import` are no ids.
            finding_routes.router,
            import_routes.router,
            process_routes.router,
            validation_routes.router,
            diff_routes.router,
            palette_routes.router,
            migration_routes.router,
            statistics_routes.router,
            foresight_routes.router,
            rehearsal_routes.router,
            instance_routes.router,
            talk_routes.router,
            why_routes.router,
            task_routes.router,
            delegation_routes.router,
            handover_routes.router,
            connection_routes.router,
            callback_routes.router,
            mail_routes.router,
            file_routes.router,
        )

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return (*MODELS, *FILE_MODELS, *MIGRATION_MODELS, *HANDOVER_MODELS, *FORESIGHT_MODELS)

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return (
            *FUNCTIONS,
            *EFFECT_FUNCTIONS,
            *LEAVING_FUNCTIONS,
            *FILE_FUNCTIONS,
        )

    def event_types(self) -> Iterable[EventType[Any]]:
        return EVENTS

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def roles(self) -> Iterable[Role]:
        return ROLES

    def tenant_settings(self) -> Iterable[type[TenantSettings]]:
        return (ApprovalsTenantSettings,)

    def services(self) -> Iterable[Service[Any]]:
        return (Service(APPROVALS, ApprovalsService()),)

    def stream_topics(self) -> Iterable[StreamTopic]:
        return (*stream.TOPICS, *(job.topic for job in JOBS))

    def navigation(self) -> Iterable[NavItem]:
        return (NavItem("approvals.tasks", "Approvals", "approvals/tasks", "check", permission=REQUEST_USE, order=20),)

    def message_templates(self) -> Iterable[MessageTemplateSpec]:
        return TEMPLATES

    def message_categories(self) -> Iterable[MessageCategory]:
        return CATEGORIES

    def approver_resolvers(self) -> Iterable[ApproverResolver[Any]]:
        return OWN

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (StartRequest(),)

    def quotas(self) -> Iterable[Quota]:
        return quotas.quotas()

    def health(self) -> Iterable[HealthCheck]:
        return (HealthCheck("approvals.surroundings", "Plugins that approvals use", self._surroundings.check),)

    async def startup(self) -> None:
        self._surroundings.look()

    async def demo_data(self, people: Mapping[str, UUID]) -> None:
        await demo.fill(people)

    async def export_personal_data(self, user_id: UUID) -> dict[str, Any] | None:
        return await personal.export(user_id)

    async def erase_personal_data(self, user_id: UUID) -> int:
        return await personal.erase(user_id)
