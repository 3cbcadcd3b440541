"""Reading and cancelling runs, and what an SDK fetches of a run that is too large for a request."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from .. import checkpoints, intake
from ..errors import EngineError
from ..models import Run, RunStatus
from ..responses import read_op
from ..store import events as event_rows
from ..store import queue as queue_rows
from ..store import runs as run_rows
from ..store import steps as step_rows
from . import answers
from .bodies import json_body
from .events import limit_of
from .state import WebState, authorised


def _run(request: Request) -> tuple[WebState, Run]:
    state = authorised(request)
    run = run_rows.get(state.core.db, request.path_params["run_id"])
    if run is None:
        raise EngineError("run not found", 404)
    return state, run


async def list_runs(request: Request) -> Response:
    """The newest runs; `status`, `function` (its full id), `limit` and `cursor` (an id) narrow them."""
    state = authorised(request)
    query = request.query_params
    function_id = None
    if (slug := query.get("function")) is not None:
        function = state.core.registry.by_slug(slug)
        if function is None:
            raise EngineError("function not found", 404)
        function_id = function.id
    found = run_rows.page(
        state.core.db, status=query.get("status"), function_id=function_id, before_id=query.get("cursor"),
        limit=limit_of(request),
    )  # fmt: skip
    return answers.page([answers.run(state.core, run) for run in found])


async def get_run(request: Request) -> Response:
    state, run = _run(request)
    return answers.page(answers.run(state.core, run))


async def steps_of_run(request: Request) -> Response:
    state, run = _run(request)
    return answers.page([answers.step(step) for step in step_rows.of_run(state.core.db, run.id)])


async def jobs_of_run(request: Request) -> Response:
    """What is queued for a run."""
    state, run = _run(request)
    return answers.page([answers.job(*entry) for entry in enumerate(queue_rows.of_run(state.core.db, run.id))])


async def cancel(request: Request) -> Response:
    """Stop a run before its next step; one that has ended stays as it is."""
    state, run = _run(request)
    await state.engine.cancel(run.id)
    ended = run_rows.get(state.core.db, run.id) or run
    return answers.page(answers.run(state.core, ended))


async def batch(request: Request) -> Response:
    """The events of a run, as an array."""
    state, run = _live(request)
    return _json(f"[{','.join(event_rows.bodies_of_run(state.core.db, run.id))}]")


async def actions(request: Request) -> Response:
    """The finished steps of a run by their hashes."""
    state, run = _live(request)
    memos = step_rows.memos(state.core.db, run.id)
    return _json("{" + ",".join(f"{json.dumps(memo.hash)}:{memo.json}" for memo in memos) + "}")


async def checkpoint(request: Request) -> Response:
    """An app tells of steps that it has done, in a call that is under way (`qi_id`), and goes on."""
    state = authorised(request)
    body, run_id = await json_body(request), request.path_params["run_id"]
    try:
        ops = [read_op(step) for step in body["steps"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"steps is not a list of steps: {error}") from error
    dispatch = str(body.get("qi_id"))
    await state.core.db.write(lambda tx: checkpoints.store(state.core, tx, run_id, dispatch, ops))
    return answers.page({"run_id": run_id})


def _live(request: Request) -> tuple[WebState, Run]:
    state, run = _run(request)
    if run.status != RunStatus.RUNNING:
        raise EngineError("the run has ended", 410)
    return state, run


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


async def send_signal(request: Request) -> Response:
    """Wake the run that waits for a signal."""
    state = authorised(request)
    body = await json_body(request)
    name = body.get("signal")
    if not isinstance(name, str) or not name:
        raise EngineError("signal is a text")
    run_id = await state.core.db.write(lambda tx: intake.signal(state.core, tx, name, body.get("data")))
    if run_id is None:
        raise EngineError("No signal found", 404)
    return answers.page({"run_id": run_id})
