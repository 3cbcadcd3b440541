"""All resolvers there are for the current tenant, by the names that drawings use.

The plugin's own are called by their last word (`manager`), those of other plugins by their ids (`example.author`).
"""

from collections.abc import Mapping
from typing import Any, Final

from riveredge_approvals.people.resolvers.managers import ByDepartmentHead, ByManager, ByManagerChain
from riveredge_approvals.people.resolvers.named import ByDepartment, ByGroup, ByRole, ByUser
from riveredge_approvals.people.resolvers.of_request import (
    ByFormDepartmentHead,
    ByFormUser,
    ByInitiator,
    ByInitiatorChoice,
    ByPreviousChoice,
    BySameAs,
)
from riveredge_sdk import Plugin, contributions
from riveredge_sdk.features.approvals import ApproverResolver

OWN: Final[tuple[ApproverResolver[Any], ...]] = (
    ByUser(),
    ByRole(),
    ByDepartment(),
    ByGroup(),
    ByManager(),
    ByManagerChain(),
    ByDepartmentHead(),
    ByInitiator(),
    ByInitiatorChoice(),
    ByPreviousChoice(),
    ByFormUser(),
    ByFormDepartmentHead(),
    BySameAs(),
)
_OWN_NAMES: Final[Mapping[str, ApproverResolver[Any]]] = {each.id.partition(".")[2]: each for each in OWN}


def all_resolvers() -> dict[str, ApproverResolver[Any]]:
    """Every resolver, by the name that drawings use."""
    others = {each.id: each for each in contributions(Plugin.approver_resolvers)}
    return {**_OWN_NAMES, **{name: each for name, each in others.items() if each not in OWN}}


def find_resolver(name: str) -> ApproverResolver[Any] | None:
    """A resolver by the name that drawings use; None if its plugin is missing, or is off for the tenant."""
    return _OWN_NAMES.get(name) or all_resolvers().get(name)
