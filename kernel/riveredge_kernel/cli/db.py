"""`riveredge db`: migrate the database, plugin by plugin."""

from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from riveredge_kernel.cli.common import fail, out
from riveredge_kernel.kernel_plugin import KernelPlugin
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.schema import runner_for
from riveredge_kernel.settings import Settings
from riveredge_migrations.runner import KERNEL, MigrationError, MigrationRunner, Result
from riveredge_sdk.plugin import Plugin

app = typer.Typer(help="Migrate the database, plugin by plugin.", no_args_is_help=True)

PluginArgument = Annotated[str, typer.Argument(help="A plugin's id, or kernel.")]


def _host() -> PluginHost:
    return PluginHost.load(Settings().plugins, builtin=[KernelPlugin()])


def _runner() -> MigrationRunner:
    return runner_for(Settings())


def _show(results: list[Result]) -> None:
    for result in results:
        mark = "[green]✓[/green]" if result.ok else "[red]✗[/red]"
        out.print(f"{mark} {result.plugin}: {result.error or result.revision or 'empty'}")
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@app.command()
def upgrade(
    plugins: Annotated[list[str] | None, typer.Argument(help="Plugins to migrate; none: all that run.")] = None,
) -> None:
    """Bring tables to their newest revision. A failing plugin is rolled back whole; the others go on."""
    try:
        _show(_runner().upgrade(*(plugins or ())))
    except MigrationError as error:
        fail(str(error))


@app.command()
def downgrade(
    plugin: PluginArgument,
    revision: Annotated[str, typer.Argument(help="A revision, -1 for one step back, base for nothing left.")],
) -> None:
    """Take one plugin's tables back. Its data goes with them."""
    try:
        _show([_runner().downgrade(plugin, revision)])
    except MigrationError as error:
        fail(str(error))


@app.command()
def status() -> None:
    """Where each plugin's tables are."""
    table = Table("plugin", "revision", "newest", "to do")
    try:
        for line in _runner().status():
            to_do = ", ".join(line.pending) or ("" if line.installed else "not installed: purge drops its tables")
            to_do = "the code is older than the database: install a newer version" if line.ahead else to_do
            table.add_row(line.plugin, line.current or "empty", line.head or "–", to_do)
    except (SQLAlchemyError, OSError) as error:
        fail(f"The database does not answer: {error}"[:300])
    out.print(table)


@app.command()
def check(plugin: Annotated[str | None, typer.Argument(help="Only this plugin.")] = None) -> None:
    """Compare tables and models; exit code 1 if they differ."""
    host, runner = _host(), _runner()
    host.collect(Plugin.models)
    wrong = False
    for active in host.active:
        if plugin is not None and active.id != plugin:
            continue
        differences = runner.check(active.id)
        wrong = wrong or bool(differences)
        out.print(f"{'[red]✗[/red]' if differences else '[green]✓[/green]'} {active.id}")
        for difference in differences:
            out.print(f"    {difference}", markup=False)
    if wrong:
        raise typer.Exit(1)


@app.command()
def revision(
    plugin: PluginArgument,
    message: Annotated[str, typer.Option("--message", "-m", help="What changes, in a few words.")],
    empty: Annotated[bool, typer.Option(help="Do not compare tables and models.")] = False,
) -> None:
    """Write the next migration of a plugin, from the difference between its tables and its models."""
    host = _host()
    if host.get(plugin) is None:
        reports = {report.id: report for report in host.report()}
        reason = f": {reports[plugin].state} {reports[plugin].reason}" if plugin in reports else " and is not installed"
        fail(f"The plugin {plugin!r} does not run, so its models are not known{reason}")
    host.collect(Plugin.models)
    try:
        typer.echo(f"Wrote {_runner().revision(plugin, message, autogenerate=not empty)}")
    except MigrationError as error:
        fail(str(error))


@app.command()
def purge(
    plugin: PluginArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop all tables of a plugin, installed or not. There is no way back."""
    if plugin == KERNEL:
        fail("The kernel's tables are everybody's; drop the database instead.")
    if not yes:
        typer.confirm(f"Drop all tables and data of {plugin!r}?", abort=True)
    dropped = _runner().purge(plugin)
    out.print(f"Dropped {', '.join(dropped)}" if dropped else "There was nothing to drop.")
