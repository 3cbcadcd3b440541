"""`/api/v1/runs`: what runs did, cancelling and repeating them, and a mirror that stays true."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from riveredge_kernel.functions.reconcile import RECONCILE_REQUESTED
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import (
    EventType,
    FunctionContext,
    FunctionSpec,
    Permission,
    Plugin,
    Router,
    Subject,
    publish,
    unit_of_work,
)
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.functions import CronTick, NonRetriableError
from riveredge_sdk.testing.platform import (
    ApiClient,
    DatabaseKind,
    EngineControl,
    PlatformUnderTest,
    TestTenant,
    find_factory,
)
from riveredge_sdk.testing.plugin import AsUser, OpenStream

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("engine")]
RUNS = "/api/v1/runs"


def wait_for(check: Callable[[], Any], what: str) -> Any:
    """The first true answer of `check`."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen")


def runs_of(client: ApiClient, function: str, **more: Any) -> list[dict[str, Any]]:
    """All runs of a function that the tenant sees."""
    conditions = [{"field": "function", "op": "eq", "value": function}]
    conditions += [{"field": name, "op": "eq", "value": value} for name, value in more.items()]
    answer = client.get(RUNS, params={"filter": json.dumps({"match": "all", "conditions": conditions}), "limit": 200})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def run_with(client: ApiClient, function: str, status: str, **more: Any) -> dict[str, Any]:
    """The one run of a function with this status, once there is one."""

    def find() -> dict[str, Any] | None:
        found = [run for run in runs_of(client, function, **more) if run["status"] == status]
        return found[0] if found else None

    run: dict[str, Any] = wait_for(find, f"a run of {function} that is {status}")
    return run


def remind(client: ApiClient) -> str:
    """A note whose author is to be reminded: its run sleeps for two days. The note's id."""
    answer = client.post("/api/v1/example/notes", json={"title": "Milk", "remind_at": datetime.now(UTC).isoformat()})
    assert answer.status_code == 201, answer.text
    note_id: str = answer.json()["id"]
    return note_id


# -- reading --------------------------------------------------------------------------------------------------------


def test_a_run_names_the_object_it_serves(client: ApiClient) -> None:
    note = remind(client)
    run = run_with(client, "example.remind", "running", subject_type="example.note", subject_id=note)
    assert run["subject"] == {"type": "example.note", "id": note}
    assert runs_of(client, "example.remind", subject_id=str(UUID(int=0))) == []


def test_steps_tell_how_long_they_took(client: ApiClient, engine: EngineControl) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    engine.run_until_idle()
    detail = client.get(f"{RUNS}/{run['run_id']}").json()
    first, wait = detail["steps"]
    assert (first["step"], first["status"]) == ("first", "completed")
    assert first["seconds"] >= 0
    assert first["started_at"] <= first["ended_at"]
    assert (wait["status"], wait["seconds"]) == ("running", None)
    assert detail["seconds"] is None


def test_runs_of_another_tenant_are_not_there(client: ApiClient, as_user: AsUser, other_tenant: TestTenant) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    stranger = as_user({"kernel.run.read", "kernel.run.cancel", "kernel.run.rerun"}, tenant=other_tenant)
    assert stranger.get(f"{RUNS}/{run['run_id']}").status_code == 404
    assert stranger.post(f"{RUNS}/{run['run_id']}/cancel").status_code == 404
    assert stranger.post(f"{RUNS}/{run['run_id']}/rerun").status_code == 404
    assert stranger.get(RUNS).json()["items"] == []


def test_each_verb_has_its_permission(client: ApiClient, as_user: AsUser) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    reader = as_user({"kernel.run.read"})
    assert reader.get(f"{RUNS}/{run['run_id']}").status_code == 200
    assert reader.post(f"{RUNS}/{run['run_id']}/cancel").status_code == 403
    assert reader.post(f"{RUNS}/{run['run_id']}/rerun").status_code == 403
    assert reader.post(f"{RUNS}/reruns", json={}).status_code == 403


def test_runs_can_be_followed(client: ApiClient, stream: OpenStream, engine: EngineControl) -> None:
    live = stream(client)
    live.subscribe("kernel.runs")
    remind(client)
    message = live.next()
    while message["data"]["function"] != "example.remind":
        message = live.next()
    assert message["what"] == "started"
    run_id = message["data"]["run"]
    assert live.subscribe("kernel.run", run_id)["type"] in {"subscribed", "message"}
    client.post(f"{RUNS}/{run_id}/cancel")
    told = [live.next() for _ in range(2)]
    while not {("kernel.run", "cancelled"), ("kernel.runs", "cancelled")} <= {(m["topic"], m["what"]) for m in told}:
        told.append(live.next())


