"""The database: its engines, and the three ways to open a session on it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Dialect, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.db.grants import Listener, listening
from riveredge_kernel.db.scope import Scope, scope_info
from riveredge_kernel.db.sqlite import WRITING, WriterTurns
from riveredge_kernel.db.sqlite_driver import DRIVER
from riveredge_kernel.db.wall import TenantSession, guard, seal
from riveredge_kernel.metrics import SYSTEM_SESSIONS
from riveredge_kernel.settings import Settings
from riveredge_sdk.audit import AuditRecord
from riveredge_sdk.context import Context, current_context, find_context, use_context
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.stream import MAX_PUSHES
from riveredge_sdk.tenancy import TenantWallError
from riveredge_sdk.uow import Pushed

if TYPE_CHECKING:
    from riveredge_kernel.stream.journal import Numbered

log = structlog.get_logger(__name__)

BeforeCommit = Callable[["Transaction"], Awaitable[None]]
AfterCommit = Callable[["Transaction"], None]

# After this time without use a connection is looked at before it is used again.
_IDLE_SECONDS = 5.0
_LOOKUPS = 2
_USED = "riveredge_used"


class UnsafeRoleError(RuntimeError):
    """The database role could see past tenants."""


@dataclass(slots=True)
class Transaction:
    """Implements `riveredge_sdk.uow.UnitOfWork`. `numbered`: the pushes, once they are rows of it."""

    session: AsyncSession
    read_only: bool = False
    events: list[PublishedEvent] = field(default_factory=list)
    pushes: list[Pushed] = field(default_factory=list)
    records: list[AuditRecord] = field(default_factory=list)
    numbered: Sequence["Numbered"] = ()

    def add_event(self, event: PublishedEvent) -> None:
        if self.read_only:
            raise TenantWallError("this unit of work is for reading only; nothing can be published in it")
        self.events.append(event)

    def add_push(self, push: Pushed) -> None:
        if self.read_only:
            raise TenantWallError("this unit of work is for reading only; nothing can be pushed in it")
        if len(self.pushes) >= MAX_PUSHES:
            raise ValueError(f"more than {MAX_PUSHES} pushes in one unit of work: push one that says to fetch anew")
        if push not in self.pushes[-1:]:
            self.pushes.append(push)

    def add_record(self, record: AuditRecord) -> None:
        if self.read_only:
            raise TenantWallError("this unit of work is for reading only; nothing can be recorded in it")
        self.records.append(record)

    @property
    def has_records(self) -> bool:
        """Whether the work has told the audit log of itself."""
        return bool(self.records)

    @property
    def speaks(self) -> bool:
        """Whether there is anything to tell others of."""
        return bool(self.events or self.pushes or self.records)


class Database:
    """Engines for serving (guarded), for reading, and for the kernel's own cross-tenant work."""

    def __init__(self, settings: Settings) -> None:
        url = make_url(settings.database_url)
        self.kind = url.get_backend_name()
        self._production = settings.environment == "production"
        size = settings.database.pool_size
        turns = WriterTurns()
        self.app = _engine(url, size, turns)
        event.listen(self.app.sync_engine, "before_cursor_execute", guard)
        across = make_url(settings.database.system_url or url)
        self.system_engine = _engine(across, min(size, 5), turns)
        # Whoever looks something up often holds a connection already: from one pool they would wait for each other.
        self._lookup_engine = _engine(across, min(size, _LOOKUPS), turns)
        # Told after each commit that changed what somebody may do.
        self.on_grants: Listener | None = None
        self.replica: AsyncEngine | None = None
        if settings.database.read_url:
            self.replica = _engine(make_url(settings.database.read_url), size, turns)
            event.listen(self.replica.sync_engine, "before_cursor_execute", guard)
        self._writing = self.app.execution_options(**WRITING)
        self._system_writing = self.system_engine.execution_options(**WRITING)

    @asynccontextmanager
    async def unit_of_work(
        self, *, before_commit: BeforeCommit, after_commit: AfterCommit, read_only: bool = False
    ) -> AsyncIterator[Transaction]:
        """One transaction of the current context's tenant. The database is not touched before the first statement."""
        context = current_context()
        system = context.system_reason is not None
        scope = Scope(tenant_id=context.tenant_id, read_only=read_only, system=system)
        if system:
            SYSTEM_SESSIONS.labels("function").inc()
        # On SQLite a writer's transaction shuts out all others; who only reads waits for nobody.
        reading, writing = (self.system_engine, self._system_writing) if system else (self.app, self._writing)
        async with _session(reading if read_only else writing, scope, self.on_grants) as session:
            unit = Transaction(session, read_only)
            yield unit
            if unit.speaks:
                await before_commit(unit)
            await session.commit()
        if unit.speaks:
            after_commit(unit)

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[AsyncSession]:
        """A session for reading only, on the replica if there is one."""
        scope = Scope(tenant_id=current_context().tenant_id, read_only=True)
        async with _session(self.replica or self.app, scope) as session:
            yield session

    @asynccontextmanager
    async def system(self, reason: str, runtime: Runtime, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """The kernel's hatch: one transaction across tenants, committed at the end. Logged and counted.

        Args:
            reason: a fixed phrase, also a metric's label.
        """
        engine = self.system_engine if read_only else self._system_writing
        async with self._across(engine, reason, runtime, read_only=read_only) as session:
            yield session

    @asynccontextmanager
    async def lookup(self, reason: str, runtime: Runtime) -> AsyncIterator[AsyncSession]:
        """`system` for reading, on a connection of a pool of its own: for what is cached, and is asked for by code that
        holds a connection. Open nothing else inside.
        """
        async with self._across(self._lookup_engine, reason, runtime, read_only=True) as session:
            yield session

    @asynccontextmanager
    async def _across(
        self, engine: AsyncEngine, reason: str, runtime: Runtime, *, read_only: bool
    ) -> AsyncIterator[AsyncSession]:
        log.debug("system_session", reason=reason)
        SYSTEM_SESSIONS.labels(reason).inc()
        with use_context(_system_context(runtime, reason)):
            async with _session(engine, Scope(read_only=read_only, system=True), self.on_grants) as session:
                yield session
                await session.commit()

    async def check_role(self) -> None:
        """See that the database answers and that its role cannot see past tenants.

        Raises:
            UnsafeRoleError: in production, the serving role is a superuser or bypasses row-level security.
        """
        await self.ping()
        if self.kind != "postgresql":
            return
        for engine in (self.app, self.replica):
            if engine is not None:
                await self._check_role(engine)

    async def _check_role(self, engine: AsyncEngine) -> None:
        query = "SELECT rolname, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user"
        async with engine.connect() as connection:
            sealed = await connection.execution_options(**seal())
            role = (await sealed.execute(text(query))).one()
        if role.bypasses:
            message = f"the role {role.rolname!r} is not bound by row-level security; serve with one that is"
            if self._production:
                raise UnsafeRoleError(message)
            log.warning("unsafe_role", detail=message)

    async def ping(self) -> None:
        """Ask something small; raises whatever the driver raises if the database does not answer."""
        async with self.app.connect() as connection:
            sealed = await connection.execution_options(**seal())
            await sealed.execute(text("SELECT 1"))

    def connections(self) -> dict[str, int]:
        """How many connections are in use, by pool."""
        engines = {"app": self.app, "system": self.system_engine, "replica": self.replica}
        pools = {name: engine.pool for name, engine in engines.items() if engine is not None}
        return {f"{name}_connections": pool.checkedout() for name, pool in pools.items() if isinstance(pool, QueuePool)}

    async def dispose(self) -> None:
        """Close all connections."""
        for engine in (self.app, self.system_engine, self._lookup_engine, self.replica):
            if engine is not None:
                await engine.dispose()


def _system_context(runtime: Runtime, reason: str) -> Context:
    context = find_context()
    if context is None:
        return Context(runtime=runtime, system_reason=reason)
    return replace(context, tenant_id=None, system_reason=reason)


@asynccontextmanager
async def _session(engine: AsyncEngine, scope: Scope, on_grants: Listener | None = None) -> AsyncIterator[AsyncSession]:
    info = {**scope_info(scope), **listening(on_grants)}
    session = AsyncSession(engine, sync_session_class=TenantSession, expire_on_commit=False, info=info)
    async with session:
        yield session


def _engine(url: URL, pool_size: int, turns: WriterTurns) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        made = create_async_engine(url, pool_size=pool_size, max_overflow=0, hide_parameters=True, module=DRIVER)
        turns.attach(made)
        return made
    # Errors are logged, and values are people's.
    made = create_async_engine(url, pool_size=pool_size, max_overflow=pool_size, hide_parameters=True)
    event.listen(made.sync_engine, "checkin", _note_use)
    event.listen(made.sync_engine, "checkout", partial(_ping_if_idle, made.dialect))
    return made


def _note_use(_connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _ping_if_idle(dialect: Dialect, connection: Any, record: Any, _proxy: Any) -> None:
    """See whether a connection that was idle for a while still lives: a ping before every use would cost each request.

    Raises:
        DisconnectionError: it does not; the pool takes another.
    """
    if time.monotonic() - record.info.get(_USED, float("inf")) < _IDLE_SECONDS:
        return
    try:
        alive = dialect.do_ping(connection)
    except Exception as error:
        raise DisconnectionError(str(error)) from error
    if not alive:
        raise DisconnectionError("the database has closed the connection")
