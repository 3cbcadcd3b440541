"""`riveredge secrets`: keys for secrets at rest."""

import typer
from cryptography.fernet import Fernet

from riveredge_kernel.cli.common import out, with_platform
from riveredge_kernel.platform import Platform
from riveredge_kernel.rotation import rotate as rotate_all
from riveredge_kernel.secrets import vault

app = typer.Typer(help="Keys for secrets at rest.", no_args_is_help=True)


@app.command(name="new-key")
def new_key() -> None:
    """Print a new key. Put it first in RIVEREDGE_SECRET_KEYS and keep the old ones behind it."""
    out.print(Fernet.generate_key().decode())


@app.command()
def rotate() -> None:
    """Encrypt every stored secret anew with the first key. Then the other keys can go."""

    async def do(platform: Platform) -> None:
        done = await rotate_all(platform.database, platform.runtime, vault(platform.settings))
        out.print(f"{done.rotated} secrets are encrypted with the first key now.")
        for where in done.unreadable:
            out.print(f"[red]✗[/red] {where} can be read with none of the keys; it has to be given anew.")
        if done.unreadable:
            raise typer.Exit(1)

    with_platform(do)
