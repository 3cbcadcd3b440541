"""What the tests of scheduling share: a platform with actions that tests steer."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlmodel import col, select

from riveredge_kernel.tenancy.models import Tenant
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.platform import ApiClient, TestTenant

from .lab import LAB, LabPlugin

TASKS = "/api/v1/scheduling/tasks"
T = TypeVar("T")
Make = Callable[..., dict[str, Any]]
Limit = Callable[[str, int], None]
_numbers = itertools.count()


@pytest.fixture
def platform_plugins() -> Sequence[type[Plugin]]:
    """The lab."""
    return (LabPlugin,)


@pytest.fixture
def make(client: ApiClient) -> Iterator[Make]:
    """`make(trigger={…}, …)`: a schedule that emits an event, at New Year unless said otherwise; deleted at the end."""
    made: list[tuple[ApiClient, str]] = []

    def create(by: ApiClient | None = None, **fields: Any) -> dict[str, Any]:
        body = {
            "key": f"t{next(_numbers)}",
            "title": "A task",
            "action": "scheduling.emit_event",
            "params": {"name": "lab"} if "action" not in fields else {},
            "trigger": {"kind": "cron", "expression": "0 0 1 1 *"},
            "zone": "UTC",
            **fields,
        }
        LAB.gates[body["key"]].clear()
        answer = (by or client).post(TASKS, json=body)
        assert answer.status_code == 201, answer.text
        task: dict[str, Any] = answer.json()
        made.append((by or client, task["id"]))
        return task

    yield create
    for who, task_id in made:
        found = who.get(f"{TASKS}/{task_id}")
        if found.status_code == 200:
            LAB.let_go(found.json()["key"])
            who.delete(f"{TASKS}/{task_id}", headers={"If-Match": found.headers["ETag"]})


@pytest.fixture
def limit(platform: ThreadedPlatform, tenant: TestTenant) -> Limit:
    """`limit(quota, value)`: what operators would set for the organisation."""

    def set_limit(quota: str, value: int) -> None:
        async def write() -> None:
            async with platform.platform.database.system("test", platform.platform.runtime) as session:
                row = (await session.exec(select(Tenant).where(col(Tenant.id) == tenant.id))).one()
                row.quotas = {**row.quotas, quota: value}
            platform.platform.tenants.invalidate(tenant.id)

        platform.run(write())

    return set_limit


class History:
    """What became of a schedule's fires."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client

    def all(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        """Oldest first."""
        answer = self.client.get(f"{TASKS}/{task['id']}/fires", params={"sort": "nominal_at", "limit": 200})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def until(
        self, task: dict[str, Any], check: Callable[[list[dict[str, Any]]], Any], timeout: float = 40
    ) -> list[dict[str, Any]]:
        """The fires, once `check` of them is true."""
        return self.wait(lambda: self.all(task), check, timeout)

    def wait(self, look: Callable[[], T], check: Callable[[T], Any], timeout: float = 40) -> T:
        """What `look` finds, once `check` of it is true."""
        deadline = time.monotonic() + timeout
        while True:
            found = look()
            if check(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def ended(self, task: dict[str, Any], count: int) -> list[dict[str, Any]]:
        """Those that have ended, once there are `count`."""
        items = self.until(task, lambda found: len([item for item in found if item["finished_at"]]) >= count)
        return [item for item in items if item["finished_at"]]


@pytest.fixture
def history(client: ApiClient) -> History:
    """The fires of schedules."""
    return History(client)


@pytest.fixture
def time_machine(platform: ThreadedPlatform) -> "TimeMachine":
    """Moves the platform's clock without its ticks, as if nothing had run meanwhile."""
    return TimeMachine(platform)


@pytest.fixture
def early_in_a_minute(time_machine: "TimeMachine") -> None:
    """Else a whole minute begins while a test makes its schedules, and there is one fire more."""
    time_machine.jump_to(time_machine.next_minute() + timedelta(seconds=5))


class TimeMachine:
    """The clock and the tick, each by itself."""

    def __init__(self, platform: ThreadedPlatform) -> None:
        self.platform = platform

    def now(self) -> datetime:
        """The platform's present."""
        return self.platform.now()

    def jump_to(self, moment: datetime) -> None:
        """It is this time now; nothing happened on the way."""

        async def jump() -> None:
            clock = self.platform.platform.engine.clock
            clock.freeze_at(int(moment.timestamp() * 1000))
            clock.resume()

        self.platform.run(jump())

    def claim(self) -> None:
        """What the tick does first."""
        self.platform.run(self.platform.platform.tick.claim())

    def reconcile(self) -> None:
        """What the tick does then."""
        self.platform.run(self.platform.platform.tick.reconcile())

    def next_minute(self, **later: float) -> datetime:
        """The first whole minute not before now and some time."""
        moment = self.now() + timedelta(**later)
        return moment.replace(second=0, microsecond=0) + timedelta(minutes=1)


def states(items: Sequence[dict[str, Any]]) -> list[str]:
    """The states of fires."""
    return [item["state"] for item in items]


@contextlib.contextmanager
def held(key: str) -> Iterator[None]:
    """What holds for the key is let go at the end of the block."""
    try:
        yield
    finally:
        LAB.let_go(key)


def inbox(client: ApiClient, template: str) -> list[str]:
    """The subjects of the alarms that reached the user."""
    found = client.get("/api/v1/messaging/inbox", params={"limit": 200}).json()["items"]
    return [item["subject"] for item in found if item["subject"].startswith(template)]
