"""Which tables and which version table belong to which plugin."""

from collections.abc import Iterable

VERSION_PREFIX = "alembic_version_"


def version_table(plugin: str) -> str:
    """The table that holds the plugin's current revision."""
    return VERSION_PREFIX + plugin


def owner_of(table: str, plugins: Iterable[str]) -> str | None:
    """The plugin a table belongs to: the longest id that is its prefix (`crm_mail_box` is crm_mail's, not crm's)."""
    owners = [plugin for plugin in plugins if table.startswith(f"{plugin}_")]
    return max(owners, key=len, default=None)
