"""What `riveredge doctor` looks at around the platform: the database's roles and walls, clocks, and Inngest."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import httpx2
from sqlalchemy import DateTime, func, text
from sqlmodel import select

from riveredge_kernel.platform import Platform
from riveredge_kernel.schema import owner_url
from riveredge_kernel.settings import Settings
from riveredge_migrations.engine import engine_for
from riveredge_sdk.models import tenant_models

# From here on tokens, signatures and due times go wrong.
SKEW_SECONDS = 5.0
_SECONDS = 5.0

_UNGUARDED = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY(:tables) AND NOT (
  c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
ORDER BY c.relname
"""
_OWNERS = """
SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY(:tables)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and how to mend it if it is not right."""

    state: Literal["ok", "warning", "failed"]
    what: str
    detail: str = ""


async def surroundings(settings: Settings, platform: Platform) -> AsyncIterator[Finding]:
    """Everything that the platform's own health checks do not look at."""
    if not os.access(settings.var_dir, os.W_OK):
        yield Finding("failed", "var directory", f"{settings.var_dir} cannot be written to")
    try:
        await platform.database.check_role()
        yield Finding("ok", "database", platform.database.kind)
        async for finding in _database(settings, platform):
            yield finding
    except Exception as error:  # noqa: BLE001  (whatever is wrong is what we are here to tell)
        yield Finding("failed", "database", f"{error}"[:300])
    async for finding in _inngest(settings):
        yield finding


async def _database(settings: Settings, platform: Platform) -> AsyncIterator[Finding]:
    if platform.database.kind != "postgresql":
        if settings.environment == "production":
            yield Finding("warning", "tenancy", "SQLite has the first wall only: host one organisation")
        return
    async with platform.database.system("doctor", platform.runtime, read_only=True) as session:
        present = (await session.exec(select(func.clock_timestamp(type_=DateTime(timezone=True))))).one()
        yield _skew("clock of the database", present)
    tables = [model.__table__.name for model in tenant_models()]  # type: ignore[attr-defined]
    async with engine_for(owner_url(settings)) as engine, engine.connect() as connection:
        unguarded = (await connection.execute(text(_UNGUARDED), {"tables": tables})).scalars().all()
        owners = (await connection.execute(text(_OWNERS), {"tables": tables})).scalars().all()
    if unguarded:
        yield Finding(
            "failed", "row-level security", f"not in force on {', '.join(unguarded)}: run `riveredge db check`"
        )
    else:
        yield Finding("ok", "row-level security", f"in force on {len(tables)} tables")
    if settings.environment == "production" and urlsplit(settings.database_url).username in owners:
        yield Finding("warning", "database roles", "serve with another role than the one that owns the tables")


async def _inngest(settings: Settings) -> AsyncIterator[Finding]:
    base = settings.inngest.base_url
    if base is None:
        yield Finding("ok", "Inngest", "the embedded engine, in the platform's own process: one node")
        return
    kind = "cloud" if (urlsplit(base).hostname or "").endswith("inngest.com") else "self-hosted"
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS) as http:
            answer = await http.get(f"{base.rstrip('/')}/health")
    except httpx2.HTTPError as error:
        yield Finding("failed", "Inngest", f"{kind}, does not answer at {base}: {type(error).__name__}")
        return
    yield Finding("ok", "Inngest", f"{kind}, answers at {base}")
    if said := answer.headers.get("date"):
        yield _skew("clock of Inngest", parsedate_to_datetime(said))
    if kind == "self-hosted":
        async for finding in _redis(settings):
            yield finding


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    """Without its append-only file, a server that is restarted has forgotten every sleep, wait and future event."""
    named = settings.inngest.redis_url
    if named is None:
        detail = (
            "not looked at: set RIVEREDGE_INNGEST__REDIS_URL to the server's (Inngest needs one with appendonly yes)"
        )
        yield Finding("warning", "Redis of Inngest", detail)
        return
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError
    except ImportError:
        yield Finding("warning", "Redis of Inngest", 'not looked at: pip install "riveredge-kernel[redis]"')
        return
    client = Redis.from_url(named.get_secret_value(), socket_timeout=_SECONDS)
    try:
        persistence = await client.info("persistence")
    except (RedisError, OSError) as error:
        yield Finding("failed", "Redis of Inngest", f"{error}"[:300])
        return
    finally:
        await client.aclose()
    if persistence.get("aof_enabled"):
        good = persistence.get("aof_last_write_status") == "ok"
        detail = "" if good else ": its last write failed"
        yield Finding("ok" if good else "failed", "Redis of Inngest", f"append-only file{detail}")
    else:
        yield Finding(
            "failed", "Redis of Inngest", "has no append-only file, so a restart loses events: appendonly yes"
        )


def _skew(what: str, there: datetime) -> Finding:
    seconds = (there.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    if abs(seconds) > SKEW_SECONDS:
        return Finding("warning", what, f"{seconds:+.0f} s from this machine's: synchronise them")
    return Finding("ok", what)
