"""Processes: their drafts are changed, their versions never are."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import col

from riveredge_approvals.drawing.compiling import CompileError, compile_flow
from riveredge_approvals.drawing.documents import SCHEMA, BadSchemaError, Diagram, read_diagram
from riveredge_approvals.instances.repository import Instances
from riveredge_approvals.instances.serials import check_pattern
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import Instance, Process, ProcessVersion
from riveredge_approvals.processes.checking import must_be_publishable
from riveredge_approvals.processes.repository import Processes, Versions
from riveredge_approvals.processes.schemas import DraftIn, DraftOut, ProcessIn, PublishIn, RollBackIn
from riveredge_approvals.speech import told
from riveredge_sdk import current_context, session, utcnow
from riveredge_sdk.json_schema import flaw
from riveredge_sdk.problems import Conflict, Invalid, PreconditionFailed, invalid_field, taken_field

EMPTY: dict[str, Any] = {"schema": SCHEMA, "nodes": [], "edges": []}


async def create(body: ProcessIn) -> Process:
    """A new process with an empty drawing.

    Raises:
        Conflict: the key is taken.
    """
    if await Processes().find(col(Process.key) == body.key) is not None:
        raise taken_field("process", "key", body.key)
    return await Processes().add(Process(**body.model_dump(), draft=EMPTY, form_schema={"type": "object"}))


def show_draft(process: Process, dropped: list[str] | None = None) -> DraftOut:
    """The draft, and whether it could be published."""
    problem: str | None = None
    try:
        compile_draft(process)
    except (CompileError, BadSchemaError, ValueError) as error:
        problem = str(error)
    return DraftOut(
        revision=process.draft_rev,
        diagram=process.draft,
        form_schema=process.form_schema,
        dropped=dropped or [],
        compiles=problem is None,
        problem=problem,
    )


async def write_draft(process: Process, body: DraftIn) -> DraftOut:
    """Keep a drawing, however unfinished it is.

    Raises:
        PreconditionFailed: somebody else has written it meanwhile.
        Invalid: it is no drawing, or the form no schema.
    """
    _must_be_current(process, body.revision)
    try:
        diagram, dropped = read_diagram(body.diagram)
    except BadSchemaError as error:
        raise Invalid(str(error), errors=error.errors, extensions={"reason": error.code}) from None
    wrong = flaw(body.form_schema)
    if wrong is not None:
        raise invalid_field("form_schema", wrong, "schema")
    process.draft, process.form_schema = diagram.dump(), {"type": "object", **body.form_schema}
    process.draft_rev += 1
    await session().flush()
    return show_draft(process, dropped)


async def publish(process: Process, body: PublishIn) -> ProcessVersion:
    """Compile the draft into a version, on which new requests run; those under way stay on theirs.

    Raises:
        PreconditionFailed: the draft is another one by now.
        Conflict: the process is archived, or nothing has changed since the last version.
        DrawingInvalid: it has errors.
        WarningsNotAcknowledged: it has warnings that nobody has looked at.
    """
    _must_be_current(process, body.revision)
    _must_not_be_archived(process)
    await must_be_publishable(process, process.draft, process.form_schema, body.acknowledge)
    diagram, _ = read_diagram(process.draft)
    compiled = compile_draft(process, diagram)
    current = await find_version(process, process.published) if process.published is not None else None
    if current is not None and current.checksum == compiled.checksum:
        raise Conflict(
            told(
                f"Nothing has changed that matters since version {current.number}.",
                f"自版本 {current.number} 以来没有实质变化。",
            )
        )
    return await _add(process, compiled, process.draft, process.form_schema, body.note)


async def roll_back(process: Process, body: RollBackIn) -> ProcessVersion:
    """Publish an earlier version anew, as a further one.

    Raises:
        Invalid: there is no such version.
        Conflict: the process is archived, or the version is the one in use.
        DrawingInvalid: what it names is gone since.
        WarningsNotAcknowledged: as `publish`.
    """
    _must_not_be_archived(process)
    number = body.version
    if number == process.published:
        raise Conflict(told(f"Version {number} is in use.", f"版本 {number} 正在使用。"))
    old = await find_version(process, number)
    await must_be_publishable(process, old.diagram, old.form_schema, body.acknowledge)
    compiled = CompiledFlow.model_validate({**old.compiled, "version": process.last_version + 1})
    return await _add(process, compiled, old.diagram, old.form_schema, body.note or f"As version {number}.")


async def find_version(process: Process, number: int) -> ProcessVersion:
    """A version by its number.

    Raises:
        Invalid: there is none.
    """
    found = await Versions().find(col(ProcessVersion.process_id) == process.id, col(ProcessVersion.number) == number)
    if found is None:
        raise invalid_field(
            "version",
            told(f"{process.key!r} has no version {number}.", f"流程 {process.key} 没有版本 {number}。"),
            "unknown",
        )
    return found


async def archive(process: Process, *, archived: bool) -> Process:
    """Take no new requests any more, or take them again. Those under way go on."""
    process.archived_at = utcnow() if archived else None
    await session().flush()
    return process


async def delete(process: Process) -> None:
    """Delete a process that was never used.

    Raises:
        Conflict: there are requests of it.
    """
    used = await Instances().count(col(Instance.process_id) == process.id)
    if used:
        raise Conflict(
            told(f"There are {used} requests of it. Archive it instead.", f"已有 {used} 个申请，请改为归档。")
        )
    for version in await Versions().all(col(ProcessVersion.process_id) == process.id):
        await Versions().delete(version)
    await Processes().delete(process)


async def _add(
    process: Process, compiled: CompiledFlow, diagram: Mapping[str, Any], form: Mapping[str, Any], note: str
) -> ProcessVersion:
    number = process.last_version + 1
    principal = current_context().principal
    version = ProcessVersion(
        process_id=process.id,
        number=number,
        diagram=dict(diagram),
        form_schema=dict(form),
        compiled=compiled.model_dump(mode="json"),
        checksum=compiled.checksum,
        note=note,
        published_at=utcnow(),
        published_by=principal.id if principal is not None else None,
    )
    process.last_version = process.published = number
    return await Versions().add(version)


def compile_draft(process: Process, diagram: Diagram | None = None) -> CompiledFlow:
    """What the draft, or a drawing that was read of it, would be as the next version.

    Raises:
        CompileError, ValueError: it is not finished, or wrong; the message says where.
    """
    diagram = diagram if diagram is not None else read_diagram(process.draft)[0]
    compiled = compile_flow(diagram, process.form_schema, process=process.key, version=process.last_version + 1)
    check_pattern(compiled.settings.serial, process.key)
    return compiled


def _must_be_current(process: Process, revision: int) -> None:
    if revision != process.draft_rev:
        raise PreconditionFailed(
            f"You have seen revision {revision} of the draft; it is at {process.draft_rev} now. Read it again.",
            extensions={"revision": process.draft_rev, "reason": "staleRevision"},
        )


def _must_not_be_archived(process: Process) -> None:
    if process.archived_at is not None:
        raise Conflict(told("The process is archived.", "流程已归档。"))
