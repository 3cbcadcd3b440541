"""Settings: of the installation (environment) and of a tenant (stored, editable, secrets encrypted)."""

from typing import TypeVar

from pydantic import BaseModel
from pydantic_settings import BaseSettings, SettingsConfigDict

from riveredge_sdk.context import current_context

SettingsT = TypeVar("SettingsT", bound="TenantSettings")


class PluginSettings(BaseSettings):
    """Installation-wide settings of a plugin, read from `RIVEREDGE_<PLUGIN>__<FIELD>`.

    Subclass with `model_config = plugin_settings("messaging")` and name the class in `Plugin.settings`. For each
    field, `…_FILE` names a file that holds the value (secrets of containers).
    """


def plugin_settings(plugin: str) -> SettingsConfigDict:
    """The configuration of a `PluginSettings` subclass: prefix, nesting, and no surprises about unknown names."""
    return SettingsConfigDict(
        env_prefix=f"RIVEREDGE_{plugin.upper()}__", env_nested_delimiter="__", extra="ignore", frozen=True
    )


class TenantSettings(BaseModel):
    """Settings that each tenant edits for itself under `/api/v1/settings/<plugin>`.

    Give every field a default, a title and a description: they are the form. Fields of type `SecretStr` are encrypted
    at rest and never returned.
    """

    model_config = {"frozen": True, "extra": "forbid"}


async def tenant_settings(model: type[SettingsT]) -> SettingsT:
    """The current tenant's settings of the plugin that contributed `model`; defaults where nothing was set."""
    return await current_context().runtime.tenant_settings(model)
