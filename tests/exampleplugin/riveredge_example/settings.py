"""Settings of the installation and of tenants."""

from typing import Annotated

from pydantic import Field, SecretStr

from riveredge_sdk import PluginSettings, TenantSettings, plugin_settings


class ExampleSettings(PluginSettings):
    """From RIVEREDGE_EXAMPLE__…"""

    model_config = plugin_settings("example")

    max_notes: int = Field(default=100_000, ge=1)
    welcome: bool = Field(default=False, description="Whether a new organisation begins with a note.")


class ExampleTenantSettings(TenantSettings):
    """What an organisation edits."""

    greeting: Annotated[str, Field(title="Greeting", description="Begins each reminder.", max_length=100)] = "Hello"
    diary: Annotated[str, Field(title="Diary", description="An event that is noted down.", max_length=200)] = ""
    api_token: Annotated[SecretStr | None, Field(title="Token", description="Of some service elsewhere.")] = None
