"""What schedules may cost, and the key that webhooks are signed with."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from riveredge_sdk import PluginSettings, TenantSettings, plugin_settings
from riveredge_sdk.webhooks import key_bytes


class SchedulingSettings(PluginSettings):
    """Limits for each tenant, from RIVEREDGE_SCHEDULING__…; the first three can be other ones for some (`quotas`)."""

    model_config = plugin_settings("scheduling")

    max_tasks: int = Field(default=1000, ge=0, description="Schedules of one tenant.")
    min_interval_s: int = Field(
        default=60, ge=1, description="Seconds between two fires. Below 60, cron expressions may have seconds."
    )
    max_running: int = Field(default=50, ge=1, description="Actions of one tenant at the same time.")
    max_backfill: int = Field(default=1000, ge=1, description="Fires of one backfill.")
    history_days: int = Field(default=90, ge=1, description="How long ended fires are kept.")


class SchedulingTenantSettings(TenantSettings):
    """A tenant's own."""

    webhook_secret: Annotated[
        SecretStr | None,
        Field(
            title="Signing key of webhooks",
            description="Receivers verify calls with it (Standard Webhooks). At least 24 characters.",
            min_length=24,
            max_length=200,
        ),
    ] = None

    @field_validator("webhook_secret")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key_bytes(value.get_secret_value())
        return value
