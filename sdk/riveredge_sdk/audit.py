"""The audit log: who did what to which object, from where. Append-only, one entry with the work it tells of.

Declaratively, for all routes that change something::

    router = Router(prefix="/templates", tag="Messaging: templates", audit="messaging.template")

Each POST, PUT, PATCH and DELETE that succeeds is then an entry: the action is the operation's id, the object is the
`Resource` that was answered, or the last id in the path, and the details name the fields that were
sent, without values.
By hand, where more is to be told, in a route or in a step::

    record("approvals.task.approve", "approvals.task", task.id, title=task.number, details={"round": 2})

A route that records something itself gets no further entry.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from riveredge_sdk.context import current_context
from riveredge_sdk.tenancy import TenantWallError
from riveredge_sdk.uow import unit

MAX_DETAILS = 8_000
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What `record` hands to the kernel, which adds who, when and from where."""

    action: str
    object_kind: str
    object_id: str
    object_title: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    tenant_id: UUID | None = None


def record(
    action: str,
    object_kind: str,
    object_id: UUID | str,
    *,
    title: str = "",
    details: Mapping[str, Any] | None = None,
    tenant_id: UUID | None = None,
) -> None:
    """Write an entry when the running unit of work commits; nothing is written if it rolls back.

    Args:
        action: `<plugin>.<thing>.<verb>`, for example `approvals.task.approve`.
        object_kind: `<plugin>.<thing>`.
        object_id: its id, or what it is called by where it has none; at most 200 characters.
        title: for people reading the log, at most 200 characters. No personal data besides that of the object itself.
        details: JSON, at most 8 kB. Names of fields rather than values: the log outlives what it tells of, and nothing
            in it can be mended. Never secrets.
        tenant_id: whose log it is, where code serves no tenant. None: the tenant being served.

    Raises:
        NoUnitOfWorkError: no unit of work is open.
        ValueError: action or kind are no dotted names, or something is too long.
        TenantWallError: `tenant_id` is another tenant than the one being served, or no tenant is named at all.
    """
    for name in (action, object_kind):
        if not _NAME.fullmatch(name) or len(name) > 100:
            raise ValueError(f"{name!r}: expected <plugin>.<thing>, lower case, at most 100 characters")
    if len(str(object_id)) > 200 or len(title) > 200:
        raise ValueError(f"{action}: the object's id and title have at most 200 characters")
    if len(json.dumps(details or {})) > MAX_DETAILS:
        raise ValueError(f"{action}: the details are longer than {MAX_DETAILS} characters")
    context = current_context()
    if tenant_id is not None and context.system_reason is None and context.tenant_id != tenant_id:
        raise TenantWallError("an entry cannot be written for another tenant than the one being served")
    if tenant_id is None and context.tenant_id is None:
        raise TenantWallError("no tenant is being served here; name the one whose audit log it is")
    unit().add_record(
        AuditRecord(
            action=action,
            object_kind=object_kind,
            object_id=str(object_id),
            object_title=title,
            details=dict(details or {}),
            tenant_id=tenant_id,
        )
    )


__all__ = ["MAX_DETAILS", "AuditRecord", "record"]
