"""`riveredge new-plugin`."""

from pathlib import Path
from typing import Annotated

import typer

from riveredge_kernel.cli.common import fail
from riveredge_sdk.scaffold import ScaffoldError, write_plugin


def command(
    name: Annotated[str, typer.Argument(help="The plugin's id, for example invoices.")],
    directory: Annotated[Path | None, typer.Option(help="Where to; by default ./riveredge-NAME.")] = None,
) -> None:
    """Write a complete new plugin: model, migration, routes, a durable function, and tests that pass."""
    target = directory or Path(f"riveredge-{name.replace('_', '-')}")
    try:
        written = write_plugin(name, target)
    except ScaffoldError as error:
        fail(str(error))
        return
    for path in written:
        typer.echo(f"  {path}")
    typer.echo(f'\nNow: cd {target} && pip install -e ".[testing]" && pytest')
