"""Decisions a second with 1, 10 and 100 approvers, against SpiffWorkflow with its state in the same PostgreSQL.

Both run the same diagram: people check beside each other, all of them; above an amount the chief decides, too. Compared
is what both do in one process, without HTTP, sign-in or permissions. Theirs is what an application does that keeps
SpiffWorkflow's state: read the row under its lock, restore the workflow, complete the task, write the state, commit.
Ours leaves votes, a history, pushes and events behind, and the flow goes on by a durable function meanwhile. Beside it
stands what approvers see of ours: the same as requests over HTTP.
"""

import asyncio
import logging
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import httpx2
from SpiffWorkflow import TaskState as Ready
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import col, select

from benchmarks.messaging import settings_for
from riveredge_approvals.models import Instance, InstanceStatus, Task, TaskState
from riveredge_approvals.tasks import deciding
from riveredge_approvals.tasks.deciding import Said
from riveredge_kernel import logging as kernel_logging
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.platform import Platform
from riveredge_kernel.server import running
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.uow import unit_of_work

APPROVERS = (1, 10, 100)
# Decisions for each number of approvers, at least; of several requests one after the other.
DECISIONS = 200
CONNECTIONS = 8
STEPS = 100
_API = "/api/v1/approvals"
_AMOUNT = 9000


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions a second; `served` are ours over HTTP."""

    approvers: int
    served: float
    ours: float
    theirs: float


# -- ours -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Company:
    """A tenant with enough people, and clients signed in as they are."""

    platform: Platform
    tenant: UUID
    http: httpx2.AsyncClient
    tokens: dict[UUID, str]

    @property
    def people(self) -> list[UUID]:
        return list(self.tokens)

    async def post(self, user: UUID, path: str, body: dict[str, Any], *, api: str = _API) -> Any:
        answer = await self.http.post(api + path, json=body, headers={"Authorization": f"Bearer {self.tokens[user]}"})
        answer.raise_for_status()
        return answer.json()

    async def tasks(self, instance: str, count: int) -> Sequence[tuple[UUID, UUID]]:
        """The open tasks of a request with those who are asked, once there are so many."""
        query = select(Task.id, Task.assignee_id).where(
            col(Task.instance_id) == UUID(instance), col(Task.state) == TaskState.PENDING
        )
        while True:
            found: Sequence[tuple[UUID, UUID]] = await self._read(query)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.005)

    async def todo(self, user: UUID, instance: str) -> str | None:
        """The task on a request that somebody's list shows."""
        answer = await self.http.get(f"{_API}/tasks", headers={"Authorization": f"Bearer {self.tokens[user]}"})
        found = (item["id"] for item in answer.raise_for_status().json()["items"] if item["instance_id"] == instance)
        return next(found, None)

    async def ended(self, instance: str) -> None:
        query = select(Instance.status).where(col(Instance.id) == UUID(instance))
        while (await self._read(query))[0] != InstanceStatus.APPROVED:  # noqa: ASYNC110  (the database is asked)
            await asyncio.sleep(0.005)

    async def _read(self, query: Any) -> Any:
        with use_context(Context(runtime=self.platform.runtime, tenant_id=self.tenant)):
            async with unit_of_work(read_only=True) as db:
                return (await db.exec(query)).all()


async def _company(platform: Platform, http: httpx2.AsyncClient) -> _Company:
    """As many people as decide beside each other at most; the role `checkers<n>` has the first n of them."""
    tenant = await platform.provisioning.create_tenant("bench", "Bench")
    company = _Company(platform, tenant, http, {})
    for number in range(max(APPROVERS)):
        email = f"b{number}@example.com"
        member = await platform.provisioning.add_member(tenant, email, roles=[ADMINISTRATOR])
        company.tokens[member.user_id] = await platform.auth.token_for(member.user_id, tenant)
        if number == 0:
            for approvers in APPROVERS:
                role = {"key": f"checkers{approvers}", "title": "Checkers"}
                await company.post(member.user_id, "/roles", role, api="/api/v1")
        roles = [f"checkers{approvers}" for approvers in APPROVERS if number < approvers]
        await platform.provisioning.add_member(tenant, email, roles=roles)
    await platform.functions.registered.wait()
    return company


async def _publish(company: _Company, approvers: int) -> str:
    """The diagram, published; its key."""
    chief, key = company.people[0], f"bench{approvers}"
    made = await company.post(chief, "/processes", {"key": key, "title": key})
    draft = {"revision": 1, "diagram": _diagram(approvers, chief), "form_schema": _FORM}
    headers = {"Authorization": f"Bearer {company.tokens[chief]}"}
    kept = await company.http.put(f"{_API}/processes/{made['id']}/draft", json=draft, headers=headers)
    kept.raise_for_status()
    await company.post(chief, f"/processes/{made['id']}/publish", {"revision": kept.json()["revision"]})
    return key


