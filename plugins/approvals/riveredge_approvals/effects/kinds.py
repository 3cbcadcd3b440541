"""The types of effect nodes: ours by their short names, and those of other plugins."""

from collections.abc import Mapping
from typing import Any

from riveredge_approvals.effects.notify import Notify
from riveredge_approvals.effects.webhook import Webhook
from riveredge_sdk import Plugin, contributions
from riveredge_sdk.features.approvals import ApprovalNode

OWN: Mapping[str, ApprovalNode[Any]] = {"webhook": Webhook(), "notify": Notify()}


def find_node(effect: str) -> ApprovalNode[Any] | None:
    """What does an effect for the current tenant; None if it is not there, or its plugin is off."""
    if effect in OWN:
        return OWN[effect]
    return next((each for each in contributions(Plugin.approval_nodes) if each.id == effect), None)
