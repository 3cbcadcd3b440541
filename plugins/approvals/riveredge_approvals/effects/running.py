"""Runs the effects of nodes: one attempt a run, the next one by a timer; the result is taken in exactly once.

A visit counts its rounds: an administrator who has an incident tried again begins another one. What comes of an
earlier round, or of a visit that is over, is dropped.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from riveredge_approvals.effects import links
from riveredge_approvals.effects.clocks import owner_of
from riveredge_approvals.effects.filling import at_pointer
from riveredge_approvals.effects.kinds import find_node
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.compensating import undo_late
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.store import load, save
from riveredge_approvals.events import EFFECT_DUE, VISIT_DUE, EffectDue, VisitDue
from riveredge_approvals.ir.document import EffectNode
from riveredge_approvals.models import ENDED, Visit, VisitStatus
from riveredge_sdk import FunctionContext, Problem, timers, unit_of_work, utcnow
from riveredge_sdk.features.approvals import ApprovalNode, EffectError, Request
from riveredge_sdk.problems import NotFound
from riveredge_sdk.runtime import public_url

log = structlog.get_logger(__name__)

CALLBACKS = "/api/v1/approvals/callbacks/"
MAX_RESULT = 256_000
# How long an effect waits to be called back where the drawing says nothing.
_CALLBACK_S = 7 * 24 * 3600
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 3600.0


async def run_effect(ctx: FunctionContext, event: EffectDue) -> dict[str, Any]:
    """One attempt, and what follows from it."""

    async def attempt() -> dict[str, Any]:
        return await _attempt(event)

    came: dict[str, Any] = await ctx.step.run("attempt", attempt)

    @unit_of_work()
    async def note() -> dict[str, Any]:
        return await _note(event, came)

    return await ctx.step.run("note", note)


async def _attempt(event: EffectDue) -> dict[str, Any]:
    """Do it: the result or the error, as JSON. Nothing is raised, for the drawing says how often it is tried."""
    async with unit_of_work():
        found = await _found(event)
        if found is None:
            return {"gone": True}
        case, visit, node = found
        request = replace(case.request(visit), callback_url=await _callback_url(visit, node, event.round))
    kind = find_node(node.effect)
    if kind is None:
        return _failed(f"There is nothing here that does {node.effect!r}: its plugin is missing or off.", retry=False)
    try:
        config = kind.config.model_validate(dict(node.config))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return _failed(f"Its configuration does not fit: {where}: {first['msg']}", retry=False)
    return await _run(kind, request, config, node)


async def _run(kind: ApprovalNode[Any], request: Request, config: Any, node: EffectNode) -> dict[str, Any]:
    seconds = node.timeout_s or kind.timeout_s
    try:
        async with asyncio.timeout(seconds):
            result = dict(await kind.run(request, config))
        if len(json.dumps(result)) > MAX_RESULT:
            return _failed(f"Its result has more than {MAX_RESULT} bytes.", retry=False)
    except EffectError as error:
        return _failed(str(error), retry=error.retry, retry_after=error.retry_after)
    except TimeoutError:
        return _failed(f"It took longer than {seconds:g} s.")
    except Problem as problem:
        return _failed(problem.detail or problem.title, retry=problem.status >= 500)
    except Exception as error:
        log.exception("an effect failed", effect=node.effect, node=request.node)
        return _failed(f"{type(error).__name__}: {error}")
    retries = kind.retries if node.retries is None else node.retries
    return {"ok": True, "result": result, "waits": node.wait_callback and kind.waits, "retries": retries}


def _failed(message: str, *, retry: bool = True, retry_after: float | None = None) -> dict[str, Any]:
    return {"ok": False, "error": message[:1000], "retry": retry, "retry_after": retry_after}


async def _note(event: EffectDue, came: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from an attempt: the result, the wait for a call-back, another attempt, or the failure."""
    found = await _found(event, lock=True)
    if found is None or came.get("gone"):
        return {"state": await _too_late(event, came)}
    case, visit, node = found
    if int(visit.data.get("attempts") or 0) >= event.attempt:
        # Noted before the answer to the engine was lost.
        return {"state": "noted"}
    case.keep(visit, attempts=event.attempt, error=came.get("error"))
    if came["ok"] and came["waits"]:
        case.keep(visit, answered=came["result"])
        due = utcnow() + timedelta(seconds=node.callback_timeout_s or _CALLBACK_S)
        late = VisitDue(instance_id=event.instance_id, visit_id=visit.id, name="callback", count=event.round)
        await timers.set(owner_of(visit), "callback", due, VISIT_DUE, late)
        return {"state": "waiting"}
    if came["ok"]:
        return {"state": _succeed(case, visit, node, came["result"])}
    kind = find_node(node.effect)
    retries = node.retries if node.retries is not None else kind.retries if kind is not None else 0
    if came["retry"] and event.attempt <= retries:
        pause = came["retry_after"] or min(_FIRST_PAUSE * 2 ** (event.attempt - 1), _LONGEST_PAUSE)
        again = event.model_copy(update={"attempt": event.attempt + 1})
        await timers.set(owner_of(visit), "retry", utcnow() + timedelta(seconds=pause), EFFECT_DUE, again)
        return {"state": "retrying", "error": came["error"]}
    _conclude(case, visit, {"ok": False, "error": came["error"]})
    return {"state": "failed", "error": came["error"]}


