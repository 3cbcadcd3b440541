"""Check a process before it is published: the drawing, and whether what it names is there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlmodel import col

from riveredge_approvals.drawing.compiling import compile_flow
from riveredge_approvals.drawing.documents import BadSchemaError, read_diagram
from riveredge_approvals.drawing.validating import Issue, find_names, validate
from riveredge_approvals.models import Process, ProcessVersion
from riveredge_approvals.problems import DrawingInvalid, WarningsNotAcknowledged
from riveredge_approvals.processes.repository import Versions
from riveredge_approvals.processes.surveying import survey
from riveredge_approvals.processes.validation_schemas import IssueOut
from riveredge_approvals.speech import texts_of_flaw, told_of
from riveredge_sdk import current_context
from riveredge_sdk.json_schema import flaw
from riveredge_sdk.problems import FieldError

_MAX_SHOWN = 200


async def find_issues(process: Process, drawing: Mapping[str, Any], form_schema: Mapping[str, Any]) -> list[Issue]:
    """What is wrong with a drawing of a process, errors first. Nothing is kept."""
    try:
        diagram, _ = read_diagram(drawing)
    except BadSchemaError as error:
        flaws = error.errors or (FieldError("diagram", str(error)),)
        said = ((each.field, texts_of_flaw(each.code, each.message)) for each in flaws)
        return [Issue(error.code, details={"path": path, "reason": reason}) for path, reason in said]
    if (wrong := flaw(form_schema)) is not None:
        return [Issue("badData", details={"path": "form_schema", "reason": wrong})]
    catalog = await survey(process.key, find_names(diagram))
    issues = sorted(validate(diagram, form_schema, catalog), key=_severity)
    if not errors_in(issues) and process.published is not None:
        issues += await _unchanged(process, compile_flow(diagram, form_schema).checksum)
    return issues


async def _unchanged(process: Process, checksum: str) -> Sequence[Issue]:
    current = await Versions().find(
        col(ProcessVersion.process_id) == process.id, col(ProcessVersion.number) == process.published
    )
    same = current is not None and current.checksum == checksum
    return [Issue("checksumUnchanged", details={"version": process.published})] if same else []


def errors_in(issues: Iterable[Issue]) -> list[Issue]:
    """Those that keep it from being published."""
    return [issue for issue in issues if issue.severity == "error"]


def show(issues: Sequence[Issue]) -> list[IssueOut]:
    """In the language of whoever asks."""
    locale = current_context().locale
    return [
        IssueOut(
            code=issue.code,
            severity=issue.severity,
            node=issue.node,
            edge=issue.edge,
            message=issue.message(locale),
            details={name: _told(value) for name, value in issue.details.items()},
        )
        for issue in issues[:_MAX_SHOWN]
    ]


async def must_be_publishable(
    process: Process,
    drawing: Mapping[str, Any],
    form_schema: Mapping[str, Any],
    acknowledged: Sequence[str] | Literal["all"],
) -> None:
    """See that a drawing of a process has no errors as things are now, and that its warnings were seen.

    Raises:
        DrawingInvalid: there are errors.
        WarningsNotAcknowledged: there are warnings that nobody has acknowledged.
    """
    issues = await find_issues(process, drawing, form_schema)
    if errors := errors_in(issues):
        raise DrawingInvalid([each.model_dump() for each in show(issues)], len(errors))
    open_ = [issue for issue in issues if issue.severity == "warning"]
    if acknowledged != "all":
        open_ = [issue for issue in open_ if issue.code not in acknowledged]
        if open_:
            raise WarningsNotAcknowledged([each.model_dump() for each in show(open_)])


def _told(value: Any) -> Any:
    return told_of(value) if isinstance(value, Mapping) else value


def _severity(issue: Issue) -> int:
    return ("error", "warning", "info").index(issue.severity)
