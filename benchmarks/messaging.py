"""Messaging: a message to 10,000 inboxes, and one that 500 people with an open page are told of."""

import asyncio
import multiprocessing
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import func, insert, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select

from benchmarks.crowd import crowd
from riveredge_kernel import logging as kernel_logging
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.platform import Platform
from riveredge_kernel.server import running
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate
from riveredge_messaging.inbox.models import InboxItem
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.models import utcnow, uuid7
from riveredge_sdk.uow import unit_of_work

RECIPIENTS = 10_000
# So many get a message before, so that the tables are not new.
FIRST = 500
CLIENTS = 500
ROUNDS = 10
_BODY = {"template": "messaging.welcome", "data": {"product": "x"}, "channels": ["messaging.in_app"]}


@dataclass(frozen=True, slots=True)
class FanOut:
    """`megabytes`: the most memory that the whole process took."""

    seconds: float
    megabytes: float


async def add_members(platform: Platform, tenant: UUID, count: int) -> list[UUID]:
    """Members of the tenant, without accounts that could sign in."""
    now = utcnow()
    common = {"created_at": now, "updated_at": now, "version": 1, "active": True}
    people = [uuid7() for _ in range(count)]
    users = [{**common, "id": user, "email": f"{user}@example.com", "name": ""} for user in people]
    members = [{**common, "id": uuid7(), "tenant_id": tenant, "user_id": user} for user in people]
    async with platform.database.system("bench", platform.runtime) as db:
        await db.exec(insert(User), params=users)
        await db.exec(insert(Membership), params=members)
    return people


async def _fan_out(settings: Settings) -> FanOut:
    async with running(settings) as platform:
        tenant = await platform.provisioning.create_tenant("bench", "Bench")
        member = await platform.provisioning.add_member(tenant, "bench@example.com", roles=[ADMINISTRATOR])
        token = await platform.auth.token_for(member.user_id, tenant)
        people = await add_members(platform, tenant, RECIPIENTS - 1)
        await platform.functions.registered.wait()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=platform.base_url, headers=headers, timeout=60) as http:
            first = {**_BODY, "to": [str(person) for person in people[:FIRST]]}
            await _reach(platform, http, tenant, first, FIRST)
            await _analyse(settings)
            seconds = await _reach(platform, http, tenant, {**_BODY, "everyone": True}, FIRST + RECIPIENTS)
    # Kilobytes on Linux.
    return FanOut(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


async def _reach(platform: Platform, http: httpx2.AsyncClient, tenant: UUID, body: dict[str, Any], total: int) -> float:
    """Send the message, and wait until all inboxes together have so many; the seconds."""
    started = time.perf_counter()
    (await http.post("/api/v1/messaging/messages", json=body)).raise_for_status()
    while await _there(platform, tenant) < total:  # noqa: ASYNC110  (the database is asked)
        await asyncio.sleep(0.1)
    return time.perf_counter() - started


async def _analyse(settings: Settings) -> None:
    """Tables that have been in use for more than a minute have statistics."""
    engine = create_async_engine(settings.database.owner_url or settings.database_url)
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE"))
    await engine.dispose()


async def _there(platform: Platform, tenant: UUID) -> int:
    with use_context(Context(runtime=platform.runtime, tenant_id=tenant)):
        async with unit_of_work(read_only=True) as db:
            return (await db.exec(select(func.count(col(InboxItem.id))))).one()


def settings_for(directory: Path, url: str, **database: str) -> Settings:
    """Those of a platform with its engine, on free ports."""
    values = {"var_dir": directory, "port": 0, "database": {"url": url, **database}, "log_level": "error"}
    return Settings.model_validate({**values, "inngest": {"engine_port": 0}})


def _measure_fan_out(directory: Path, url: str, database: dict[str, str]) -> FanOut:
    settings = settings_for(directory, url, **database)
    kernel_logging.configure(settings)
    return asyncio.run(_fan_out(settings))


def fan_out(directory: Path, url: str, **database: str) -> FanOut:
    """From the request to the last inbox. In a process of its own, engine included, so that its memory is its own."""
    migrate(database.get("owner_url") or url)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_fan_out, (directory, url, database))


async def _told(settings: Settings) -> list[float]:
    async with running(settings) as platform:
        tenant = await platform.provisioning.create_tenant("bench", "Bench")
        tokens = {}
        for number in range(CLIENTS):
            email = f"bench{number}@example.com"
            member = await platform.provisioning.add_member(tenant, email, roles=[ADMINISTRATOR])
            tokens[member.user_id] = await platform.auth.token_for(member.user_id, tenant)
        await platform.functions.registered.wait()
        return await _broadcast(platform.base_url, tokens)


async def _broadcast(base: str, tokens: dict[UUID, str]) -> list[float]:
    seconds: list[float] = []
    body = {**_BODY, "to": [str(user) for user in tokens]}
    headers = {"Authorization": f"Bearer {next(iter(tokens.values()))}"}
    async with (
        crowd(base, list(tokens.values()), "messaging.inbox") as told,
        httpx2.AsyncClient(base_url=base, headers=headers, timeout=60) as http,
    ):
        for number in range(ROUNDS + 1):
            started = time.perf_counter()
            (await http.post("/api/v1/messaging/messages", json=body)).raise_for_status()
            took = [at - started for at in await told()]
            # Not the first one: tables, channels and statements are new to it.
            seconds += took if number else []
    return sorted(seconds)


def broadcast(directory: Path, url: str, **database: str) -> list[float]:
    """Seconds from each request to each client's push, sorted."""
    migrate(database.get("owner_url") or url)
    return asyncio.run(_told(settings_for(directory, url, **database)))
