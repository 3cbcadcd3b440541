"""What the directory plugin contributes."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from riveredge_directory import (
    absence_routes,
    dated_routes,
    demo,
    department_routes,
    group_routes,
    people_routes,
    personal,
    quotas,
    table_routes,
)
from riveredge_directory.models import MODELS
from riveredge_directory.permissions import PERMISSIONS, READ, ROLES
from riveredge_directory.ports import OrganisationDirectory, OrganisationGroups
from riveredge_directory.settings import DirectorySettings
from riveredge_sdk import (
    NavItem,
    Permission,
    PlatformModel,
    Plugin,
    PluginSettings,
    Role,
    Router,
    Service,
    TenantModel,
)
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.features.people import GROUPS
from riveredge_sdk.quotas import Quota


class DirectoryPlugin(Plugin):
    """The organisation."""

    id = "directory"
    title = "Directory"
    description = "Who belongs where and reports to whom: departments, positions, groups, absences and substitutes."

    def routers(self) -> Iterable[Router]:
        return (
            department_routes.router,
            department_routes.position_router,
            dated_routes.router,
            dated_routes.head_router,
            dated_routes.line_router,
            group_routes.router,
            absence_routes.router,
            absence_routes.own_router,
            people_routes.router,
            people_routes.own_router,
            table_routes.router,
            table_routes.export_router,
        )

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return MODELS

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def roles(self) -> Iterable[Role]:
        return ROLES

    def settings(self) -> Iterable[type[PluginSettings]]:
        return (DirectorySettings,)

    def services(self) -> Iterable[Service[Any]]:
        return (Service(DIRECTORY, OrganisationDirectory()), Service(GROUPS, OrganisationGroups()))

    def navigation(self) -> Iterable[NavItem]:
        return (NavItem("directory.people", "Organisation", "directory", "users", permission=READ, order=50),)

    def quotas(self) -> Iterable[Quota]:
        return quotas.quotas()

    async def demo_data(self, people: Mapping[str, UUID]) -> None:
        await demo.fill(people)

    async def export_personal_data(self, user_id: UUID) -> dict[str, Any]:
        return await personal.export(user_id)

    async def erase_personal_data(self, user_id: UUID) -> int:
        return await personal.erase(user_id)
