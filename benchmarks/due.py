"""Schedules that are due within one minute, out of 100,000: all of them, once, not early, and how late.

The platform with the embedded engine in its process, on PostgreSQL, as `riveredge run` starts it. The schedules are
those of a hundred organisations, each with as many as it may have. Their action counts its calls and does nothing else,
so that what is measured is the way to it: claiming, the engine, admission, and the note of how it ended.

Where others keep the machine busy, lateness says little. The processor time for each fire, of the platform and of
PostgreSQL, says what it costs all the same: 100,000 in a minute on two cores have to stay well under 1.2 ms in all.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.platform import Platform
from riveredge_kernel.server import running
from riveredge_kernel.settings import Settings
from riveredge_sdk import Body, Plugin
from riveredge_sdk.features.scheduling import FireContext, TaskAction
from riveredge_sdk.testing.postgres import PostgresServer

SCHEDULES = 100_000
# Each has as many schedules as RIVEREDGE_SCHEDULING__MAX_TASKS allows by default.
TENANTS = 100
SPREAD = 60
# How many are due, and the lateness in seconds that all but one in a hundred are to keep within.
GOALS = {600: 1.0, 20_000: 1.0, 100_000: 3.0}
PATIENCE = 240.0


class Nothing(Body):
    """No parameters."""


class Count(TaskAction[Nothing]):
    """The action of all schedules. It counts how often it is called for each fire."""

    id = "bench.count"
    title = "Count"
    params = Nothing
    idempotency = "It counts twice."
    transactional = True

    def __init__(self) -> None:
        self.calls: Counter[UUID] = Counter()

    async def run(self, ctx: FireContext, params: Nothing) -> None:
        self.calls[ctx.fire_id] += 1


class BenchPlugin(Plugin):
    """Contributes the action."""

    id = "bench"
    title = "Bench"

    def __init__(self) -> None:
        self.action = Count()

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (self.action,)


@dataclass(frozen=True, slots=True)
class Lateness:
    """What became of the fires. Times in seconds; `cpu` and `database_cpu` in milliseconds for each fire."""

    due: int
    executed: int
    twice: int
    early: int
    p50: float
    p95: float
    p99: float
    cpu: float
    database_cpu: float | None


async def _first_schedules(platform: Platform) -> None:
    """A schedule of each tenant, made as people make them."""
    body = {
        "key": "s0",
        "title": "Bench",
        "action": Count.id,
        "trigger": {"kind": "interval", "every_s": 86_400},
        "overlap": "skip",
        "starts_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }
    async with httpx2.AsyncClient(base_url=platform.base_url, timeout=30) as http:
        for number in range(TENANTS):
            tenant: UUID = await platform.provisioning.create_tenant(f"bench{number}", "Bench")
            email = f"bench{number}@example.com"
            member = await platform.provisioning.add_member(tenant, email, roles=[ADMINISTRATOR])
            token = await platform.auth.token_for(member.user_id, tenant)
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.post("/api/v1/scheduling/tasks", json=body, headers=headers)
            answer.raise_for_status()


async def _copy(system: AsyncEngine) -> None:
    """The rest of the schedules."""
    async with system.begin() as connection:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'scheduling_task'"
        names = [name for (name,) in (await connection.execute(text(query))).all()]
        values = ", ".join({"id": "gen_random_uuid()", "key": "'s' || n"}.get(name, f'"{name}"') for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        each = SCHEDULES // TENANTS - 1
        await connection.execute(
            text(
                f"INSERT INTO scheduling_task ({columns}) SELECT {values} FROM scheduling_task, "  # noqa: S608
                f"generate_series(1, {each}) n WHERE key = 's0'"
            )
        )
        # A table that has grown for months has statistics.
        await connection.execute(text("ANALYZE"))


async def _database_ticks(system: AsyncEngine) -> int | None:
    """Clock ticks of processor time that this machine's PostgreSQL has used, ended sessions included."""
    async with system.connect() as connection:
        return _ticks_around((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


def _ticks_around(session: int) -> int | None:
    try:
        parent = _stat(session)[1]
        others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        sessions = [_stat(pid) for pid in others if _stat(pid)[1] == parent]
        ended = _stat(parent)
    except (OSError, IndexError, ValueError):
        return None
    return sum(sum(each[11:13]) for each in sessions) + sum(ended[11:15])


def _stat(pid: int) -> list[int]:
    """The numbers behind the name in /proc/<pid>/stat, the state as 0; all zero if the process has ended."""
    try:
        _, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except FileNotFoundError:
        return [0] * 20
    return [0, *(int(each) for each in rest.split()[1:])]


async def _round(system: AsyncEngine, due: int, calls: Counter[UUID]) -> Lateness:
    # The tick of the next full minute claims all of it.
    base = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(seconds=60 + 15)
    if base - datetime.now(UTC) < timedelta(seconds=25):
        base += timedelta(seconds=60)
    async with system.begin() as connection:
        await connection.execute(
            text(
                "UPDATE scheduling_task SET next_nominal_at = at, next_fire_at = at FROM (SELECT id AS chosen, "
                "cast(:base AS timestamptz) + mod(row_number() OVER (), :spread) * interval '1 second' AS at "
                "FROM scheduling_task WHERE action = :action ORDER BY id LIMIT :due) AS due WHERE id = chosen"
            ),
            {"base": base, "spread": SPREAD, "due": due, "action": Count.id},
        )
    calls.clear()
    used, used_there = time.process_time(), await _database_ticks(system)
    deadline = time.monotonic() + (base - datetime.now(UTC)).total_seconds() + SPREAD + PATIENCE
    window = {"first": base, "last": base + timedelta(seconds=SPREAD)}
    where = "FROM scheduling_fire WHERE state = 'succeeded' AND nominal_at >= :first AND nominal_at < :last"
    while time.monotonic() < deadline:
        await asyncio.sleep(2)
        async with system.connect() as connection:
            if (await connection.execute(text(f"SELECT count(*) {where}"), window)).scalar_one() >= due:
                break
    numbers = (
        "SELECT count(*), count(*) FILTER (WHERE started_at < fire_at), "
        "percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - fire_at)) "
    )
    async with system.connect() as connection:
        executed, early, shares = (await connection.execute(text(numbers + where), window)).one()
    p50, p95, p99 = (float(share) for share in shares or (0, 0, 0))
    twice = sum(1 for count in calls.values() if count > 1)
    cpu = (time.process_time() - used) * 1000 / due
    there = await _database_ticks(system)
    database_cpu = (there - used_there) * 1000 / os.sysconf("SC_CLK_TCK") / due if there and used_there else None
    return Lateness(due, min(executed, len(calls)), twice, early, p50, p95, p99, cpu, database_cpu)


async def measure(directory: Path, database: dict[str, str], counts: Iterable[int]) -> list[Lateness]:
    """One round for each number of due schedules."""
    settings = Settings.model_validate(
        {"var_dir": directory, "port": 0, "database": database, "inngest": {"engine_port": 0}, "log_level": "error"}
    )
    system = create_async_engine(database["system_url"])
    plugin = BenchPlugin()
    async with running(settings, plugins=[plugin]) as platform:
        await platform.functions.registered.wait()
        await _first_schedules(platform)
        await _copy(system)
        rounds = [await _round(system, count, plugin.action.calls) for count in counts]
    await system.dispose()
    return rounds


def run(directory: Path, postgres: PostgresServer, counts: Iterable[int] = tuple(GOALS)) -> list[Lateness]:
    """The rounds, on a database of their own."""
    from riveredge_kernel.testing import migrate

    made = postgres.create_database()
    migrate(made.owner)
    try:
        database = {"url": made.app, "owner_url": made.owner, "system_url": made.system}
        return asyncio.run(measure(directory, database, counts))
    finally:
        postgres.drop_database(made.name)
