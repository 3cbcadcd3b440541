"""Schedules that are due within one minute, out of 100,000: all of them, once, not early, and how late.

The platform with the embedded engine in its process, on PostgreSQL, as `riveredge run` starts it. The action does
nothing, so that what is measured is the way to it: claiming, the engine, admission, and the note of how it ended.
"""

import asyncio
import time
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
TENANTS = 20
SPREAD = 60
# How many are due, and the lateness in seconds that all but one in a hundred are to keep within.
GOALS = {600: 1.0, 20_000: 1.0, 100_000: 3.0}
PATIENCE = 240.0


class Nothing(Body):
    """No parameters."""


class DoNothing(TaskAction[Nothing]):
    """The action of all schedules."""

    id = "bench.nothing"
    title = "Do nothing"
    params = Nothing
    idempotency = "It does nothing."
    transactional = True

    async def run(self, ctx: FireContext, params: Nothing) -> None:
        return None


class BenchPlugin(Plugin):
    """Contributes the action."""

    id = "bench"
    title = "Bench"

    def task_actions(self) -> Iterable[TaskAction[Any]]:
        return (DoNothing(),)


@dataclass(frozen=True, slots=True)
class Lateness:
    """What became of the fires. Times in seconds."""

    due: int
    executed: int
    twice: int
    early: int
    p50: float
    p95: float
    p99: float


async def _first_schedules(platform: Platform) -> None:
    """A schedule of each tenant, made as people make them."""
    body = {
        "key": "s0",
        "title": "Bench",
        "action": DoNothing.id,
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
                f"generate_series(1, {each}) n"
            )
        )


async def _round(system: AsyncEngine, due: int) -> Lateness:
    # The tick of the next full minute claims all of it.
    base = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(seconds=60 + 15)
    if base - datetime.now(UTC) < timedelta(seconds=25):
        base += timedelta(seconds=60)
    async with system.begin() as connection:
        await connection.execute(
            text(
                "UPDATE scheduling_task SET next_nominal_at = at, next_fire_at = at FROM (SELECT id AS chosen, "
                "cast(:base AS timestamptz) + mod(row_number() OVER (), :spread) * interval '1 second' AS at "
                "FROM scheduling_task ORDER BY id LIMIT :due) AS due WHERE id = chosen"
            ),
            {"base": base, "spread": SPREAD, "due": due},
        )
    deadline = time.monotonic() + (base - datetime.now(UTC)).total_seconds() + SPREAD + PATIENCE
    window = {"first": base, "last": base + timedelta(seconds=SPREAD)}
    where = "FROM scheduling_fire WHERE state = 'succeeded' AND nominal_at >= :first AND nominal_at < :last"
    while time.monotonic() < deadline:
        await asyncio.sleep(2)
        async with system.connect() as connection:
            if (await connection.execute(text(f"SELECT count(*) {where}"), window)).scalar_one() >= due:
                break
    numbers = (
        "SELECT count(*), count(*) FILTER (WHERE attempt > 1), count(*) FILTER (WHERE started_at < fire_at), "
        "percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - fire_at)) "
    )
    async with system.connect() as connection:
        executed, twice, early, shares = (await connection.execute(text(numbers + where), window)).one()
    p50, p95, p99 = (float(share) for share in shares or (0, 0, 0))
    return Lateness(due, executed, twice, early, p50, p95, p99)


async def measure(directory: Path, database: dict[str, str], counts: Iterable[int]) -> list[Lateness]:
    """One round for each number of due schedules."""
    settings = Settings.model_validate(
        {"var_dir": directory, "port": 0, "database": database, "inngest": {"engine_port": 0}, "log_level": "error"}
    )
    system = create_async_engine(database["system_url"])
    async with running(settings, plugins=[BenchPlugin()]) as platform:
        await platform.functions.registered.wait()
        await _first_schedules(platform)
        await _copy(system)
        rounds = [await _round(system, count) for count in counts]
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
