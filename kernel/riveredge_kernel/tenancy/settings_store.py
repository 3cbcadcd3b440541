"""Tenants' settings of plugins: plain values as JSON, secrets as one encrypted text."""

import json
from typing import Any, TypeVar, get_args

from cryptography.fernet import InvalidToken, MultiFernet
from pydantic import BaseModel, SecretStr, ValidationError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.models import TenantSettingsRow
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import FieldError, Invalid, Unavailable
from riveredge_sdk.uow import current_unit_of_work, read_session, session

ModelT = TypeVar("ModelT", bound=BaseModel)

# What stands for a stored secret in answers; sending it back keeps the secret.
MASK = "********"


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """The names of the fields that hold secrets."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    )


def _redirected(before: BaseModel, after: BaseModel) -> bool:
    """Whether a field that says where secrets go has changed."""
    names: frozenset[str] = getattr(after, "secrets_sent_to", frozenset())
    return any(getattr(before, name) != getattr(after, name) for name in names)


class SettingsStore:
    """Reads and writes the current tenant's settings."""

    def __init__(self, plugins: PluginHost, vault: MultiFernet) -> None:
        self._plugins = plugins
        self._vault = vault

    def model_of(self, plugin: str) -> type[BaseModel] | None:
        """The settings model of a plugin."""
        return next((c.item for c in self._plugins.collect(Plugin.tenant_settings) if c.plugin_id == plugin), None)

    async def load(self, model: type[ModelT]) -> ModelT:
        """The current tenant's values; the model's defaults where nothing is stored.

        Raises:
            Unavailable: what is stored cannot be read any more (a lost key, a field that has changed its meaning).
        """
        plugin = next(c.plugin_id for c in self._plugins.collect(Plugin.tenant_settings) if c.item is model)
        row = await self._row(plugin)
        if row is None:
            return model()
        try:
            return model.model_validate({**row.values, **self._open(row)})
        except (ValidationError, InvalidToken):
            raise Unavailable(
                f"The stored settings of {plugin!r} cannot be read; save them again.", extensions={"plugin": plugin}
            ) from None

    async def save(self, plugin: str, model: type[ModelT], values: dict[str, Any]) -> ModelT:
        """Replace the settings; a secret that is sent as the mask stays what it was.

        Raises:
            Invalid: a value is not right, or a masked secret would be sent to another place than it was given for.
        """
        secrets = secret_fields(model)
        row = await self._row(plugin)
        kept = self._open(row) if row is not None else {}
        merged = {name: kept.get(name) if name in secrets and v == MASK else v for name, v in values.items()}
        try:
            checked = model.model_validate(merged)
        except ValidationError as error:
            raise Invalid(
                f"{error.error_count()} setting(s) to mend.",
                errors=[FieldError(".".join(map(str, e["loc"])), e["msg"], e["type"]) for e in error.errors()],
            ) from None
        masked = [name for name in secrets if kept.get(name) is not None and values.get(name) == MASK]
        if masked and row is not None and _redirected(model.model_validate({**row.values, **kept}), checked):
            message = "Give it anew: where it is sent has changed."
            raise Invalid(message, errors=[FieldError(name, message, "secret_redirected") for name in masked])
        if row is None:
            row = TenantSettingsRow(plugin=plugin)
        row.values = checked.model_dump(mode="json", exclude=set(secrets), exclude_unset=True)
        given = {name: value for name in secrets if (value := getattr(checked, name)) is not None}
        plain = {name: value.get_secret_value() for name, value in given.items()}
        row.secrets = self._vault.encrypt(json.dumps(plain).encode()).decode() if plain else None
        session().add(row)
        await session().flush()
        return checked

    def _open(self, row: TenantSettingsRow) -> dict[str, Any]:
        if row.secrets is None:
            return {}
        values: dict[str, Any] = json.loads(self._vault.decrypt(row.secrets.encode()))
        return values

    async def _row(self, plugin: str) -> TenantSettingsRow | None:
        async def read(opened: AsyncSession) -> TenantSettingsRow | None:
            query = select(TenantSettingsRow).where(col(TenantSettingsRow.plugin) == plugin)
            return (await opened.exec(query)).one_or_none()

        if current_unit_of_work.get() is not None:
            return await read(session())
        async with read_session() as reading:
            return await read(reading)
