"""`riveredge-engine`: the engine as a server of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import typer
import uvicorn

from . import dumping
from .engine import Engine
from .retention import Keep
from .store import open_database

_GRACE_SECONDS = 5
_KEEP = Keep()
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})

app = typer.Typer(help="An Inngest-compatible engine, durable in one file.", add_completion=False)


@app.callback()
def group() -> None:
    """An Inngest-compatible engine, durable in one file."""


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8288,
    store: Annotated[str, typer.Option(help="A file, :memory:, or a postgresql:// URL.")] = "engine.db",
    event_key: Annotated[
        list[str] | None,
        typer.Option(help="A key that may send events; repeat it. None: any.", envvar="INNGEST_EVENT_KEY"),
    ] = None,
    signing_key: Annotated[
        str | None, typer.Option(help="Signs calls and guards the API.", envvar="INNGEST_SIGNING_KEY")
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Listen for others although keys are missing.")
    ] = False,
    app_url: Annotated[list[str] | None, typer.Option(help="An app to ask for its functions; repeat it.")] = None,
    retry_interval: Annotated[float | None, typer.Option(help="Seconds between attempts, for development.")] = None,
    keep_days: Annotated[float, typer.Option(help="For how many days ended runs are kept.", min=0)] = _KEEP.age.days,
    keep_runs: Annotated[int, typer.Option(help="How many ended runs are kept at most.", min=0)] = _KEEP.runs,
) -> None:
    """Serve until it is told to stop; what is pending goes on after the next start."""
    if not (signing_key and event_key) and not without_keys and host not in _LOCAL:
        typer.secho(
            f"whoever reaches {host} could start functions: give --event-key and --signing-key, or say --without-keys",
            fg="red", err=True,
        )  # fmt: skip
        raise typer.Exit(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        engine = Engine(
            store=store,
            event_keys=event_key or (),
            signing_key=signing_key,
            app_urls=app_url or (),
            retry_interval=retry_interval,
            keep=Keep(timedelta(days=keep_days), keep_runs),
        )
        asyncio.run(_serve(engine, host, port))
    except (ValueError, RuntimeError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(1) from error


@app.command()
def dump(
    *,
    store: Annotated[str, typer.Option(help="The engine's file or URL; it may be in use by no engine.")] = "engine.db",
    run: Annotated[str | None, typer.Option(help="Show only this run, with its events, steps and queue.")] = None,
    contents: Annotated[bool, typer.Option(help="Show what events, steps and runs contain, too.")] = False,
) -> None:
    """Print the state of a store as JSON, one object a line, for a report of a problem."""
    try:
        database = open_database(store, create=False)
        database.open()
    except (ValueError, RuntimeError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(1) from error
    for record in dumping.records(database, run_id=run, contents=contents):
        typer.echo(json.dumps(record))
    asyncio.run(database.close())


class _Server(uvicorn.Server):
    """Leaves signals to the engine, which has to stop after the server and before the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(engine: Engine, host: str, port: int) -> None:
    """Answer requests only while the engine runs: it starts first and stops last."""
    config = uvicorn.Config(
        engine.asgi, host=host, port=port, lifespan="off", access_log=False, log_config=None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )  # fmt: skip
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with engine:
        await server.serve()


def main() -> None:
    """Entry point of the script."""
    app()
