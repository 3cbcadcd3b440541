"""Settings: of the installation (environment) and of a tenant (stored, editable, secrets encrypted)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from riveredge_sdk.context import current_context

SettingsT = TypeVar("SettingsT", bound="TenantSettings")


class PluginSettings(BaseSettings):
    """Installation-wide settings of a plugin, read from `RIVEREDGE_<PLUGIN>__<FIELD>`.

    Subclass with `model_config = plugin_settings("messaging")` and name the class in `Plugin.settings`. For each
    field, `…_FILE` names a file that holds the value (secrets of containers).
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit arguments first, then the environment, then `…_FILE`."""
        return init_settings, env_settings, FileValues(settings_cls)


class FileValues(PydanticBaseSettingsSource):
    """`<PREFIX>A__B_FILE=/path` gives a.b the file's content, without the line end."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return values_from_files(os.environ, prefix=self.config["env_prefix"])


def values_from_files(environment: Mapping[str, str], *, prefix: str) -> dict[str, Any]:
    """The nested values that the `<prefix>…_FILE` variables of `environment` name.

    Raises:
        OSError: a named file cannot be read.
    """
    values: dict[str, Any] = {}
    for name, path in environment.items():
        if not (name.startswith(prefix) and name.endswith("_FILE") and path):
            continue
        *sections, leaf = name.removeprefix(prefix).removesuffix("_FILE").lower().split("__")
        target = values
        for section in sections:
            target = target.setdefault(section, {})
        target[leaf] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    return values


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
