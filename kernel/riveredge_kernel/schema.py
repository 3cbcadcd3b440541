"""Whether the database is at the version the code expects; a plugin whose tables are not is left out, the others run."""

from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_migrations.runner import MigrationRunner


class OutdatedSchemaError(RuntimeError):
    """The kernel's own tables are not at the version this code expects."""
