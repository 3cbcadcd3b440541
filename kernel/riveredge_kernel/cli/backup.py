"""`riveredge backup`: everything in one file, and back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from riveredge_kernel.backup import archive, service
from riveredge_kernel.backup.archive import BackupError, Manifest
from riveredge_kernel.cli.common import fail, out
from riveredge_kernel.settings import Settings

app = typer.Typer(help="Back up everything, and put it back.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The back-up.", exists=True, dir_okay=False)]


def _show(manifest: Manifest) -> None:
    engine = manifest.engine or "not in it: Inngest keeps its own"
    out.print(f"made {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC by version {manifest.version}")
    out.print(f"database {manifest.database}, engine {engine}")
    table = Table("part", "bytes", "SHA-256")
    for part in manifest.parts:
        table.add_row(part.name, f"{part.size:,}", part.sha256[:16] + "…")
    out.print(table)


@app.command()
def create(
    target: Annotated[Path | None, typer.Argument(help="Where to; none: a dated file in this directory.")] = None,
    with_keys: Annotated[
        bool, typer.Option(help="Also the keys in the var directory. Who has the file can then read all secrets.")
    ] = False,
) -> None:
    """Copy database, engine and files into one file, while the platform goes on serving."""
    place = target or Path(f"riveredge-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz")
    settings = Settings()
    try:
        manifest = service.create(settings, place, with_keys=with_keys)
    except BackupError as error:
        fail(str(error))
        return
    _show(manifest)
    out.print(f"[green]✓[/green] {place}")
    if not with_keys and not manifest.below(service.KEYS):
        out.print("The keys are not in it: without them nobody can read the secrets in the database. Keep them apart.")


@app.command()
def show(source: FileArgument) -> None:
    """What a back-up holds, once each part was found whole."""
    try:
        _show(archive.read(source))
    except BackupError as error:
        fail(str(error))


@app.command()
def restore(
    source: FileArgument,
    replace: Annotated[
        bool, typer.Option(help="Take the place of an SQLite database that is there; it is kept beside the new one.")
    ] = False,
) -> None:
    """Put a back-up back, while the platform does not run."""
    try:
        manifest = service.restore(Settings(), source, replace=replace)
    except BackupError as error:
        fail(str(error))
        return
    _show(manifest)
    out.print("[green]✓[/green] restored; `riveredge db upgrade` brings it to this version's schema")