_FORM = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}


def _diagram(approvers: int, chief: UUID) -> dict[str, Any]:
    def node(name: str, kind: str, **data: Any) -> dict[str, Any]:
        return {"id": name, "type": kind, "position": {"x": 0, "y": 0}, "data": {"label": name, **data}}

    def people(assignee: dict[str, Any]) -> dict[str, Any]:
        return {"assignees": [assignee], "mode": "all", "self_approval": "self"}

    above = {"match": "all", "conditions": [{"field": "form.amount", "op": "gt", "value": 5000}]}
    return {
        "schema": "flow/1",
        "settings": {"notify": dict.fromkeys(("assigned", "reminded", "overdue", "finished"), False)},
        "nodes": [
            node("start", "start"),
            node("check", "approver", **people({"type": "role", "value": f"checkers{approvers}"})),
            node("size", "condition"),
            node("chief", "approver", **people({"type": "user", "value": str(chief)})),
            node("end", "end"),
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "check"},
            {"id": "e2", "source": "check", "target": "size"},
            {"id": "e3", "source": "size", "target": "chief", "data": {"order": 1, "when": above}},
            {"id": "e4", "source": "size", "target": "end", "data": {"order": 2, "default": True}},
            {"id": "e5", "source": "chief", "target": "end"},
        ],
    }


_Approve: TypeAlias = Callable[[UUID, UUID], Awaitable[Any]]


def _served(company: _Company) -> _Approve:
    """Approves a task as its user, over HTTP."""
    return lambda task, user: company.post(user, f"/tasks/{task}/approve", {})


def _in_process(company: _Company) -> _Approve:
    """The same without HTTP: a unit of work of the plugin's own service."""

    async def approve(task: UUID, user: UUID) -> None:
        principal = Principal(id=user, tenant_id=company.tenant)
        context = Context(runtime=company.platform.runtime, tenant_id=company.tenant, principal=principal)
        with use_context(context):
            async with unit_of_work():
                await deciding.decide(task, TaskState.APPROVED, Said())

    return approve


