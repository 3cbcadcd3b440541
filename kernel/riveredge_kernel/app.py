"""The application, assembled. Read it from top to bottom: that is the order in which the platform comes together."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI
from sqlalchemy.orm import Session

from riveredge_kernel import __version__, health, static
from riveredge_kernel.archives.assembly import ArchiveParts
from riveredge_kernel.audit import log as audit
from riveredge_kernel.audit.functions import audit_functions
from riveredge_kernel.audit.routes import audit_router
from riveredge_kernel.auth.access import access_routers
from riveredge_kernel.auth.assembly import AuthParts
from riveredge_kernel.auth.authenticate import Authenticator
from riveredge_kernel.auth.invitation_routes import operator_invitation_router
from riveredge_kernel.db.database import Database, Transaction
from riveredge_kernel.events.outbox import Outbox
from riveredge_kernel.events.relay import EventRelay
from riveredge_kernel.events.watching import Watching
from riveredge_kernel.functions.host import FunctionHost
from riveredge_kernel.functions.own import own_functions
from riveredge_kernel.functions.reconcile import Reconciler, reconcile_function
from riveredge_kernel.functions.rerun import Reruns, rerun_function
from riveredge_kernel.functions.routes import runs_routers
from riveredge_kernel.http import middleware, openapi, problems, routing
from riveredge_kernel.http.gate import Gate
from riveredge_kernel.http.route_index import RouteIndex
from riveredge_kernel.kernel_plugin import KernelPlugin
from riveredge_kernel.limits.limiter import Limiter
from riveredge_kernel.limits.quota_routes import operator_quota_router, quota_router
from riveredge_kernel.limits.quotas import QuotaBook
from riveredge_kernel.limits.requests import RequestQuotas
from riveredge_kernel.monitoring import Monitoring
from riveredge_kernel.platform import Platform
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.schema import fail_outdated
from riveredge_kernel.secrets import KernelVault, token_key, vault
from riveredge_kernel.settings import Settings
from riveredge_kernel.stream.service import LiveStream
from riveredge_kernel.tenancy.deletion import TenantDeletions
from riveredge_kernel.tenancy.directory import TenantDirectory, TenantInfo
from riveredge_kernel.tenancy.erasure import Eraser
from riveredge_kernel.tenancy.operator_routes import operator_router
from riveredge_kernel.tenancy.people import KernelPeople
from riveredge_kernel.tenancy.provisioning import Provisioning
from riveredge_kernel.tenancy.routes import tenancy_routers
from riveredge_kernel.tenancy.settings_store import SettingsStore
from riveredge_kernel.timers.clock import Clock, Pace
from riveredge_kernel.timers.functions import timer_functions
from riveredge_kernel.timers.source import KernelTimers
from riveredge_kernel.timers.tick import Tick
from riveredge_kernel.timers.watchdog import Watchdog
from riveredge_kernel.tracing import open_tracing
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.ports import Service
from riveredge_sdk.quotas import QUOTAS
from riveredge_sdk.secrets import VAULT

API = "/api/v1"


def create_app(
    settings: Settings,
    *,
    plugins: Sequence[Plugin] = (),
    check_schema: bool = True,
    serving: bool = True,
    confirm_within: float | None = None,
    pace: Pace | None = None,
) -> FastAPI:
    """The platform as an ASGI application; its `state.platform` is the `Platform`.

    Args:
        plugins: further plugins besides the installed ones.
        serving: with its routes. They take most of the time, and commands need its parts only.
        check_schema: look whether the database is migrated; without it, no database is needed before start-up.
        confirm_within: seconds until an acknowledged event that started nothing is sent again.
        pace: whose time it is, and how often the tick happens; tests set it.

    Raises:
        OutdatedSchemaError: the kernel's tables are not migrated.
        PluginError: in strict mode, a plugin failed.
    """
    # 1. The plugins, the kernel's own contributions among them.
    kernel = KernelPlugin()
    host = PluginHost.load(settings.plugins, builtin=[kernel], extra=plugins)
    _check_settings(host)
    if check_schema:
        fail_outdated(settings, host)

    # 2. What serves a tenant: database, directory, settings, sign-in.
    pace = pace or Pace()
    tracing = open_tracing(settings)
    runtime = KernelRuntime(
        cursor_key=token_key(settings).private_bytes_raw(),
        clock=Clock(pace.offset),
        tracer=tracing,
        public_url=settings.base_url,
    )
    database = Database(settings)
    tenants = TenantDirectory(database, runtime)
    store = SettingsStore(host, vault(settings))
    auth = AuthParts.assemble(settings, database, runtime, host, tenants)

    # 3. Events and functions.
    functions = FunctionHost(settings, runtime, tenants, host, runtime.timers, tracing=tracing)
    outbox = Outbox(functions.is_consumed, tracing)
    options: dict[str, float] = {} if confirm_within is None else {"confirm_within": confirm_within}
    relay = EventRelay(
        database,
        runtime,
        functions.sender,
        is_trigger=functions.is_trigger,
        patience=functions.patience,
        tracing=tracing,
        **options,
    )
    caches = (*auth.caches(), tenants.invalidate_all)
    archives = ArchiveParts.assemble(settings, database, runtime, host, tenants, grants=auth.grants)
    audit_log = audit.AuditLog(database, runtime, settings.audit.retention_days)
    stream = LiveStream(settings, runtime, database, plugins=host, tenants=tenants, caches=caches)
    commits = _Commits(Watching(host, tenants), outbox, relay, stream)
    runtime.assemble(
        plugins=host,
        database=database,
        tenants=tenants,
        settings=store,
        before_commit=commits.before,
        after_commit=commits.after,
    )
    reconciler = Reconciler(runtime, functions.mirror, functions.api)
    reruns = Reruns(functions)
    tick = Tick(database, runtime, lambda: [c.item for c in host.collect(Plugin.timer_sources)])
    watchdog = Watchdog(database, runtime, tick, functions.nudge, every=pace.watch_seconds)
    kernel.own_functions = [
        *own_functions(functions),
        reconcile_function(reconciler, by_itself=pace.cron is not None),
        rerun_function(reruns),
        *timer_functions(tick, cron=pace.cron),
        *auth.functions(),
        *stream.functions(),
        *audit_functions(audit_log),
        *archives.functions(),
        Eraser(settings, database, runtime).function(),
    ]
    kernel.own_sources = [KernelTimers(tenants, host), TenantDeletions()]
    sealing = Service(VAULT, KernelVault(vault(settings)))
    book = QuotaBook(settings.quotas, host, tenants)
    kernel.own_services = [
        Service(PEOPLE, KernelPeople(auth.grants)),
        Service(QUOTAS, book),
        sealing,
        *auth.services(),
    ]
    health.add_kernel_checks(kernel, database, relay, functions, watchdog)

    # 4. The platform, and what happens when it starts and stops.
    platform = Platform(
        settings=settings,
        runtime=runtime,
        plugins=host,
        database=database,
        tenants=tenants,
        functions=functions,
        relay=relay,
        tick=tick,
        watchdog=watchdog,
        stream=stream,
        auth=auth,
        provisioning=Provisioning(database, runtime, host),
        tracing=tracing,
    )

    # 5. HTTP: errors, the kernel's routes, the plugins' routes, Inngest's endpoint, front ends.
    app = _new_app(settings, platform)
    if not serving:
        return app
    problems.install(app)
    middleware.install(app, settings, lambda: platform.draining, tracing)
    authenticator = Authenticator(auth.tokens, auth.sessions, auth.keys, auth.grants, tenants)
    gate = Gate(
        settings, runtime, authenticator, tenants, _Switches(host), quotas=_Requests(book, auth.limiter, runtime)
    )
    stream_router, stream_routes = stream.open(authenticator, vault(settings))
    for name, routers in {
        "auth": auth.routers(),
        "access": access_routers(host, tenants, auth, settings.auth),
        "tenancy": tenancy_routers(host, tenants, store),
        "runs": runs_routers(functions.api, reconciler, reruns),
        "stream": [stream_router],
        "audit": [audit_router()],
        "archives": archives.routers(),
        "quotas": [quota_router(book, tenants)],
        "operator": [
            operator_router(archives.operators, platform.provisioning),
            operator_quota_router(book, archives.operators),
            *archives.operator_routers(),
            operator_invitation_router(archives.operators, auth.invitations),
        ],
    }.items():
        admits = archives.operators.check if name == "operator" else None
        routing.mount(app, routers, prefix=API, name=name, plugin=None, gate=gate, admits=admits)
    app.router.routes.extend(stream_routes)
    _mount_plugins(app, host, gate)
    functions.mount(app)
    platform.monitoring = Monitoring(settings, health.HealthReport(host), lambda: platform.draining)
    app.router.routes.extend(platform.monitoring.routes())
    static.mount(app, host)
    app.router.routes.insert(0, RouteIndex(app.router.routes))
    return app


def _new_app(settings: Settings, platform: Platform) -> FastAPI:
    """The application, still without routes."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await platform.start()
        try:
            yield
        finally:
            await platform.stop()

    documented = settings.http.api_docs if settings.http.api_docs is not None else settings.environment == "development"
    app = FastAPI(
        title="RiverEdge",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json" if documented else None,
        docs_url="/docs",
        redoc_url=None,
        # Its own would continue anybody's trace, and tell paths, queries and messages of errors: ours does not.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        # A redirect would repeat the caller's Host.
        redirect_slashes=False,
    )
    app.state.platform = platform
    platform.app = app

    def document() -> dict[str, Any]:
        return openapi.document(app)

    app.openapi = document  # type: ignore[method-assign]
    return app


