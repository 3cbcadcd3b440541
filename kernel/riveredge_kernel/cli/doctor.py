"""`riveredge doctor`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

import typer
from rich.console import Console

from riveredge_kernel import tracing
from riveredge_kernel.app import create_app
from riveredge_kernel.cli.findings import Finding, surroundings
from riveredge_kernel.health import look
from riveredge_kernel.platform import Platform
from riveredge_kernel.schema import runner_for, too_old
from riveredge_kernel.settings import PREFIX, Settings
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.plugin import Plugin

out = Console(highlight=False, soft_wrap=True)


# Tells of a running server, which this process is not.
_OF_A_SERVER = "kernel.functions"
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
    for said in _settings(settings):
        yield said
    migrated = True
    async for finding in _migrations(settings):
        migrated = migrated and finding.state == "ok"
        yield finding
    platform: Platform = create_app(settings, check_schema=False).state.platform
    for name in _unknown(platform):
        yield Finding("warning", name, "is no setting of the platform or of an installed plugin; is it misspelt?")
    async for finding in surroundings(settings, platform):
        migrated = migrated and (finding.what, finding.state) != ("database", "failed")
        yield finding
    for report in platform.plugins.report():
        state: Literal["ok", "warning", "failed"] = "failed" if report.state.startswith("failed") else "ok"
        yield Finding(state, f"plugin {report.id} {report.version}", report.reason or report.state)
    # Without tables the checks could only repeat in many words what was said above.
    if migrated:
        async for finding in _health(platform):
            yield finding
    await platform.database.dispose()


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding("ok", "settings", f"environment {settings.environment}, data in {settings.var_dir}")
    if settings.environment == "production":
        for name, value in (("secret_keys", settings.secret_keys), ("auth.token_key", settings.auth.token_key)):
            if not value:
                yield Finding("warning", name, "lies in the var directory; give every process the same by settings")
    if tracing.wanted():
        reason = tracing.why_not()
        yield Finding("warning" if reason else "ok", "traces", reason or "sent as the OTEL_ variables say")


async def _health(platform: Platform) -> AsyncIterator[Finding]:
    with use_context(Context(runtime=platform.runtime)):
        for contributed in platform.plugins.collect(Plugin.health):
            if contributed.item.id == _OF_A_SERVER:
                continue
            health = await look(contributed.item)
            marks: dict[str, Literal["ok", "warning", "failed"]] = {"ok": "ok", "degraded": "warning"}
            worst: Literal["warning", "failed"] = "failed" if contributed.item.critical else "warning"
            yield Finding(marks.get(health.state, worst), contributed.item.title, health.detail)


def _unknown(platform: Platform) -> list[str]:
    """Variables with our prefix that nothing reads: a misspelt one is silently without effect."""
    sections = Settings.model_fields.keys() | {report.id for report in platform.plugins.report()}
    # Those of the set-up and of the tests.
    others = (f"{PREFIX}SETUP", f"{PREFIX}TEST_")
    names = [name for name in os.environ if name.startswith(PREFIX) and not name.startswith(others)]
    first = {name: name.removeprefix(PREFIX).lower().partition("__")[0].removesuffix("_file") for name in names}
    return sorted(name for name, section in first.items() if section not in sections)


async def _migrations(settings: Settings) -> AsyncIterator[Finding]:
    try:
        runner = runner_for(settings)
        for status in await asyncio.to_thread(runner.status):
            if status.ahead:
                yield Finding("failed", f"schema of {status.plugin}", f"{too_old(status)} Install a newer version.")
            elif status.pending:
                yield Finding("failed", f"schema of {status.plugin}", "run `riveredge db upgrade`")
            else:
                yield Finding("ok", f"schema of {status.plugin}", str(status.current or "empty"))
    except Exception as error:  # noqa: BLE001
        yield Finding("failed", "migrations", f"{error}"[:300])
