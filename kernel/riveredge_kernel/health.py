"""How the platform and its plugins are: the checks that they contribute, looked at together."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from riveredge_kernel.db.database import Database
from riveredge_kernel.events.relay import EventRelay
from riveredge_kernel.functions.host import FunctionHost
from riveredge_kernel.kernel_plugin import KernelPlugin
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.timers.watchdog import Watchdog
from riveredge_sdk.contributions import Health, HealthCheck, HealthState
from riveredge_sdk.plugin import Plugin

CHECK_SECONDS = 3.0
# Load balancers ask often, and a check may cost a connection.
CACHE_SECONDS = 1.0


async def look(check: HealthCheck) -> Health:
    """The check's answer; a raise or a hang is a failed one."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check.check()
    except TimeoutError:
        return Health("failed", f"no answer within {CHECK_SECONDS:.0f} s")
    except Exception as error:  # noqa: BLE001  (a plugin's check must not take health down)
        return Health("failed", f"{type(error).__name__}: {error}"[:300])


class HealthReport:
    """Looks at every check that the plugins and the kernel contribute."""

    def __init__(self, plugins: PluginHost) -> None:
        self._plugins = plugins
        self._cached: tuple[float, list[tuple[str, HealthCheck, Health]]] = (0.0, [])
        self._lock = asyncio.Lock()

    async def checks(self) -> list[tuple[str, HealthCheck, Health]]:
        """Plugin id, check and answer of each."""
        async with self._lock:
            taken, answers = self._cached
            if not taken or time.monotonic() - taken > CACHE_SECONDS:
                wanted = [(c.plugin_id, c.item) for c in self._plugins.collect(Plugin.health)]
                looked = await asyncio.gather(*(look(check) for _, check in wanted))
                answers = [(plugin, check, health) for (plugin, check), health in zip(wanted, looked, strict=True)]
                self._cached = (time.monotonic(), answers)
            return answers

    async def ready(self) -> tuple[HealthState, list[dict[str, Any]]]:
        """The worst state of the critical checks, and what each check said. Only `failed` ones keep requests away."""
        answers = await self.checks()
        states = {health.state for _, check, health in answers if check.critical}
        worst: HealthState = "failed" if "failed" in states else "degraded" if "degraded" in states else "ok"
        return worst, [_line(check, health) for _, check, health in answers]

    async def by_plugin(self) -> list[dict[str, Any]]:
        """Every installed plugin with its state, reason and checks."""
        answers: Sequence[tuple[str, HealthCheck, Health]] = await self.checks()
        return [
            {
                "id": report.id,
                "version": report.version,
                "state": report.state,
                "reason": report.reason,
                "checks": [_line(check, health) for plugin, check, health in answers if plugin == report.id],
            }
            for report in self._plugins.report()
        ]


def _line(check: HealthCheck, health: Health) -> dict[str, Any]:
    line: dict[str, Any] = {"id": check.id, "title": check.title, "state": health.state, "critical": check.critical}
    if health.detail:
        line["detail"] = health.detail
    return {**line, **({"values": dict(health.values)} if health.values else {})}


def add_kernel_checks(
    kernel: KernelPlugin, database: Database, relay: EventRelay, functions: FunctionHost, watchdog: Watchdog
) -> None:
    """The checks of the kernel's own parts."""

    async def database_answers() -> Health:
        await database.ping()
        return Health("ok", database.kind, database.connections())

    async def outbox_flows() -> Health:
        values = await relay.measure()
        return Health("degraded" if relay.last_error else "ok", relay.last_error, values)

    kernel.add_check("database", "Database", database_answers, critical=True)
    kernel.add_check("outbox", "Events on their way to Inngest", outbox_flows, critical=False)
    kernel.add_check("functions", "Functions registered with Inngest", functions.health, critical=False)
    # It never fails: requests are answered without it, so no process is taken out of service over it.
    kernel.add_check("tick", "What is due later", watchdog.health, critical=True)
