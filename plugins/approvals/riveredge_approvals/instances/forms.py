"""The form of a request: what may be written where, and whether it fits."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlmodel import col, select

from riveredge_approvals.engine.case import Case
from riveredge_approvals.files.using import use_in_form
from riveredge_approvals.ir.document import CompiledFlow, StartNode
from riveredge_approvals.models import ProcessVersion, Visit
from riveredge_approvals.speech import told
from riveredge_sdk import session
from riveredge_sdk.json_schema import MAX_ERRORS, mismatches
from riveredge_sdk.problems import FieldError, Invalid

MAX_FORM_BYTES = 256_000

Right = Literal["read", "edit", "hidden"]


def right_of(rights: Mapping[str, str], field: str, *, others: Right = "read") -> str:
    """What may be done with a field: what is said of it, of all (`*`), or `others`."""
    return rights.get(field, rights.get("*", others))


def checked_form(
    schema: Mapping[str, Any], flow: CompiledFlow, form: Mapping[str, Any], *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A form as it is submitted, with the defaults of the schema.

    Args:
        before: how it stood, if it was submitted before: what is not the submitter's to change stays so.

    Raises:
        Invalid: naming the fields (`form.amount`).
    """
    start = flow.nodes[flow.entry]
    rights = start.fields if isinstance(start, StartNode) else {}
    kept = with_defaults(schema, before or {})
    errors = [
        FieldError(
            f"form.{name}",
            told("This field is not yours to fill in; leave it out.", "您不能填写此字段，请去掉。"),
            "read-only",
        )
        for name, value in form.items()
        if right_of(rights, name, others="edit") != "edit" and (name not in kept or kept[name] != value)
    ]
    values = {**kept, **form}
    _refuse(errors + _misfits(values, schema))
    return values


def with_defaults(schema: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """A form with the schema's defaults where it says nothing."""
    known = schema.get("properties", {})
    return {name: rule["default"] for name, rule in known.items() if "default" in rule} | dict(form)


async def edit_form(case: Case, visit: Visit, changes: Mapping[str, Any]) -> None:
    """Write fields that the visit's node lets its people change.

    Raises:
        Invalid: naming the fields.
    """
    rights = case.human(visit).fields
    query = select(ProcessVersion.form_schema).where(col(ProcessVersion.id) == case.instance.version_id)
    schema = (await session().exec(query)).one()
    errors = [
        FieldError(
            f"form.{name}", told("On this node the field cannot be changed.", "该节点不能修改此字段。"), "read-only"
        )
        for name in changes
        if right_of(rights, name) != "edit"
    ]
    values = {**case.instance.form, **changes}
    _refuse(errors + _misfits(values, schema))
    before = case.instance.form
    case.write(changes)
    await use_in_form(case.instance, schema, before, by=case.actor)
    case.note("form.changed", visit, fields=sorted(changes), form_rev=case.instance.form_rev)


def shown_form(form: Mapping[str, Any], rights: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A form as somebody sees it who has these rights: what is hidden in all of them is left out."""
    if not rights:
        return dict(form)
    return {name: value for name, value in form.items() if any(right_of(each, name) != "hidden" for each in rights)}


def _misfits(values: Mapping[str, Any], schema: Mapping[str, Any]) -> list[FieldError]:
    if len(json.dumps(values, default=str)) > MAX_FORM_BYTES:
        return [
            FieldError(
                "form",
                told(f"A form has at most {MAX_FORM_BYTES} bytes.", f"表单最多 {MAX_FORM_BYTES} 字节。"),
                "too_large",
            )
        ]
    return mismatches(values, schema, where="form")


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise Invalid(told("The form does not fit.", "表单不符合要求。"), errors=errors[:MAX_ERRORS])
