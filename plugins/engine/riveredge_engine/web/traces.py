"""The four questions that Inngest's own SDK tooling asks about runs, recognised by what they name."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..core import Core
from ..errors import EngineError
from ..models import Run, RunStatus
from ..store import events as event_rows
from ..store import runs as run_rows
from ..store import steps as step_rows
from .bodies import json_body
from .state import authorised

_RESULT = "result"


async def query(request: Request) -> Response:
    """Answer `run`, `run.trace`, `runTraceSpanOutputByID` or `event.functionRuns`; there is no general GraphQL here."""
    core = authorised(request).core
    body = await json_body(request)
    text, variables = str(body.get("query") or ""), body.get("variables") or {}
    if "runTraceSpanOutputByID" in text:
        data = _output(core, str(variables.get("output_id")))
    elif "childrenSpans" in text:
        data = _trace(core, str(variables.get("run_id")))
    elif "functionRuns" in text:
        found = run_rows.of_event(core.db, str(variables.get("event_id")))
        data = {"event": {"functionRuns": [{"id": run.id} for run in found]}}
    elif "run(" in text:
        data = _status(core, str(variables.get("run_id")))
    else:
        raise EngineError("only the trace queries of the SDK are answered here")
    return JSONResponse({"data": data})


def _status(core: Core, run_id: str) -> dict[str, Any]:
    run = run_rows.get(core.db, run_id)
    if run is None:
        return {"run": None, "runTrigger": None}
    output = None if run.status in {RunStatus.CANCELLED, RunStatus.RUNNING} else run.output
    payloads = event_rows.bodies_of_run(core.db, run.id)
    return {"run": {"output": output, "status": run.status.upper()}, "runTrigger": {"payloads": payloads}}


def _trace(core: Core, run_id: str) -> dict[str, Any]:
    run = run_rows.get(core.db, run_id)
    if run is None:
        return {"run": None}
    spans = [
        {"name": step.name, "outputID": f"{run.id}.{step.hash}" if step.memo not in {None, "null"} else None}
        for step in step_rows.of_run(core.db, run.id)
    ]
    if run.status in {RunStatus.COMPLETED, RunStatus.FAILED}:
        ending = "success" if run.status == RunStatus.COMPLETED else "error"
        spans.append({"name": f"function {ending}", "outputID": f"{run.id}.{_RESULT}"})
    return {"run": {"trace": {"childrenSpans": spans}}}


def _output(core: Core, output_id: str) -> dict[str, Any]:
    run_id, _, hash_ = output_id.partition(".")
    run = run_rows.get(core.db, run_id)
    memo: Any = None
    if run is not None:
        memo = _result(run) if hash_ == _RESULT else json.loads(step_rows.memo_of(core.db, run_id, hash_) or "null")
    if memo is None:
        return {"runTraceSpanOutputByID": None}
    is_memo = isinstance(memo, dict) and set(memo) <= {"data", "error"}
    error = memo.get("error") if is_memo else None
    data = memo.get("data") if is_memo else memo
    return {"runTraceSpanOutputByID": {"data": None if error else json.dumps(data), "error": error}}


def _result(run: Run) -> dict[str, Any]:
    key = "data" if run.status == RunStatus.COMPLETED else "error"
    return {key: json.loads(run.output or "null")}
