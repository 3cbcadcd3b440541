"""The `riveredge` command."""

import sys
from collections.abc import Callable
from importlib import import_module

import typer

# Group or command name -> module; each module has `app` (a group) or `command` (one command). Imported when asked for,
# so that `riveredge --help` needs neither the database nor the plugins.
GROUPS = {
    "backup": ("backup", "Back up everything, and put it back."),
    "db": ("db", "Migrate the database, plugin by plugin."),
    "plugin": ("plugin", "See the installed plugins."),
    "secrets": ("secrets", "Keys for secrets at rest."),
    "tenant": ("tenant", "Create and manage tenants."),
    "user": ("user", "Create and manage users."),
    "role": ("role", "See roles, and take over what plugins suggest."),
    "api-key": ("api_key", "See, make and revoke API keys."),
    "identity-provider": ("identity_provider", "See, check and switch identity providers."),
}
COMMANDS = {
    "run": ("run", "Start everything with demo data, for a first look and for development."),
    "serve": ("serve", "Serve the platform, for production."),
    "doctor": ("doctor", "Check settings, database, engine and plugins, and say how to mend what is wrong."),
    "openapi": ("openapi", "Print the API's document."),
    "new-plugin": ("new_plugin", "Write a complete new plugin."),
}

# When Python looks for circles of objects that are gone. What a start makes stays, and so does what many requests at
# once need: looking through it again and again was a fifth of a start's time, and half of a flood's.
COLLECT = (50_000, 20, 20)


def build(arguments: list[str]) -> typer.Typer:
    """The command line for these arguments: only what they name is imported."""
    app = typer.Typer(
        name="riveredge",
        help="RiverEdge: the multi-tenant platform for business processes.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    for name, (module, text) in COMMANDS.items():
        app.command(name, help=text)(_command(module) if name == wanted else _not_asked_for)
    for name, (module, text) in GROUPS.items():
        app.add_typer(_group(module) if name == wanted else typer.Typer(), name=name, help=text)
    if wanted is not None and wanted not in COMMANDS and wanted not in GROUPS:
        _add_plugin_commands(app)
    return app


def _not_asked_for() -> None:
    raise AssertionError("another command was asked for")


def _command(module: str) -> Callable[..., None]:
    command: Callable[..., None] = import_module(f"riveredge_kernel.cli.{module}").command
    return command


def _group(module: str) -> typer.Typer:
    group: typer.Typer = import_module(f"riveredge_kernel.cli.{module}").app
    return group


def _add_plugin_commands(app: typer.Typer) -> None:
    """The groups that plugins contribute, each below its plugin's id."""
    from riveredge_kernel.plugins.host import PluginHost
    from riveredge_kernel.settings import Settings
    from riveredge_sdk.plugin import Plugin

    for contributed in PluginHost.load(Settings().plugins).collect(Plugin.commands):
        app.add_typer(contributed.item.app(), name=contributed.plugin_id, help=contributed.item.title)


def main() -> None:
    """Entry point of the `riveredge` script. Errors of settings and of the environment are told without a traceback."""
    import gc
    import logging

    import structlog
    from pydantic import ValidationError

    gc.set_threshold(*COLLECT)
    # Commands say themselves what is wrong; the servers set up their logs when they start.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        build(sys.argv[1:])()
    except ValidationError as error:
        typer.secho("The settings are not right:", fg="red", err=True)
        for problem in error.errors():
            name = "RIVEREDGE_" + "__".join(str(part).upper() for part in problem["loc"])
            typer.echo(f"  {name}: {problem['msg']}", err=True)
        sys.exit(2)
    except FileNotFoundError as error:
        typer.secho(f"A file that the settings name is not there: {error.filename}", fg="red", err=True)
        sys.exit(2)
