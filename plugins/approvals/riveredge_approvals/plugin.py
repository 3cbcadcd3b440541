"""What the approvals plugin contributes."""

from collections.abc import Iterable

from riveredge_approvals.models import MODELS
from riveredge_sdk import PlatformModel, Plugin, TenantModel


class ApprovalsPlugin(Plugin):
    """Processes, requests and the tasks of approvers."""

    id = "approvals"
    title = "Approvals"
    description = "Flows that are drawn, compiled to durable workflows, and watched and explained on the drawing."
    after = ("directory", "messaging", "scheduling")

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return MODELS
