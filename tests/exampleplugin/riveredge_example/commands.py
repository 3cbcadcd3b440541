"""`riveredge example`."""

import typer

app = typer.Typer(help="Notes.")


@app.callback()
def group() -> None:
    """Notes."""


@app.command()
def hello(name: str = "world") -> None:
    """Greet somebody."""
    typer.echo(f"Hello, {name}")


def build() -> typer.Typer:
    """The command group."""
    return app
