"""The plugins that approvals can do without, and what is missing without them."""

from typing import Any

from riveredge_sdk import Health, Port, find_service
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.features.messaging import NOTIFIER
from riveredge_sdk.features.scheduling import WORKDAYS

_USED: tuple[tuple[Port[Any], str], ...] = (
    (NOTIFIER, "messaging is not there: nobody is told of tasks, reminders and decisions"),
    (DIRECTORY, "directory is not there: rules by department and manager find nobody"),
)


class Surroundings:
    """Looks at the start of the platform, and answers the health check."""

    def __init__(self) -> None:
        self._missing: list[str] = []
        self._has_calendars = False

    def look(self) -> None:
        """See who is there. Inside of a context."""
        self._missing = [what for port, what in _USED if find_service(port) is None]
        self._has_calendars = find_service(WORKDAYS) is not None

    async def check(self) -> Health:
        """What is missing; calendars are not missed by most."""
        detail = "; ".join(self._missing)
        return Health("degraded" if self._missing else "ok", detail, {"calendars": self._has_calendars})
