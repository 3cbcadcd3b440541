"""Whether the database is at the version that the code expects; a plugin whose tables are not is left out."""

from riveredge_kernel.plugins.discovery import KERNEL
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_migrations.runner import MigrationRunner, Status


class OutdatedSchemaError(RuntimeError):
    """The kernel's own tables are not at the version this code expects."""


def runner_for(settings: Settings, plugins: PluginHost | None = None) -> MigrationRunner:
    """The runner for this installation's database, with the plugins in dependency order."""
    host = plugins or PluginHost.load(settings.plugins)
    if settings.database.url is None:
        settings.var_dir.mkdir(parents=True, exist_ok=True)
    return MigrationRunner(owner_url(settings), order=[plugin.id for plugin in host.active])


def owner_url(settings: Settings) -> str:
    """The address under which migrations run."""
    return settings.database.owner_url or settings.database_url


def too_old(status: Status) -> str:
    """What is wrong where the database is ahead of the code."""
    return f"The code is older than the database, which is at revision {status.current} of {status.plugin}."


def fail_outdated(settings: Settings, plugins: PluginHost) -> None:
    """Take down the plugins whose tables are not at their newest revision.

    Raises:
        OutdatedSchemaError: the kernel's are not.
    """
    runner = runner_for(settings, plugins)
    for status in runner.status():
        if status.ahead:
            if status.plugin == KERNEL:
                raise OutdatedSchemaError(f"{too_old(status)} Install the version that migrated it, or a newer one.")
            plugins.fail(status.plugin, "failed: schema", f"{too_old(status)} Install a newer version of the plugin.")
            continue
        if not status.pending:
            continue
        if status.plugin == KERNEL:
            raise OutdatedSchemaError("The database is not migrated: run `riveredge db upgrade`.")
        at = f"at revision {status.current}" if status.current else "empty"
        plugins.fail(
            status.plugin, "failed: schema", f"its tables are {at}, not at {status.head}: run `riveredge db upgrade`"
        )
