"""`riveredge plugin`: see the installed plugins."""

import json
from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from riveredge_kernel.cli.common import out
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_sdk.plugin import Plugin

app = typer.Typer(help="See the installed plugins.", no_args_is_help=True)

CONTRIBUTIONS = (
    Plugin.routers,
    Plugin.models,
    Plugin.functions,
    Plugin.event_types,
    Plugin.permissions,
    Plugin.roles,
    Plugin.settings,
    Plugin.tenant_settings,
    Plugin.services,
    Plugin.navigation,
    Plugin.static_apps,
    Plugin.commands,
    Plugin.hookspecs,
    Plugin.health,
    Plugin.message_channels,
    Plugin.message_templates,
)


@app.callback()
def group() -> None:
    """See the installed plugins."""


@app.command(name="list")
def list_plugins(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Every installed plugin: version, state, why it does not run, and what it contributes."""
    host = PluginHost.load(Settings().plugins)
    counts: dict[str, Counter[str]] = {}
    for hook in CONTRIBUTIONS:
        for contributed in host.collect(hook):
            counts.setdefault(contributed.plugin_id, Counter())[hook.__name__] += 1
    lines = [
        {
            "id": report.id,
            "version": report.version,
            "state": report.state,
            "reason": report.reason,
            "contributions": dict(counts.get(report.id, {})),
        }
        for report in host.report()
    ]
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False, indent=1))
        return
    table = Table("id", "version", "state", "reason", "contributions")
    for line in lines:
        given = ", ".join(f"{count} {name}" for name, count in line["contributions"].items())  # type: ignore[attr-defined]
        table.add_row(str(line["id"]), str(line["version"]), str(line["state"]), str(line["reason"]), given)
    out.print(table)
