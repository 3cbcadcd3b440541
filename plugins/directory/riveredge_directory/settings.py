"""How large an organisation may be."""

from pydantic import Field

from riveredge_sdk import PluginSettings, plugin_settings


class DirectorySettings(PluginSettings):
    """Limits for each tenant, from RIVEREDGE_DIRECTORY__…; they can be other ones for some (`quotas`)."""

    model_config = plugin_settings("directory")

    max_departments: int = Field(default=5000, ge=0, description="Departments of one tenant.")
    max_groups: int = Field(default=1000, ge=0, description="Groups of one tenant.")
    max_import_lines: int = Field(default=5000, ge=1, le=50_000, description="Lines of a table that is imported.")
