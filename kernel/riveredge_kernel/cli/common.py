"""What commands share: problems told in one red line, and the platform's parts without its servers."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.exc import SQLAlchemyError

from riveredge_kernel.app import create_app
from riveredge_kernel.platform import Platform
from riveredge_kernel.schema import OutdatedSchemaError
from riveredge_kernel.settings import Settings
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.problems import Problem

T = TypeVar("T")
out = Console(highlight=False, soft_wrap=True)


def wide_table(*columns: str) -> Table:
    """A table whose values are folded rather than cut, the first of each line not even that: people copy from it."""
    return Table(*(Column(name, overflow="fold", no_wrap=name == columns[0]) for name in columns))


def fail(message: str) -> None:
    """Say it in red and end with exit code 1."""
    typer.secho(message, fg="red", err=True)
    sys.exit(1)


def with_platform(work: Callable[[Platform], Awaitable[T]]) -> T:
    """Do something with the platform's parts; what can go wrong is told without a traceback."""

    async def run() -> T:
        platform: Platform = create_app(Settings(), serving=False).state.platform
        try:
            with use_context(Context(runtime=platform.runtime)):
                return await work(platform)
        finally:
            await platform.database.dispose()

    try:
        return asyncio.run(run())
    except OutdatedSchemaError as error:
        fail(str(error))
    except Problem as problem:
        fail("\n".join(dict.fromkeys([str(problem), *(f"  {e.field}: {e.message}" for e in problem.errors)])))
    except (SQLAlchemyError, OSError) as error:
        fail(f"The database does not answer: {error}"[:300])
    raise AssertionError("fail() ends the process")
