"""Which apps and functions exist, and which functions an event starts."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from .config import CronTrigger, EventTrigger, FunctionConfig, parse_function
from .store import Database, Tx
from .store import registry as rows


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function; an archived one only finishes the runs it has."""

    id: str
    app_id: str
    app_name: str
    version: int
    archived: bool
    config: FunctionConfig

    @property
    def slug(self) -> str:
        return self.config.slug

    @property
    def max_attempts(self) -> int:
        return self.config.retries + 1


class Registry:
    """The registrations of all apps, held in memory and indexed by the events that trigger them."""

    def __init__(self) -> None:
        self.apps: dict[str, rows.AppRow] = {}
        self.functions: dict[str, Function] = {}
        self._by_slug: dict[str, Function] = {}
        self._by_event: dict[str, list[tuple[Function, EventTrigger]]] = {}

    def load(self, db: Database | Tx) -> None:
        """Read everything anew; what stands in the database was valid when it was registered."""
        self.apps = {app.id: app for app in rows.apps(db)}
        self.functions = {row.id: self._function(row) for row in rows.functions(db)}
        self._index()

    def _function(self, row: rows.FunctionRow) -> Function:
        config = parse_function(json.loads(row.config))
        return Function(row.id, row.app_id, self.apps[row.app_id].name, row.version, bool(row.archived), config)

    def _index(self) -> None:
        by_event: dict[str, list[tuple[Function, EventTrigger]]] = defaultdict(list)
        live = [function for function in self.functions.values() if not function.archived]
        for function in live:
            for trigger in function.config.triggers:
                if isinstance(trigger, EventTrigger):
                    by_event[trigger.event].append((function, trigger))
        self._by_event = dict(by_event)
        self._by_slug = {function.slug: function for function in live}

    def by_slug(self, slug: str) -> Function | None:
        """The live function with this full id (`app-function`)."""
        return self._by_slug.get(slug)

    def of_app(self, app_id: str) -> list[Function]:
        return [function for function in self.functions.values() if function.app_id == app_id and not function.archived]

    def live(self) -> list[Function]:
        return list(self._by_slug.values())

    def triggered_by(self, event_name: str) -> Iterator[tuple[Function, EventTrigger]]:
        """The functions that an event may start, with the trigger whose expression is still to be evaluated."""
        for pattern in _patterns(event_name):
            yield from self._by_event.get(pattern, ())

    def listens_to(self, event_name: str) -> bool:
        return any(pattern in self._by_event for pattern in _patterns(event_name))

    def crons(self) -> Iterator[tuple[Function, CronTrigger]]:
        for function in self._by_slug.values():
            for trigger in function.config.triggers:
                if isinstance(trigger, CronTrigger):
                    yield function, trigger


def _patterns(event_name: str) -> Iterator[str]:
    """The trigger names that cover an event: its own, `*`, and a wildcard after each `/` or `.` in it."""
    yield event_name
    yield "*"
    for position, character in enumerate(event_name):
        if character in "/.":
            yield event_name[: position + 1] + "*"