class _Commits:
    """What happens around each commit: events, pushes and audit entries become rows of
    it, and are sent once it is through."""

    def __init__(self, watching: Watching, outbox: Outbox, relay: EventRelay, stream: LiveStream) -> None:
        self._watching = watching
        self._outbox = outbox
        self._relay = relay
        self._stream = stream

    async def before(self, unit: Transaction) -> None:
        if unit.events:
            await self._watching.add(unit)
        await unit.session.run_sync(self._write, unit)
        # Last, because it takes the channels' rows, which others may be waiting for.
        await self._stream.write(unit)

    def _write(self, session: Session, unit: Transaction) -> None:
        # What the caller has added comes first.
        session.flush()
        if unit.events:
            self._outbox.write(session, unit.events)
        if unit.records:
            audit.write(session, unit.records)

    def after(self, unit: Transaction) -> None:
        if unit.events:
            self._relay.nudge(unit.events)
        self._stream.committed(unit)


class _Requests:
    """Counts requests for the gate."""

    def __init__(self, book: QuotaBook, limiter: Limiter, runtime: KernelRuntime) -> None:
        self._book = book
        self._quotas = RequestQuotas(limiter, runtime.now)

    async def count_request(self, tenant: TenantInfo) -> dict[str, str]:
        limits = self._book.requests(tenant)
        return await self._quotas.count(tenant.id, limits) if limits else {}


class _Switches:
    """Answers the gate whether a plugin is on."""

    def __init__(self, plugins: PluginHost) -> None:
        self._plugins = plugins

    def is_on(self, plugin: str, tenant: TenantInfo) -> bool:
        return is_on(self._plugins, plugin, tenant.switches)


def _mount_plugins(app: FastAPI, host: PluginHost, gate: Gate) -> None:
    """The plugins' routes. A router that cannot be built is left out; the others are served."""
    for contributed in host.collect(Plugin.routers):
        plugin = contributed.plugin_id
        before = len(app.router.routes)
        try:
            routing.mount(app, [contributed.item], prefix=f"{API}/{plugin}", name=plugin, plugin=plugin, gate=gate)
        except Exception as error:  # noqa: BLE001  (FastAPI raises what it likes over annotations and options)
            del app.router.routes[before:]
            host.add_reason(plugin, f"routers: {type(error).__name__}: {error}"[:500])


def _check_settings(host: PluginHost) -> None:
    """A plugin whose installation settings are wrong does not run; the others do."""
    for contributed in host.collect(Plugin.settings):
        try:
            contributed.item()
        except (ValueError, OSError) as error:
            host.fail(contributed.plugin_id, "failed: load", f"settings: {error}"[:500])
