"""Which events the organisation's rules are about: asked at each event of the platform, so it is kept in memory."""

import time
from collections.abc import Collection
from uuid import UUID

from sqlalchemy.event import listen
from sqlalchemy.orm import Session
from sqlmodel import col, select

from riveredge_messaging.events import RULE_EVENT
from riveredge_messaging.triggers.models import NotificationRule
from riveredge_sdk import current_tenant, session
from riveredge_sdk.watching import EventWatcher

# Other processes learn of a change after this time.
_FRESH = 5.0
_MAX_TENANTS = 10_000


class RuleEvents(EventWatcher):
    """Watches for what enabled rules are about."""

    id = "messaging.rules"
    event = RULE_EVENT

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, frozenset[str]]] = {}
        # How many changes were committed here, so that what was read before is not kept.
        self._changes = 0

    async def names(self, tenant_id: UUID) -> Collection[str]:
        now = time.monotonic()
        found = self._known.get(tenant_id)
        if found is not None and now - found[0] < _FRESH:
            return found[1]
        changes = self._changes
        query = select(NotificationRule.event, NotificationRule.timing).where(
            col(NotificationRule.tenant_id) == tenant_id, col(NotificationRule.enabled)
        )
        rows = (await session().exec(query)).all()
        names = frozenset(name for event, timing in rows for name in (event, *(timing or {}).get("cancel_on", ())))
        if changes == self._changes:
            if len(self._known) >= _MAX_TENANTS:
                self._known.clear()
            self._known[tenant_id] = (now, names)
        return names

    def forget(self) -> None:
        """A rule of the current organisation is being changed; that holds once it is committed."""
        tenant_id = current_tenant()

        def changed(_session: Session) -> None:
            self._changes += 1
            self._known.pop(tenant_id, None)

        listen(session().sync_session, "after_commit", changed)


RULE_EVENTS = RuleEvents()
