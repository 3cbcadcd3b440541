"""`riveredge serve`."""

import asyncio
import signal
import sys
from typing import Annotated, Any

import typer

from riveredge_kernel import logging
from riveredge_kernel.db.database import UnsafeRoleError
from riveredge_kernel.schema import OutdatedSchemaError
from riveredge_kernel.server import DatabaseAwayError, EngineMissingError, running
from riveredge_kernel.settings import Settings


async def until_signalled() -> None:
    """Return at SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def command(
    host: Annotated[str | None, typer.Option(help="Address to listen on; RIVEREDGE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; RIVEREDGE_PORT.")] = None,
) -> None:
    """Serve the platform. The database must be migrated: `riveredge db upgrade`. SIGTERM lets requests finish."""
    given: dict[str, Any] = {"host": host, "port": port}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    logging.configure(settings)

    async def serve() -> None:
        async with running(settings) as platform:
            typer.echo(f"RiverEdge serves at {platform.base_url}", err=True)
            await until_signalled()

    try:
        asyncio.run(serve())
    except (DatabaseAwayError, OutdatedSchemaError, EngineMissingError, UnsafeRoleError) as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)
    except OSError as error:
        typer.secho(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}", fg="red", err=True)
        sys.exit(1)
