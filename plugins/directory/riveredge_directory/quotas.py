"""What operators can limit for an organisation."""

from collections.abc import Iterable

from riveredge_directory.repository import Departments, Groups
from riveredge_directory.settings import DirectorySettings
from riveredge_sdk.quotas import Quota

DEPARTMENTS, GROUPS = "directory.departments", "directory.groups"


async def _departments() -> int:
    return await Departments().count()


async def _groups() -> int:
    return await Groups().count()


def quotas() -> Iterable[Quota]:
    """With the installation's settings as the limits of those for whom the operators set none."""
    limits = DirectorySettings()
    return (
        Quota(DEPARTMENTS, "Departments", _departments, default=limits.max_departments),
        Quota(GROUPS, "Groups of people", _groups, default=limits.max_groups),
    )
