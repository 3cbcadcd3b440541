"""On which drawing it is looked ahead: the draft, or a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.ir.document import CompiledFlow
from riveredge_approvals.models import Process
from riveredge_approvals.problems import VersionArchived
from riveredge_approvals.processes.service import compile_draft, find_version
from riveredge_approvals.speech import told
from riveredge_sdk.problems import Conflict, invalid_field


@dataclass(frozen=True, slots=True)
class Source:
    """A compiled drawing with its form."""

    flow: CompiledFlow
    form_schema: Mapping[str, Any]


def draft_of(process: Process) -> Source:
    """The draft, as it would be published.

    Raises:
        Invalid: it cannot be compiled.
    """
    try:
        return Source(compile_draft(process), process.form_schema)
    except ValueError as error:
        message = told(f"The draft is not finished: {error}", f"草稿尚未完成：{error}")
        raise invalid_field("draft", message, "compile") from None


async def version_of(process: Process, number: int | None) -> Source:
    """A version; the one on which new requests run if none is named.

    Raises:
        VersionArchived, Conflict: there are no new requests.
        Invalid: there is no such version.
    """
    if number is None:
        if process.archived_at is not None:
            raise VersionArchived(told(f"The process {process.key!r} is archived.", f"流程 {process.key} 已归档。"))
        if process.published is None:
            message = told(f"The process {process.key!r} has not been published yet.", f"流程 {process.key} 尚未发布。")
            raise Conflict(message)
    version = await find_version(process, number if number is not None else process.published or 0)
    return Source(flow_of_version(version), version.form_schema)
