"""`riveredge doctor`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from rich.console import Console

from riveredge_kernel.app import create_app
from riveredge_kernel.health import look
from riveredge_kernel.platform import Platform
from riveredge_kernel.schema import runner_for
from riveredge_kernel.settings import Settings
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.plugin import Plugin

out = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and how to mend it if it is not right."""

    state: Literal["ok", "warning", "failed"]
    what: str
    detail: str = ""


_MARKS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "failed": "[red]✗[/red]"}


def command(
    strict: Annotated[bool, typer.Option(help="Warnings fail, too.")] = False,
) -> None:
    """Look at settings, database, migrations, engine and plugins. Exit code 1 if something is wrong."""

    async def examine() -> list[Finding]:
        return [finding async for finding in _examine(Settings())]

    findings = asyncio.run(examine())
    for finding in findings:
        out.print(f"{_MARKS[finding.state]} {finding.what}" + (f": {finding.detail}" if finding.detail else ""))
    bad = {"failed", "warning"} if strict else {"failed"}
    sys.exit(1 if any(f.state in bad for f in findings) else 0)


async def _examine(settings: Settings) -> AsyncIterator[Finding]:
    yield Finding("ok", "settings", f"environment {settings.environment}, data in {settings.var_dir}")
    if settings.environment == "production":
        for name, value in (("secret_keys", settings.secret_keys), ("auth.token_key", settings.auth.token_key)):
            if not value:
                yield Finding("warning", name, "lies in the var directory; give every process the same by settings")
    async for finding in _migrations(settings):
        yield finding
    platform: Platform = create_app(settings, check_schema=False).state.platform
    try:
        await platform.database.check_role()
        yield Finding("ok", "database", platform.database.kind)
    except Exception as error:  # noqa: BLE001  (whatever is wrong is what we are here to tell)
        yield Finding("failed", "database", f"{error}"[:300])
    for report in platform.plugins.report():
        state: Literal["ok", "warning", "failed"] = "failed" if report.state.startswith("failed") else "ok"
        yield Finding(state, f"plugin {report.id} {report.version}", report.reason or report.state)
    with use_context(Context(runtime=platform.runtime)):
        for contributed in platform.plugins.collect(Plugin.health):
            health = await look(contributed.item)
            marks: dict[str, Literal["ok", "warning", "failed"]] = {"ok": "ok", "degraded": "warning"}
            worst: Literal["warning", "failed"] = "failed" if contributed.item.critical else "warning"
            yield Finding(marks.get(health.state, worst), contributed.item.title, health.detail)
    await platform.database.dispose()


async def _migrations(settings: Settings) -> AsyncIterator[Finding]:
    try:
        runner = runner_for(settings)
        for status in await asyncio.to_thread(runner.status):
            if status.pending:
                yield Finding("failed", f"schema of {status.plugin}", "run `riveredge db upgrade`")
            else:
                yield Finding("ok", f"schema of {status.plugin}", str(status.current or "empty"))
    except Exception as error:  # noqa: BLE001
        yield Finding("failed", "migrations", f"{error}"[:300])
