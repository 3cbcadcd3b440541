"""Settings of an installation, read from the environment: `RIVEREDGE_DATABASE__URL`, `RIVEREDGE_INNGEST__BASE_URL`, …

For every name, `…_FILE` may name a file that holds the value instead: secrets of containers and systemd credentials.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from riveredge_sdk.settings import reading_files

PREFIX = "RIVEREDGE_"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Section):
    """Where the data lies. On PostgreSQL each role has its own URL (architecture: owner, app, system)."""

    url: str | None = Field(
        default=None,
        description="sqlite+aiosqlite:///file or postgresql+asyncpg://app@…; none: a file in the var directory.",
    )
    owner_url: str | None = Field(default=None, description="The role that owns the tables and migrates; none: url.")
    system_url: str | None = Field(
        default=None, description="The role that may cross tenants (BYPASSRLS): outbox, provisioning; none: url."
    )
    read_url: str | None = Field(default=None, description="A replica for read sessions; none: url.")
    pool_size: int = Field(default=10, ge=1, le=500)


class InngestSettings(_Section):
    """Which Inngest runs the functions. Without a base URL the embedded engine does."""

    base_url: str | None = Field(default=None, description="A self-hosted server, or https://api.inngest.com.")
    event_base_url: str | None = Field(default=None, description="Where events go, if not to base_url.")
    event_key: SecretStr | None = None
    signing_key: SecretStr | None = None
    signing_key_fallback: SecretStr | None = None
    env: str | None = None
    app_id: str = "riveredge"
    serve_origin: str | None = Field(default=None, description="How Inngest reaches this app; none: public_url.")
    engine_host: str = "127.0.0.1"
    engine_port: int = Field(default=8288, ge=0, le=65535)


class PluginHostSettings(_Section):
    """Which of the installed plugins are loaded."""

    allow: list[str] | None = Field(default=None, description="Only these; none: all that are installed.")
    deny: list[str] = Field(default_factory=list)
    safe_mode: bool = Field(default=False, description="Load no plugin at all, to repair things.")
    strict: bool = Field(default=False, description="A plugin that fails ends the start, for CI.")
    hook_timeout: float = Field(default=10, gt=0, description="Seconds for one asynchronous hook.")


class AuthSettings(_Section):
    """Tokens and passwords."""

    token_key: SecretStr | None = Field(
        default=None, description="Ed25519 private key (PEM) that signs access tokens; none: kept in the var directory."
    )
    access_token_minutes: int = Field(default=30, ge=1, le=1440)
    max_failed_logins: int = Field(default=10, ge=1)
    lock_minutes: int = Field(default=15, ge=1)


class OpsSettings(_Section):
    """Who may read metrics and the states of plugins. Without a token and a port: in development everybody."""

    token: SecretStr | None = Field(default=None, min_length=16, description="Operators send it as a bearer token.")
    host: str = "127.0.0.1"
    port: int | None = Field(
        default=None, ge=0, le=65535, description="A port of this process alone for health and metrics; keep it inside."
    )


class Settings(BaseSettings):
    """The kernel's settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True, env_file_encoding="utf-8"
    )

    environment: Literal["development", "production"] = "development"
    multi_tenant: bool = Field(default=False, description="Hosts several organisations; demands PostgreSQL.")
    var_dir: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str | None = Field(default=None, description="How people reach the platform; none: http://host:port.")
    max_body_bytes: int = Field(default=1_000_000, ge=1000)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    secret_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Fernet keys for secrets at rest, newest first, comma between; none: kept in the var directory.",
    )
    database: DatabaseSettings = DatabaseSettings()
    inngest: InngestSettings = InngestSettings()
    plugins: PluginHostSettings = PluginHostSettings()
    auth: AuthSettings = AuthSettings()
    ops: OpsSettings = OpsSettings()

    @model_validator(mode="before")
    @classmethod
    def _split_keys(cls, values: Any) -> Any:
        keys = values.get("secret_keys") if isinstance(values, dict) else None
        return {**values, "secret_keys": [k for k in keys.split(",") if k]} if isinstance(keys, str) else values

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        if self.multi_tenant and self.database_url.startswith("sqlite"):
            raise ValueError("multi_tenant needs PostgreSQL: set RIVEREDGE_DATABASE__URL (SQLite has no second wall)")
        if self.environment == "production" and self.inngest.base_url and not self.inngest.signing_key:
            raise ValueError("a production Inngest needs RIVEREDGE_INNGEST__SIGNING_KEY")
        return self

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

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite+aiosqlite:///{self.var_dir / 'riveredge.db'}"

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"
