"""`riveredge serve`."""

import asyncio
import os
import signal
import socket
import sys
from typing import Annotated, Any

import typer

from riveredge_kernel import logging
from riveredge_kernel.db.database import UnsafeRoleError
from riveredge_kernel.schema import OutdatedSchemaError
from riveredge_kernel.server import DatabaseAwayError, EngineMissingError, PortTakenError, running
from riveredge_kernel.settings import Settings


async def until_signalled() -> None:
    """Return at SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _notify(state: str) -> None:
    """Tell systemd, if it is there and asks (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # A leading @ stands for the abstract namespace.
            sender.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


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
            _notify("READY=1")
            await until_signalled()
            _notify("STOPPING=1")

    try:
        asyncio.run(serve())
    except (DatabaseAwayError, EngineMissingError, OutdatedSchemaError, PortTakenError, UnsafeRoleError) as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)
    except OSError as error:
        typer.secho(f"Cannot start: {error}", fg="red", err=True)
        sys.exit(1)