async def _too_late(event: EffectDue, came: Mapping[str, Any]) -> str:
    """It was done when nobody wanted it any more: whoever did it is told to undo it, once."""
    if not came.get("ok"):
        return "dropped"
    try:
        case = await load(event.instance_id)
    except NotFound:
        return "dropped"
    visit = case.visit(event.visit_id)
    if visit is None or visit.status != VisitStatus.CANCELLED:
        return "dropped"
    if not undo_late(case, visit, came["result"]):
        return "dropped"
    await save(case)
    return "undone"


async def called_back(link_visit: Visit, round_: int, result: Any, *, error: str | None = None) -> bool:
    """Somebody has called back: the visit's result, or its failure; False if it has one already."""
    event = EffectDue(instance_id=link_visit.instance_id, visit_id=link_visit.id, round=round_)
    found = await _found(event, lock=True)
    if found is None:
        return False
    case, visit, node = found
    await timers.cancel(owner_of(visit))
    if error is not None:
        _conclude(case, visit, {"ok": False, "error": error[:1000]})
    else:
        _succeed(case, visit, node, result)
    return True


async def not_called_back(event: VisitDue) -> bool:
    """The time to call back is over. Inside a unit of work."""
    found = await _found(
        EffectDue(instance_id=event.instance_id, visit_id=event.visit_id, round=event.count), lock=True
    )
    if found is None:
        return False
    case, visit, _ = found
    _conclude(case, visit, {"ok": False, "error": "Nobody called back in time."})
    return True


def _succeed(case: Case, visit: Visit, node: EffectNode, result: Any) -> str:
    try:
        save = {field: at_pointer(result, pointer) for field, pointer in node.save.items()}
    except EffectError as error:
        _conclude(case, visit, {"ok": False, "error": str(error)})
        return "failed"
    _conclude(case, visit, {"ok": True, "result": result, "save": save})
    return "done"


def _conclude(case: Case, visit: Visit, data: dict[str, Any]) -> None:
    """The round has its result: the instance takes it in, once."""
    case.keep(visit, noted=visit.data["round"])
    put(case.instance, "effect.done", {"visit": str(visit.id), **data})


async def _found(event: EffectDue, *, lock: bool = False) -> tuple[Case, Visit, EffectNode] | None:
    """What an event is about, if that is not over and has no result yet."""
    try:
        case = await load(event.instance_id, lock=lock)
    except NotFound:
        return None
    visit = case.visit(event.visit_id)
    if visit is None or visit.status != VisitStatus.ACTIVE or case.instance.status in ENDED:
        return None
    if visit.data.get("round") != event.round or visit.data.get("noted") == event.round:
        return None
    node = case.node(visit.node)
    return (case, visit, node) if isinstance(node, EffectNode) else None


async def _callback_url(visit: Visit, node: EffectNode, round_: int) -> str | None:
    if not node.wait_callback:
        return None
    expires = utcnow() + timedelta(seconds=(node.callback_timeout_s or _CALLBACK_S) + 86_400)
    token = await links.give_out(
        "callback", instance_id=visit.instance_id, visit_id=visit.id, expires_at=expires, round_=round_
    )
    return public_url(CALLBACKS + token)
