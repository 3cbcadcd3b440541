"""`riveredge openapi`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from riveredge_kernel.app import create_app
from riveredge_kernel.http import openapi
from riveredge_kernel.settings import Settings


def command(
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead of standard output.")] = None,
) -> None:
    """The OpenAPI document of this installation: the kernel and the plugins that are installed."""
    document = openapi.document(create_app(Settings(), check_schema=False))
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        typer.echo(f"Wrote {output}")