async def _decide_all(company: _Company, process: str, approvers: int, approve_one: _Approve) -> float:
    """Decisions a second: several requests, one after the other, everybody asked deciding at once."""
    chief, seconds, made = company.people[0], 0.0, 0
    gate = asyncio.Semaphore(CONNECTIONS)

    async def approve(task: UUID, user: UUID) -> None:
        async with gate:
            await approve_one(task, user)

    while made < DECISIONS:
        # As many requests at a time as there are connections to decide on them.
        beside = max(CONNECTIONS // approvers, 1)
        submitted = [
            (await company.post(chief, "/instances", {"process": process, "form": {"amount": _AMOUNT}}))["id"]
            for _ in range(beside)
        ]
        for count in (approvers, 1):
            asked = [task for request in submitted for task in await company.tasks(request, count)]
            started = time.perf_counter()
            await asyncio.gather(*(approve(task, user) for task, user in asked))
            seconds, made = seconds + time.perf_counter() - started, made + len(asked)
        for request in submitted:
            await company.ended(request)
    return made / seconds


async def _ours(settings: Settings) -> dict[int, tuple[float, float]]:
    """By the number of approvers: over HTTP, and in the process."""
    async with running(settings) as platform, httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
        company = await _company(platform, http)
        found = {}
        for approvers in APPROVERS:
            process = await _publish(company, approvers)
            served = await _decide_all(company, process, approvers, _served(company))
            found[approvers] = (served, await _decide_all(company, process, approvers, _in_process(company)))
        return found


# -- from a decision to the next task ---------------------------------------------------------------------------------


async def _steps(settings: Settings) -> list[float]:
    """Seconds from each decision's request until the next person's list shows her task, sorted."""
    seconds = []
    async with running(settings) as platform, httpx2.AsyncClient(base_url=platform.base_url, timeout=60) as http:
        company = await _company(platform, http)
        process = await _publish(company, 1)
        chief = company.people[0]
        for _ in range(STEPS):
            body = {"process": process, "form": {"amount": _AMOUNT}}
            request = (await company.post(chief, "/instances", body))["id"]
            ((task, user),) = await company.tasks(request, 1)
            started = time.perf_counter()
            await company.post(user, f"/tasks/{task}/approve", {})
            while not (shown := await company.todo(chief, request)):  # noqa: ASYNC110  (people look)
                await asyncio.sleep(0.02)
            seconds.append(time.perf_counter() - started)
            await company.post(chief, f"/tasks/{shown}/approve", {})
            await company.ended(request)
    return sorted(seconds)


# -- theirs -----------------------------------------------------------------------------------------------------------

_BPMN = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="bench" targetNamespace="bench"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><process id="bench" isExecutable="true">
  <startEvent id="start"/><sequenceFlow id="e1" sourceRef="start" targetRef="check"/>
  <userTask id="check"><multiInstanceLoopCharacteristics isSequential="false">
    <loopCardinality xsi:type="tFormalExpression">{approvers}</loopCardinality>
  </multiInstanceLoopCharacteristics></userTask>
  <sequenceFlow id="e2" sourceRef="check" targetRef="size"/>
  <exclusiveGateway id="size" default="e4"/>
  <sequenceFlow id="e3" sourceRef="size" targetRef="chief">
    <conditionExpression xsi:type="tFormalExpression">amount &gt; 5000</conditionExpression></sequenceFlow>
  <sequenceFlow id="e4" sourceRef="size" targetRef="end"/>
  <userTask id="chief"/><sequenceFlow id="e5" sourceRef="chief" targetRef="end"/>
  <endEvent id="end"/></process></definitions>"""
_TABLE = "CREATE TABLE workflow (id uuid PRIMARY KEY, state text NOT NULL)"


class _Spiff:
    """An application around SpiffWorkflow: its states are rows of a table."""

    def __init__(self, engine: AsyncEngine, approvers: int) -> None:
        parser = BpmnParser()
        parser.add_bpmn_str(_BPMN.format(approvers=approvers))
        self._spec, self._parts = parser.get_spec("bench"), parser.get_subprocess_specs("bench")
        self._serializer = BpmnWorkflowSerializer()
        self._engine = engine

    async def submit(self) -> UUID:
        workflow = BpmnWorkflow(self._spec, self._parts)
        workflow.task_tree.data["amount"] = _AMOUNT
        workflow.do_engine_steps()
        request = uuid4()
        new = {"id": request, "state": self._serializer.serialize_json(workflow)}
        async with self._engine.begin() as db:
            await db.execute(text("INSERT INTO workflow VALUES (:id, :state)"), new)
        return request

    async def decide(self, request: UUID) -> None:
        async with self._engine.begin() as db:
            locked = text("SELECT state FROM workflow WHERE id = :id FOR UPDATE")
            state = (await db.execute(locked, {"id": request})).scalar_one()
            workflow = self._serializer.deserialize_json(state)
            task = workflow.get_next_task(state=Ready.READY, manual=True)
            task.data["outcome"] = "approved"
            task.run()
            workflow.do_engine_steps()
            new = {"id": request, "state": self._serializer.serialize_json(workflow)}
            await db.execute(text("UPDATE workflow SET state = :state WHERE id = :id"), new)


async def _theirs(url: str) -> dict[int, float]:
    engine = create_async_engine(url, pool_size=CONNECTIONS)
    async with engine.begin() as db:
        await db.execute(text(_TABLE))
    found = {}
    for approvers in APPROVERS:
        spiff, seconds, made = _Spiff(engine, approvers), 0.0, 0
        while made < DECISIONS:
            submitted = [await spiff.submit() for _ in range(max(CONNECTIONS // approvers, 1))]
            for count in (approvers, 1):
                asked = [request for request in submitted for _ in range(count)]
                started = time.perf_counter()
                await asyncio.gather(*(spiff.decide(request) for request in asked))
                seconds, made = seconds + time.perf_counter() - started, made + len(asked)
        found[approvers] = made / seconds
    await engine.dispose()
    return found


# -- both -------------------------------------------------------------------------------------------------------------


def _in_a_process(measure: Callable[..., Any], *args: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *args).result()


def _quiet(settings: Settings) -> None:
    kernel_logging.configure(settings)
    logging.getLogger("riveredge_engine").setLevel(logging.ERROR)


def _measure_ours(settings: Settings) -> dict[int, tuple[float, float]]:
    _quiet(settings)
    return asyncio.run(_ours(settings))


def _measure_theirs(url: str) -> dict[int, float]:
    return asyncio.run(_theirs(url))


def _measure_steps(settings: Settings) -> list[float]:
    _quiet(settings)
    return asyncio.run(_steps(settings))


def decisions(directory: Path, url: str, other: str, **database: str) -> list[Decided]:
    """Decisions a second of both, one after the other, each in a process of its own.

    Args:
        url: the database of the platform. other: that of SpiffWorkflow's states, on the same server.
    """
    migrate(database.get("owner_url") or url)
    ours = _in_a_process(_measure_ours, settings_for(directory, url, **database))
    theirs = _in_a_process(_measure_theirs, other)
    return [
        Decided(approvers, served, in_process, theirs[approvers]) for approvers, (served, in_process) in ours.items()
    ]


def steps(directory: Path, url: str, **database: str) -> list[float]:
    """Sorted seconds from a decision until the next task is to be seen."""
    migrate(database.get("owner_url") or url)
    found: list[float] = _in_a_process(_measure_steps, settings_for(directory, url, **database))
    return found
