"""Whose manager, whose department: what `of` means."""

from typing import Any
from uuid import UUID

from riveredge_sdk.features.approvals import Request


class NamesNobodyError(ValueError):
    """A field that is to name users holds something else."""

    def __init__(self, field: str) -> None:
        super().__init__(f"the field {field} names no users")
        self.chinese = f"字段 {field} 中不是人员"


def form_value(request: Request, field: str) -> Any:
    """The value of a form's field; `form.` may stand before its name, and dots go into objects."""
    found: Any = request.form
    for part in field.removeprefix("form.").split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def users_in(request: Request, field: str) -> list[UUID]:
    """The users whom a field names: an id, or a list of them.

    Raises:
        NamesNobodyError: it holds something else.
    """
    value = form_value(request, field)
    if value in (None, "", []):
        return []
    values = value if isinstance(value, list) else [value]
    try:
        return list(dict.fromkeys(UUID(str(each)) for each in values))
    except ValueError:
        raise NamesNobodyError(field) from None


def whose(request: Request, of: str) -> list[UUID]:
    """Whom `of` means: `initiator`, `assignee` or `form:<field>`."""
    if of == "initiator":
        return [request.submitter]
    if of == "assignee":
        return [request.assignee] if request.assignee is not None else []
    return users_in(request, of.removeprefix("form:"))


def department_for(request: Request, of: str) -> UUID | None:
    """As whose member somebody is looked at: the submitter by the department that she submitted from."""
    return request.department if of == "initiator" else None
