"""The platform for the SDK's testing kit: in a thread of its own, over real HTTP, with a clock that tests can move."""

import asyncio
import contextlib
import itertools
import logging
import secrets
import shutil
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import structlog
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import delete, inspect, update
from sqlmodel import col

from riveredge_kernel.audit.models import AuditEntry
from riveredge_kernel.auth import passwords
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.http import openapi
from riveredge_kernel.platform import Platform
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.schema import runner_for
from riveredge_kernel.server import find_engine, running
from riveredge_kernel.settings import PluginHostSettings, Settings
from riveredge_kernel.tenancy.erasure import is_leaf
from riveredge_kernel.tenancy.models import Tenant, TenantStatus
from riveredge_kernel.timers.clock import Pace
from riveredge_migrations.runner import MigrationRunner, Result
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context
from riveredge_sdk.models import METADATA
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.platform import DatabaseKind, EngineUnderTest, TestTenant, TestUser
from riveredge_sdk.testing.postgres import find_postgres

T = TypeVar("T")

# Tests of a forgetful engine need not wait long for what was lost.
CONFIRM_WITHIN = 2.0
# Passwords of tests are worth no work. What a production installation makes of them is tested on a process of its own.
_CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
# Less than the tick's horizon.
_BEFORE_DUE = timedelta(seconds=60)
_TICK_EVERY = timedelta(days=1)


class ThreadedPlatform:
    """Implements `riveredge_sdk.testing.platform.PlatformUnderTest`."""

    def __init__(self, kind: DatabaseKind, platform: Platform, loop: asyncio.AbstractEventLoop) -> None:
        self.kind = kind
        self.platform = platform
        self.base_url = platform.base_url
        self.keeps_time = False
        self._loop = loop
        self._ended: list[UUID] = []

    @property
    def engine(self) -> EngineUnderTest:
        engine: EngineUnderTest = self.platform.engine
        return engine

    @property
    def permissions(self) -> Sequence[str]:
        return [c.item.id for c in self.platform.plugins.collect(Plugin.permissions)]

    @property
    def openapi(self) -> dict[str, Any]:
        return openapi.document(self.platform.app)

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def context(self, tenant: TestTenant, user: TestUser | None = None) -> Context:
        principal = Principal(id=user.id, name=user.email, tenant_id=tenant.id) if user else None
        return Context(runtime=self.platform.runtime, tenant_id=tenant.id, principal=principal, request_id="test")

    def create_tenant(self, name: str) -> TestTenant:
        return TestTenant(self.run(self.platform.provisioning.create_tenant(name, name)), name)

    def forget_tenant(self, tenant: TestTenant) -> None:
        async def suspend() -> None:
            async with self.platform.database.system("test tenant", self.platform.runtime) as session:
                ended = update(Tenant).where(col(Tenant.id) == tenant.id).values(status=TenantStatus.SUSPENDED)
                await session.exec(ended)
            self.platform.tenants.invalidate(tenant.id)

        self.run(suspend())
        self._ended.append(tenant.id)

    def check_schema(self, plugin: str) -> list[str]:
        return runner_for(self.platform.settings, self.platform.plugins).check(plugin)

    def now(self) -> datetime:
        return self.platform.runtime.now()

    def advance(self, delta: timedelta) -> None:
        if self.keeps_time:
            raise RuntimeError("the clock is moved for tests that ask for the fixture `engine`")

        self.run(self._advance(self.now() + delta), 120)

    async def _advance(self, target: datetime) -> None:
        """Time stops where something is due in the engine, and shortly before something is due in a table.

        Where only the engine has something to do, there is no tick, which would find nothing; but one a day.
        """
        await self._purge()
        await self._settle()
        ticked = now = self.now()
        if now >= target:
            return
        await self._tick()
        dues = await self._dues()
        while now < target:
            stops = [self.platform.engine.next_due, *(due for due in dues if due > now)]
            stop = min([target, *(instant for instant in stops if instant is not None)])
            await self.platform.engine.advance(max(stop - self.now(), timedelta(0)))
            # The last moment passes by itself: what is due at the stop is to be past for the engine and for us.
            if stop < target:
                await asyncio.sleep(max((stop - self.now()).total_seconds(), 0) + 0.002)
            await self._settle()
            now = self.now()
            dues = await self._dues()
            if now >= min([target, ticked + _TICK_EVERY, *dues]):
                await self._tick()
                ticked, dues = now, await self._dues()

    async def _dues(self) -> list[datetime]:
        """When a tick finds something in a table, past or future."""
        waiting = (await self.platform.tick.waiting()).values()
        return [found.next_due_at - _BEFORE_DUE for found in waiting if found.next_due_at is not None]

    async def _purge(self) -> None:
        """Delete what tenants of earlier tests have left: nobody is to wait for what becomes due to them."""
        if not self._ended:
            return
        async with self.platform.database.system("test tenants", self.platform.runtime) as session:
            connection = await session.connection()
            there = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
            for table in reversed(METADATA.sorted_tables):
                # Nobody deletes from the audit log.
                if "tenant_id" in table.c and table.name in there and table.name != AuditEntry.__tablename__:
                    old = delete(table).where(table.c.tenant_id.in_(self._ended), is_leaf(table))
                    while (await connection.execute(old)).rowcount:
                        pass
        self._ended.clear()

    async def _tick(self) -> None:
        """What `kernel.tick` does, which has no cron here."""
        await self.platform.tick.beat()
        while (await self.platform.tick.claim()).more:
            pass
        await self.platform.tick.reconcile()
        assert not self.platform.tick.failures, self.platform.tick.failures  # noqa: S101  (this is a test)
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(3):
            await self.platform.relay.flush()
            await self.platform.engine.run_until_idle()

    def settle(self) -> None:
        self.run(self._settle())

    def create_user(self, tenant: TestTenant, permissions: Iterable[str], *, locale: str | None = None) -> TestUser:
        async def create() -> TestUser:
            name = f"u{secrets.token_hex(6)}"
            async with self.platform.database.system("test user", self.platform.runtime) as session:
                user = User(email=f"{name}@example.com", name=name, locale=locale)
                role = RoleRow(tenant_id=tenant.id, key=name, title=name, permissions=sorted(permissions))
                session.add_all([user, role])
                await session.flush()
                membership = Membership(tenant_id=tenant.id, user_id=user.id)
                session.add(membership)
                await session.flush()
                session.add(MembershipRole(tenant_id=tenant.id, membership_id=membership.id, role_id=role.id))
                user_id, email = user.id, user.email
            token = await self.platform.auth.token_for(user_id, tenant.id)
            return TestUser(user_id, email, tenant, token)

        return self.run(create())


