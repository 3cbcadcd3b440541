"""Tenants' settings of plugins: plain values as JSON, secrets as one encrypted text."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

from cryptography.fernet import InvalidToken, MultiFernet
from pydantic import BaseModel, SecretStr, ValidationError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.plugins.contributed import Contributed
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.models import TenantSettingsRow
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import FieldError, Invalid, PreconditionFailed, Unavailable, field_errors
from riveredge_sdk.uow import current_unit_of_work, read_session, session

ModelT = TypeVar("ModelT", bound=BaseModel)

# What stands for a stored secret in answers; sending it back keeps the secret.
MASK = "********"


@dataclass(frozen=True, slots=True)
class Stored(Generic[ModelT]):
    """Settings as they hold. `given` are the fields that the tenant has set; `version` 0 means that it has set none."""

    values: ModelT
    given: frozenset[str] = frozenset()
    version: int = 0
    # What the last change has changed.
    changed: frozenset[str] = frozenset()


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """The names of the fields that hold secrets."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    )


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The target with a JSON merge patch (RFC 7396): null takes a member away, objects are merged."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            inner = result.get(name)
            result[name] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def checked(model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
    """The values as the model takes them.

    Raises:
        Invalid: they do not fit; each field at fault is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(
            f"{error.error_count()} setting(s) to mend.",
            errors=field_errors(error.errors(), values),
        ) from None


class SettingsStore:
    """Reads and writes the current tenant's settings."""

    def __init__(self, plugins: PluginHost, vault: MultiFernet) -> None:
        self._plugins = plugins
        self._vault = vault

    def models(self) -> list[Contributed[type[BaseModel]]]:
        """Each plugin's settings model; a second one of the same plugin is left out."""
        found: dict[str, Contributed[Any]] = {}
        for contributed in self._plugins.collect(Plugin.tenant_settings):
            found.setdefault(contributed.plugin_id, contributed)
        return list(found.values())

    def model_of(self, plugin: str) -> type[BaseModel] | None:
        """The settings model of a plugin."""
        return next((c.item for c in self.models() if c.plugin_id == plugin), None)

    async def load(self, model: type[ModelT]) -> ModelT:
        """The current tenant's values; the model's defaults where nothing is stored.

        Raises:
            Unavailable: what is stored cannot be read any more (a lost key, a field that has changed its meaning).
        """
        plugin = next(c.plugin_id for c in self._plugins.collect(Plugin.tenant_settings) if c.item is model)
        return (await self.read(plugin, model)).values

    async def read(self, plugin: str, model: type[ModelT]) -> Stored[ModelT]:
        """The same with where each value comes from.

        Raises:
            Unavailable: what is stored cannot be read any more.
        """
        row = await self._row(plugin)
        if row is None:
            return Stored(model())
        try:
            raw = self._raw(row)
            return Stored(model.model_validate(raw), frozenset(raw), row.version)
        except (ValidationError, InvalidToken):
            raise Unavailable(
                f"The stored settings of {plugin!r} cannot be read; save them again.", extensions={"plugin": plugin}
            ) from None

    async def save(
        self, plugin: str, model: type[ModelT], values: Mapping[str, Any], *, version: int | None = None
    ) -> Stored[ModelT]:
        """Replace all of them; a secret that is sent as the mask stays what it was.

        Raises:
            Invalid: a value is not right, or a masked secret would be sent to another place than it was given for.
            PreconditionFailed: they have another version.
        """
        row = await self._locked(plugin, version)
        return await self._write(row, plugin, model, values)

    async def change(
        self, plugin: str, model: type[ModelT], patch: Mapping[str, Any], *, version: int
    ) -> Stored[ModelT]:
        """Apply a merge patch: null resets a field to its default, a secret that is sent as the mask stays.

        Raises:
            Invalid: a value is not right, or a stored secret would be sent to another place than it was given for.
            PreconditionFailed: they have another version.
        """
        row = await self._locked(plugin, version)
        unknown = [name for name in patch if name not in model.model_fields]
        if unknown:
            errors = [FieldError(name[:100], "There is no such setting.", "unknown_field") for name in unknown[:50]]
            raise Invalid(f"{len(unknown)} setting(s) to mend.", errors=errors)
        return await self._write(row, plugin, model, merged(self._shown(row, model), patch))

    async def reset(
        self, plugin: str, model: type[ModelT], fields: Iterable[str] | None, *, version: int
    ) -> Stored[ModelT]:
        """Give fields, or all of them, their defaults again.

        Raises:
            Invalid: a stored secret would be sent to another place than it was given for.
            PreconditionFailed: they have another version.
        """
        row = await self._locked(plugin, version)
        # Also where what is stored cannot be read any more.
        kept = {} if fields is None else self._shown(row, model)
        for name in fields or ():
            kept.pop(name, None)
        return await self._write(row, plugin, model, kept)

    async def _write(
        self, row: TenantSettingsRow | None, plugin: str, model: type[ModelT], values: Mapping[str, Any]
    ) -> Stored[ModelT]:
        secrets = secret_fields(model)
        before = self._readable(row)
        kept = {name: before[name] for name in secrets if before.get(name) is not None and values.get(name) == MASK}
        plain = {name: value for name, value in values.items() if name not in secrets or value != MASK}
        after = checked(model, {**plain, **kept})
        if kept and _redirected(model, before, after):
            message = "Give it anew: where it is sent has changed."
            raise Invalid(message, errors=[FieldError(name, message, "secret_redirected") for name in sorted(kept)])
        row = row or TenantSettingsRow(plugin=plugin)
        row.values = after.model_dump(mode="json", exclude=set(secrets), exclude_unset=True)
        held = {name: value for name in secrets if (value := getattr(after, name)) is not None}
        opened = {name: value.get_secret_value() for name, value in held.items()}
        raw = {**row.values, **opened}
        changed = frozenset(name for name in raw.keys() | before.keys() if raw.get(name) != before.get(name))
        if changed & secrets or row.secrets is None or not self._opens(row):
            row.secrets = self._vault.encrypt(json.dumps(opened).encode()).decode() if opened else None
        session().add(row)
        await session().flush()
        return Stored(after, frozenset(raw), row.version, changed)

    def _raw(self, row: TenantSettingsRow) -> dict[str, Any]:
        opened = json.loads(self._vault.decrypt(row.secrets.encode())) if row.secrets is not None else {}
        return {**row.values, **opened}

    def _opens(self, row: TenantSettingsRow) -> bool:
        try:
            self._raw(row)
        except InvalidToken:
            return False
        return True

    def _readable(self, row: TenantSettingsRow | None) -> dict[str, Any]:
        """What is stored, as far as it can still be read."""
        if row is None:
            return {}
        return self._raw(row) if self._opens(row) else dict(row.values)

    def _shown(self, row: TenantSettingsRow | None, model: type[BaseModel]) -> dict[str, Any]:
        """What is stored, with masks for secrets."""
        secrets = secret_fields(model)
        return {name: MASK if name in secrets else value for name, value in self._readable(row).items()}

    async def _locked(self, plugin: str, version: int | None) -> TenantSettingsRow | None:
        row = await self._row(plugin, lock=True)
        present = row.version if row is not None else 0
        if version is not None and version != present:
            raise PreconditionFailed(
                f"You have seen version {version}; they are at version {present} now. Read them again and retry.",
                extensions={"version": present},
            )
        return row

    async def _row(self, plugin: str, *, lock: bool = False) -> TenantSettingsRow | None:
        async def read(opened: AsyncSession) -> TenantSettingsRow | None:
            query = select(TenantSettingsRow).where(col(TenantSettingsRow.plugin) == plugin)
            return (await opened.exec(query.with_for_update() if lock else query)).one_or_none()

        if current_unit_of_work.get() is not None:
            return await read(session())
        async with read_session() as reading:
            return await read(reading)


def _redirected(model: type[BaseModel], before: Mapping[str, Any], after: BaseModel) -> bool:
    """Whether a field that says where secrets go has changed, or nobody can tell."""
    names: frozenset[str] = getattr(model, "secrets_sent_to", frozenset())
    try:
        old = model.model_validate(before)
    except ValidationError:
        return bool(names)
    return any(getattr(old, name) != getattr(after, name) for name in names)
