"""Validate a drawing: a pure function of the drawing, its form and what there is in the organisation.

issues = validate(diagram, form_schema, catalog)
[issue for issue in issues if issue.severity == "error"]
"""

from collections.abc import Mapping
from typing import Any

from riveredge_approvals.drawing.documents import Diagram
from riveredge_approvals.drawing.validating.behaviour import check_behaviour
from riveredge_approvals.drawing.validating.branches import check_branches
from riveredge_approvals.drawing.validating.catalog import Catalog, OtherProcess, config_key
from riveredge_approvals.drawing.validating.issues import CODES, Issue, Severity
from riveredge_approvals.drawing.validating.names import Configured, Names, find_names
from riveredge_approvals.drawing.validating.outside import check_outside
from riveredge_approvals.drawing.validating.people import check_people
from riveredge_approvals.drawing.validating.shape import check_shape, check_size
from riveredge_approvals.drawing.validating.subject import Subject

_NOTHING_KNOWN = Catalog()


def validate(
    diagram: Diagram, form_schema: Mapping[str, Any] | None = None, catalog: Catalog = _NOTHING_KNOWN
) -> list[Issue]:
    """Everything that is wrong with a drawing, or may be. Without errors it compiles."""
    subject = Subject(diagram, form_schema or {}, catalog)
    if check_size(subject):
        subject.read()
        check_shape(subject)
        check_branches(subject)
        check_people(subject)
        check_behaviour(subject)
        check_outside(subject)
    return subject.issues


__all__ = [
    "CODES",
    "Catalog",
    "Configured",
    "Issue",
    "Names",
    "OtherProcess",
    "Severity",
    "config_key",
    "find_names",
    "validate",
]
