"""`riveredge scheduling`."""

import sys
from typing import Annotated

import typer

app = typer.Typer(help="Scheduled tasks.")


@app.callback()
def group() -> None:
    """Scheduled tasks."""


@app.command()
def drill(
    schedules: Annotated[int, typer.Option(min=1, max=1000, help="How many, each firing every minute.")] = 20,
    minutes: Annotated[int, typer.Option(min=3, max=120, help="How long to go on after the loss.")] = 5,
) -> None:
    """Let the engine of a scratch installation lose its memory, and report what was re-armed."""
    try:
        from riveredge_scheduling.drill import drill as run
    except ImportError as error:
        typer.secho(f'The drill needs the testing kit: pip install "riveredge-sdk[testing]" ({error})', err=True)
        sys.exit(2)
    report = run(schedules, minutes, lambda line: typer.echo(f"  {line}"))
    typer.echo(f"  re-armed: {report.armed_again} of {report.armed} fires that the engine forgot")
    typer.echo(f"  fired:    {report.fired} of {report.expected} instants, {report.twice} of them twice")
    typer.secho("passed" if report.passed else "FAILED", fg="green" if report.passed else "red", bold=True)
    if not report.passed:
        sys.exit(1)


def build() -> typer.Typer:
    """The command group."""
    return app
