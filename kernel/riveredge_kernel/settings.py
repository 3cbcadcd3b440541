"""Settings of an installation, read from the environment: `RIVEREDGE_DATABASE__URL`, `RIVEREDGE_INNGEST__BASE_URL`, …

For every name, `…_FILE` may name a file that holds the value instead: secrets of containers and systemd credentials.
"""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr, model_validator
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
    redis_url: SecretStr | None = Field(
        default=None, description="The Redis of a self-hosted server: `riveredge doctor` looks whether it keeps things."
    )
    env: str | None = None
    app_id: str = "riveredge"
    serve_origin: str | None = Field(default=None, description="How Inngest reaches this app; none: public_url.")
    max_body_bytes: int = Field(default=36_000_000, ge=1000, description="How large one of its calls may be.")
    engine_host: str = "127.0.0.1"
    engine_port: int = Field(default=8288, ge=0, le=65535)
    engine_store: SecretStr | None = Field(
        default=None,
        description="The embedded engine's file or postgresql:// URL; none: engine.db in the var directory.",
    )


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
    api_key_max_days: int = Field(default=366, ge=1, le=3660, description="How long an API key may last at most.")
    session_idle_days: int = Field(default=14, ge=1, le=365, description="A session unused for so long has ended.")
    provider_session_hours: int = Field(
        default=24,
        ge=1,
        le=2160,
        description="Of a sign-in by an identity provider: then it is asked again, so who has left there is out here.",
    )
    session_max_days: int = Field(default=90, ge=1, le=3650, description="Then one signs in again in any case.")
    refresh_grace_seconds: int = Field(
        default=30, ge=0, le=300, description="A refresh token that comes twice within this time is no replay."
    )
    max_failed_logins: int = Field(default=10, ge=1, description="Wrong passwords until an account is locked.")
    max_failed_logins_per_address: int = Field(
        default=100, ge=1, description="Wrong passwords from one address (IPv6: /64) until it has to wait as well."
    )
    lock_minutes: int = Field(default=15, ge=1)
    max_waiting_logins: int = Field(default=200, ge=0, description="In one process; the others are told to come again.")
    password_min_score: int = Field(
        default=3, ge=0, le=4, description="How hard to guess (zxcvbn): 3 resists 10^8 guesses, 4 10^10."
    )
    invitation_days: int = Field(default=7, ge=1, le=90, description="How long an invitation is open.")
    ticket_minutes: int = Field(default=5, ge=1, le=60, description="How long a proof of who is there is good.")
    totp_issuer: str = Field(default="RiverEdge", max_length=60, description="What authenticator apps show.")
    pages_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s#?]+$",
        description="Where the pages are that links in mails lead to; none: the console below the public URL.",
    )
    breached_passwords_file: Path | None = Field(
        default=None, description="Sorted SHA-1 digests, one a line, as Have I Been Pwned gives them."
    )


class HttpSettings(_Section):
    """How the platform meets the network: behind which proxies, under which names, for which origins, how long."""

    trusted_proxies: list[IPvAnyNetwork] = Field(
        default_factory=list, description="Addresses or networks whose X-Forwarded-For and -Proto are believed."
    )
    allowed_hosts: list[str] | None = Field(
        default=None, description="Names it is reached under, *.example.com for all below; none: of the public URL."
    )
    tenant_domain: Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+[a-z0-9-]+$")] | None = Field(
        default=None, description="Each organisation is also reached at <its name>.<this domain>; none: it is not."
    )
    cors_origins: list[Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.\[\]:-]+)$")]] = Field(
        default_factory=list, description="Origins whose scripts may call the API, for example https://app.example.com."
    )
    api_docs: bool | None = Field(
        default=None, description="Whether /docs and /openapi.json are served; none: in development only."
    )
    request_seconds: float = Field(default=60, gt=0, description="For one request, body included.")
    header_seconds: float = Field(default=15, gt=0, description="For a request's line and headers.")
    keep_alive_seconds: int = Field(
        default=75, ge=1, description="For a connection without requests; more than your proxy keeps it."
    )
    drain_seconds: float | None = Field(
        default=None, ge=0, description="From SIGTERM to the end of new requests; none: 5 in production, 0 otherwise."
    )
    grace_seconds: int = Field(default=30, ge=1, description="For the requests under way after that.")


class OpsSettings(_Section):
    """Who may read metrics and the states of plugins. Without a token and a port: in development everybody."""

    token: SecretStr | None = Field(default=None, min_length=16, description="Operators send it as a bearer token.")
    host: str = "127.0.0.1"
    port: int | None = Field(
        default=None, ge=0, le=65535, description="A port of this process alone for health and metrics; keep it inside."
    )


class AuditSettings(_Section):
    """The audit log."""

    retention_days: int | None = Field(
        default=None, ge=30, description="Entries older than this are deleted each night; none: they are kept for ever."
    )


class TracingSettings(_Section):
    """Traces. Whether and where they are sent, OpenTelemetry's own OTEL_… variables say."""

    accept_from: list[IPvAnyNetwork] = Field(
        default_factory=list,
        description="Addresses or networks of direct callers, such as a gateway, whose traces requests continue.",
    )


class StreamSettings(_Section):
    """The live stream."""

    retention_hours: int = Field(default=24, ge=1, le=24 * 30, description="How long pushes are kept for replay.")
    max_connections: int = Field(default=5000, ge=1, description="In one process.")
    max_connections_per_user: int = Field(default=20, ge=1, description="In one process.")
    heartbeat_seconds: float = Field(default=25, gt=0, description="Silence after which a heartbeat is sent.")
    listen_url: str | None = Field(
        default=None,
        description="PostgreSQL itself, where the database's URL leads to a pooler that passes no LISTEN; none: url.",
    )


class QuotaSettings(_Section):
    """How much each organisation may have and do, where its own limits say nothing else."""

    requests_per_minute: int | None = Field(default=None, ge=1, description="None: as many as it likes.")
    requests_per_day: int | None = Field(default=None, ge=1, description="None: as many as it likes.")
    limits: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description='Of what plugins count, by quota: {"kernel.members": 100}.'
    )


class Settings(BaseSettings):
    """The kernel's settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="ignore", frozen=True
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
    http: HttpSettings = HttpSettings()
    stream: StreamSettings = StreamSettings()
    audit: AuditSettings = AuditSettings()
    quotas: QuotaSettings = QuotaSettings()
    tracing: TracingSettings = TracingSettings()

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
    def hosts(self) -> list[str] | None:
        """Under which names requests may come; None for any."""
        reached = [self.public_url] if self.public_url and self.environment == "production" else []
        known = self.http.allowed_hosts or [urlsplit(url).hostname or "" for url in reached]
        if known and self.http.tenant_domain:
            known = [*known, f"*.{self.http.tenant_domain}"]
        return [name.lower() for name in known] or None

    @property
    def drain_seconds(self) -> float:
        if self.http.drain_seconds is not None:
            return self.http.drain_seconds
        return 5.0 if self.environment == "production" else 0.0

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"

    def tenant_url(self, slug: str) -> str | None:
        """The address of an organisation's own sub-domain; None where organisations have none."""
        if self.http.tenant_domain is None:
            return None
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{slug}.{self.http.tenant_domain}{port}"
