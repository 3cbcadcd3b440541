"""Settings: of the installation (environment) and of a tenant (stored, editable, secrets encrypted)."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

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
        """Explicit arguments first, then the environment, then the files that it names."""
        return init_settings, reading_files(env_settings)


def reading_files(source: PydanticBaseSettingsSource) -> PydanticBaseSettingsSource:
    """The environment, in which `NAME_FILE` stands for `NAME` with the content of that file, without its line end.

    Raises:
        OSError: a named file cannot be read.
    """
    if isinstance(source, EnvSettingsSource):
        fields = source.settings_cls.model_fields
        source.env_vars = _with_files(source.env_vars, source.env_prefix.lower(), fields.keys())
    return source


def _with_files(environment: Mapping[str, str | None], prefix: str, fields: Set[str]) -> dict[str, str | None]:
    """Of the variables of these fields; the others are somebody else's."""
    found: dict[str, str | None] = {}
    for name, value in environment.items():
        target = name.removesuffix("_file")
        field = target.removeprefix(prefix).partition("__")[0]
        if value and name.startswith(prefix) and name.endswith("_file") and field in fields:
            found.setdefault(target, Path(value).read_text(encoding="utf-8").rstrip("\r\n"))
        else:
            found[name] = value
    return found


def plugin_settings(plugin: str) -> SettingsConfigDict:
    """The configuration of a `PluginSettings` subclass: prefix, nesting, and no surprises about unknown names.

    An empty variable is an absent one: that is how container files leave something out.
    """
    return SettingsConfigDict(
        env_prefix=f"RIVEREDGE_{plugin.upper()}__",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )


class TenantSettings(BaseModel):
    """Settings that each tenant edits for itself under `/api/v1/settings/<plugin>`.

    Give every field a default, a title and a description: they are the form. Fields of type `SecretStr` are encrypted
    at rest and never returned.

    Attributes:
        secrets_sent_to: the fields that say where the secrets go (a host, a URL). Whoever changes one of them has to
            give the secrets anew: else a stored password could be sent to a server of the changer's own.
    """

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset()

    model_config = {"frozen": True, "extra": "forbid"}


async def tenant_settings(model: type[SettingsT]) -> SettingsT:
    """The current tenant's settings of the plugin that contributed `model`; defaults where nothing was set."""
    return await current_context().runtime.tenant_settings(model)