@contextlib.contextmanager
def start(
    kind: DatabaseKind, directory: Path, *, plugins: Sequence[Plugin] = (), **settings: Any
) -> Iterator[ThreadedPlatform]:
    """Run a platform with a freshly migrated database for the time of the block."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(_database(kind, directory))
        wanted = Settings(
            **{
                "var_dir": directory,
                "port": 0,
                "database": database,
                "inngest": {"engine_port": 0},
                "log_level": "warning",
                # All tests come from one address.
                "auth": {"max_failed_logins_per_address": 1_000_000},
                **settings,
            }
        )
        passwords.use(_CHEAP)
        # The tests' output is for what went wrong.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name=f"platform-{kind}", daemon=True)
        thread.start()
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        options = _engine_options(directory)
        serving = running(
            wanted,
            plugins=plugins,
            engine_options=options,
            confirm_within=CONFIRM_WITHIN,
            pace=Pace(offset=lambda: options["clock"].offset, cron=None, watch_seconds=None),
        )
        platform = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(60)
        try:
            yield ThreadedPlatform(kind, platform, loop)
        finally:
            asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(60)


def _engine_options(directory: Path) -> dict[str, Any]:
    """An engine whose clock tests can move, and that tries again soon."""
    engine = find_engine()
    return {"store": directory / "engine.db", "clock": engine.movable_clock(), "retry_interval": 0.1}


_templates: dict[DatabaseKind, str] = {}


@contextlib.contextmanager
def _database(kind: DatabaseKind, directory: Path) -> Iterator[dict[str, str]]:
    """The database settings of a fresh, migrated database. Migrated once in a process, then copied."""
    if kind == "sqlite":
        if kind not in _templates:
            made = directory / "template.db"
            migrate(f"sqlite+aiosqlite:///{made}")
            _templates[kind] = str(made)
        copy = directory / f"riveredge-{next(_numbers)}.db"
        shutil.copy(_templates[kind], copy)
        yield {"url": f"sqlite+aiosqlite:///{copy}"}
        return
    server = find_postgres()
    assert server is not None  # noqa: S101  (the fixture has skipped the test)
    if kind not in _templates:
        template = server.create_database()
        migrate(template.owner)
        _templates[kind] = template.name
    database = server.create_database(_templates[kind])
    try:
        yield {"url": database.app, "owner_url": database.owner, "system_url": database.system}
    finally:
        server.drop_database(database.name)


_numbers = itertools.count()


def migrate(url: str) -> list[Result]:
    """Bring a database to the newest revision of every installed plugin.

    Raises:
        RuntimeError: one of them cannot be migrated.
    """
    host = PluginHost.load(PluginHostSettings())
    results = MigrationRunner(url, order=[plugin.id for plugin in host.active]).upgrade()
    if failed := [result for result in results if not result.ok]:
        raise RuntimeError(f"{failed[0].plugin}: {failed[0].error}")
    return results
