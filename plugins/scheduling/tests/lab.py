"""Actions that tests steer: they hold until they are let go, fail as often as they should, and count their runs."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from riveredge_scheduling.actions.emit_event import Emitted
from riveredge_sdk import Body, EventType, FunctionContext, FunctionSpec, Permission, Plugin, Router
from riveredge_sdk.auth import current_principal
from riveredge_sdk.features.scheduling import ActionError, FireContext, TaskAction

EMITTED = EventType("scheduling/emitted.lab", Emitted, "What the tests listen to")
USE = "lab.thing.use"


@dataclass(slots=True)
class Lab:
    """What happened, by the schedule's key."""

    runs: defaultdict[str, list[FireContext]] = field(default_factory=lambda: defaultdict(list))
    owners: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    gates: defaultdict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))
    arrived: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def let_go(self, key: str) -> None:
        """Whatever holds for this key ends."""
        self.gates[key].set()


LAB = Lab()


class Params(Body):
    """How it is to behave."""

    hold: bool = False
    failures: int = 0
    final: bool = False
    seconds: float = 0
    note: str = Field(default="", max_length=100)


async def _opened(gate: threading.Event) -> None:
    """Wait without holding a thread: a run that is broken off would leave it behind."""
    for _ in range(3000):
        if gate.is_set():
            return
        await asyncio.sleep(0.02)


class Work(TaskAction[Params]):
    """Runs outside of a transaction."""

    id = "lab.work"
    title = "Work"
    params = Params
    permission = USE
    idempotency = "It counts its runs."
    retries = 0

    async def run(self, ctx: FireContext, params: Params) -> Any:
        LAB.runs[ctx.task_key].append(ctx)
        LAB.owners[ctx.task_key].append(current_principal().name)
        await asyncio.sleep(params.seconds)
        if params.hold:
            await _opened(LAB.gates[ctx.task_key])
        if len(LAB.runs[ctx.task_key]) <= params.failures:
            raise ActionError("It is to fail.", retry=not params.final)
        return {"note": params.note}


class Light(TaskAction[Params]):
    """Runs in the transaction that ends its fire."""

    id = "lab.light"
    title = "Light work"
    params = Params
    idempotency = "It counts its runs."
    transactional = True
    retries = 0

    async def run(self, ctx: FireContext, params: Params) -> Any:
        LAB.runs[ctx.task_key].append(ctx)
        if len(LAB.runs[ctx.task_key]) <= params.failures:
            raise RuntimeError("It is to fail.")
        return params.note


async def listen(_ctx: FunctionContext, event: Emitted) -> None:
    """An emitted event arrived."""
    LAB.arrived[event.key].append(str(event.fire_id))


class LabPlugin(Plugin):
    """Contributes them."""

    id = "lab"
    title = "Lab"

    def permissions(self) -> Iterable[Permission]:
        return (Permission(USE, "Use the lab"),)

    def routers(self) -> Iterable[Router]:
        return ()

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (Work(), Light())

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return (FunctionSpec(id="lab.listen", title="Listen", trigger=EMITTED, handler=listen),)