# -- cancelling -----------------------------------------------------------------------------------------------------


def test_a_cancelled_run_goes_no_further(client: ApiClient, engine: EngineControl) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    engine.run_until_idle()
    cancelled = client.post(f"{RUNS}/{run['run_id']}/cancel")
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["error"].startswith("Cancelled by ")
    assert cancelled.json()["ended_at"] is not None
    engine.advance(days=3)
    detail = client.get(f"{RUNS}/{run['run_id']}").json()
    assert detail["status"] == "cancelled"
    assert [step["step"] for step in detail["steps"]] == ["first", "wait"]
    assert detail["steps"][1]["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: ApiClient, engine: EngineControl) -> None:
    client.post("/api/v1/example/notes", json={"title": "Milk"})
    run = run_with(client, "example.trim", "completed")
    answer = client.post(f"{RUNS}/{run['run_id']}/cancel")
    assert answer.status_code == 409
    assert "completed" in answer.json()["detail"]


def test_a_run_that_the_engine_does_not_know_is_cancelled_all_the_same(
    client: ApiClient, engine: EngineControl
) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    engine.run_until_idle()
    engine.forget()
    assert client.post(f"{RUNS}/{run['run_id']}/cancel").json()["status"] == "cancelled"


# -- repeating ------------------------------------------------------------------------------------------------------


def test_a_run_is_repeated_with_the_same_data(client: ApiClient) -> None:
    client.post("/api/v1/example/notes", json={"title": "  Milk  "})
    run = run_with(client, "example.trim", "completed")
    asked = client.post(f"{RUNS}/{run['run_id']}/rerun")
    assert asked.status_code == 202
    again = run_with(client, "example.trim", "completed", rerun_of=run["run_id"])
    assert again["event_id"] == asked.json()["event_id"]
    assert again["event_name"] == run["event_name"]
    assert client.get(f"{RUNS}/{run['run_id']}").json()["rerun_at"] is not None
    # Only this function: whatever else the event started is not started again.
    assert len(runs_of(client, "example.trim")) == 2
    third = client.post(f"{RUNS}/{again['run_id']}/rerun").json()["event_id"]
    assert run_with(client, "example.trim", "completed", event_id=third)["rerun_of"] == again["run_id"]


def test_a_running_run_is_not_repeated(client: ApiClient) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    assert client.post(f"{RUNS}/{run['run_id']}/rerun").status_code == 409


# -- the mirror stays true ------------------------------------------------------------------------------------------


def test_a_run_that_the_engine_lost_is_shown_as_lost(
    platform: ThreadedPlatform, client: ApiClient, engine: EngineControl
) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    engine.run_until_idle()
    engine.forget()
    reconcile(platform)
    assert client.get(f"{RUNS}/{run['run_id']}").json()["status"] == "running"
    reconcile(platform)
    lost = client.get(f"{RUNS}/{run['run_id']}").json()
    assert lost["status"] == "lost"
    assert lost["error"]
    assert lost["steps"][1]["status"] == "lost"


def test_a_run_that_was_cancelled_at_the_engine_is_shown_as_cancelled(
    platform: ThreadedPlatform, client: ApiClient, engine: EngineControl
) -> None:
    remind(client)
    run = run_with(client, "example.remind", "running")
    engine.run_until_idle()
    functions = platform.platform.functions
    # Whoever else has the keys: a dashboard, an operator. The word of it is lost as well.
    engine.fail("unreachable", function="riveredge-kernel-run_ended", times=50)
    assert platform.run(functions.api.cancel(run["run_id"]))
    reconcile(platform)
    assert run_with(client, "example.remind", "cancelled")["error"]
    engine.run_until_idle()


def reconcile(platform: ThreadedPlatform) -> None:
    """What happens every two minutes, now that some have passed."""
    platform.advance(timedelta(minutes=3))

    async def ask() -> None:
        with use_context(Context(runtime=platform.platform.runtime, system_reason="test")):
            async with unit_of_work():
                publish(RECONCILE_REQUESTED, CronTick())

    platform.run(ask())
    platform.settle()


# -- repeating many -------------------------------------------------------------------------------------------------


class Job(BaseModel):
    """A number."""

    number: int


class FailingPlugin(Plugin):
    """A function that fails until it is mended."""

    id = "failing"
    title = "Failing"

    def __init__(self) -> None:
        self.mended = False

    def event_types(self) -> Iterable[EventType[Any]]:
        return (WANTED,)

    def permissions(self) -> Iterable[Permission]:
        return (Permission("failing.job.create", "Make jobs"),)

    def routers(self) -> Iterable[Router]:
        router = Router(tag="Failing")

        @router.post("/jobs", require="failing.job.create", status=202, summary="Make jobs")
        async def make_jobs(body: list[int]) -> int:
            for number in body:
                publish(WANTED, Job(number=number))
            return len(body)

        return (router,)

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        async def work(_ctx: FunctionContext, event: Job) -> int:
            if not self.mended:
                raise LookupError(f"job {event.number} is not to be done")
            return event.number

        async def once(_ctx: FunctionContext, event: Job) -> int:
            raise NonRetriableError(f"job {event.number} is done once")

        return (
            FunctionSpec(
                id="failing.work",
                title="Work",
                trigger=WANTED,
                handler=work,
                retries=0,
                subject=lambda event: Subject("failing.job", str(event.number)),
            ),
            FunctionSpec(
                id="failing.once", title="Once", trigger=WANTED, handler=once, idempotency="event.data.number"
            ),
        )


WANTED = EventType("failing/job.wanted", Job, "A job is wanted")


@pytest.fixture
def failing(
    database_kind: DatabaseKind, tmp_path: Path
) -> Iterator[tuple[FailingPlugin, PlatformUnderTest, ApiClient]]:
    """A platform of its own with the plugin, and an administrator."""
    plugin = FailingPlugin()
    with find_factory()(database_kind, tmp_path, plugins=[plugin]) as platform:
        tenant = platform.create_tenant("acme")
        with ApiClient(platform, platform.create_user(tenant, platform.permissions)) as client:
            yield plugin, platform, client


def only(*conditions: tuple[str, str, Any]) -> str:
    """A filter."""
    return json.dumps({"match": "all", "conditions": [{"field": f, "op": o, "value": v} for f, o, v in conditions]})


def test_failed_runs_are_repeated_together(failing: tuple[FailingPlugin, PlatformUnderTest, ApiClient]) -> None:
    plugin, platform, client = failing
    client.post("/api/v1/failing/jobs", json=list(range(120)))
    wait_for(lambda: len(runs_of(client, "failing.work", status="failed")) == 120, "the failure of all jobs")
    run = runs_of(client, "failing.work", status="failed")[0]
    assert "is not to be done" in run["error"]
    plugin.mended = True

    few = client.post(f"{RUNS}/reruns", json={"filter": only(("function", "eq", "failing.work")), "cap": 15})
    assert few.status_code == 202
    assert (few.json()["found"], few.json()["status"]) == (15, "running")
    done = finished(client, few.json()["id"])
    assert (done["repeated"], done["skipped"]) == (15, 0)
    wait_for(lambda: len(runs_of(client, "failing.work", status="completed")) == 15, "15 repetitions")

    rest = client.post(f"{RUNS}/reruns", json={"filter": only(("function", "eq", "failing.work"))}).json()
    assert rest["found"] == 105
    assert finished(client, rest["id"])["repeated"] == 105
    wait_for(lambda: len(runs_of(client, "failing.work", status="completed")) == 120, "all repetitions")
    subjects = {run["subject"]["id"] for run in runs_of(client, "failing.work", status="completed")}
    assert subjects == {str(number) for number in range(120)}

    # Nothing is left that was not repeated, but for what is done once only.
    platform.settle()
    last = finished(client, client.post(f"{RUNS}/reruns", json={}).json()["id"])
    assert (last["repeated"], last["skipped"]) == (0, last["found"])
    assert len(client.get(f"{RUNS}/reruns").json()["items"]) == 3


def finished(client: ApiClient, rerun_id: str) -> dict[str, Any]:
    """A repetition of failed runs, once it is over."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"{RUNS}/reruns/{rerun_id}").json()
        return found if found["status"] == "completed" else None

    done: dict[str, Any] = wait_for(look, "the end of the repetition")
    return done


def test_a_function_that_takes_each_event_once_is_not_repeated(
    failing: tuple[FailingPlugin, PlatformUnderTest, ApiClient],
) -> None:
    _, _, client = failing
    client.post("/api/v1/failing/jobs", json=[1])
    run = run_with(client, "failing.once", "failed")
    answer = client.post(f"{RUNS}/{run['run_id']}/rerun")
    assert answer.status_code == 409
    assert "once" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [{"cap": 0}, {"cap": 10_001}, {"filter": "{"}, {"filter": only(("nothing", "eq", 1))}, {"status": "completed"}],
)
def test_a_wrong_wish_is_refused(client: ApiClient, body: dict[str, Any]) -> None:
    assert client.post(f"{RUNS}/reruns", json=body).status_code == 422
