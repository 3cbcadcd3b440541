"""Entries that nobody has to write: one for each request that changed something."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from riveredge_sdk.audit import record
from riveredge_sdk.context import current_context
from riveredge_sdk.http import Resource, Route
from riveredge_sdk.uow import unit

_MAX_FIELDS = 50


@dataclass(slots=True)
class Answered:
    """What an endpoint was called with, and the object it returned."""

    path: Mapping[str, Any] = field(default_factory=dict)
    resource: Resource | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


def note(route: Route, operation: str, plugin: str | None, status: int, answered: Answered) -> None:
    """Record what was done, unless the endpoint did so itself, nothing was changed, or no tenant was served."""
    wanted = route.audit if route.audit is not None else plugin is None
    if not wanted or route.method == "GET" or status >= 400:
        return
    if current_context().tenant_id is None or unit().has_records:
        return
    kind = route.audit if isinstance(route.audit, str) else f"{plugin or 'kernel'}.{_thing(route)}"
    if answered.resource is not None:
        object_id = str(answered.resource.id)
    else:
        object_id = next((str(value) for value in reversed(list(answered.path.values()))), "")
    fields = _fields(answered.arguments)
    # Not every title is short, and a log entry must not be what a request fails by.
    record(
        operation, kind, object_id[:200], title=_title(answered.resource), details={"fields": fields} if fields else {}
    )


def _thing(route: Route) -> str:
    parts = [part for part in route.path.split("/") if part and not part.startswith("{")]
    return parts[0].replace("-", "_") if parts else "thing"


def _fields(arguments: Mapping[str, Any]) -> list[str]:
    """The names of what was sent; never values, which may be secret or personal."""
    names: set[str] = set()
    for value in arguments.values():
        if isinstance(value, BaseModel):
            names |= value.model_fields_set
        elif isinstance(value, dict):
            names |= {str(name)[:100] for name in value}
    return sorted(names)[:_MAX_FIELDS]


def _title(resource: Resource | None) -> str:
    for name in ("title", "name", "key", "slug"):
        value = getattr(resource, name, None)
        if isinstance(value, str) and value:
            return value[:200]
    return ""
