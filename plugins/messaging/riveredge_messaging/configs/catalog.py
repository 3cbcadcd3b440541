"""Configurations of providers: which there are for a channel, and how they are kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlmodel import col

from riveredge_messaging.delivery.models import MessageConfig
from riveredge_messaging.delivery.repository import Configs
from riveredge_messaging.delivery.schemas import Conditions, Cost
from riveredge_messaging.providers.smtp_config import InstallationSmtp, SmtpConfig
from riveredge_messaging.settings import MessagingSettings, MessagingTenantSettings
from riveredge_sdk import Plugin, contributions, tenant_settings
from riveredge_sdk.features.messaging import MessageProvider, ProviderConfig
from riveredge_sdk.problems import FieldError, Invalid, field_errors, invalid_field
from riveredge_sdk.secrets import UnreadableSecretError, seal, unseal

# The keys of configurations that are no rows: the organisation's mail settings, the installation's mail server.
OF_SETTINGS = "settings"
OF_INSTALLATION = "installation"
BUILT_IN = frozenset({OF_SETTINGS, OF_INSTALLATION})
SMTP = "messaging.smtp"
_REDIRECTED = "Give it anew: where it is sent has changed."


@dataclass(frozen=True, slots=True)
class Usable:
    """A configuration as it is used. `key` is its row's id, or the name of one that is no row."""

    key: str
    title: str
    provider: MessageProvider[Any]
    settings: ProviderConfig
    conditions: Conditions = field(default_factory=Conditions)
    per_minute: int | None = None
    active: bool = True
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A configuration that cannot be used, and why."""

    key: str
    title: str
    reason: str


def providers() -> dict[str, MessageProvider[Any]]:
    """The providers of the plugins that are on, by id."""
    return {provider.id: provider for provider in contributions(Plugin.message_providers)}


def provider_of(provider_id: str) -> MessageProvider[Any]:
    """The provider.

    Raises:
        Invalid: there is none.
    """
    there = providers()
    if provider_id not in there:
        known = ", ".join(sorted(there))
        raise invalid_field("provider", f"There is no provider {provider_id[:100]!r}; there are: {known}.", "unknown")
    return there[provider_id]


async def configs_of(channel: str) -> tuple[list[Usable], list[Broken]]:
    """What the current tenant has for a channel, in the order in which it is used, and what cannot be used.

    Those that are not active are among them, for tests. The organisation's mail settings come last; who has nothing
    active of its own uses the installation's.
    """
    usable: list[Usable] = []
    broken: list[Broken] = []
    there = providers()
    rows = await Configs().all(col(MessageConfig.channel) == channel)
    for row in sorted(rows, key=lambda row: (row.priority, row.id)):
        try:
            usable.append(opened(row, there))
        except LookupError as error:
            if row.active:
                broken.append(Broken(str(row.id), row.title, str(error)))
    smtp = there.get(SMTP)
    if smtp is not None and smtp.channel == channel:
        own = await tenant_settings(MessagingTenantSettings)
        if own.smtp_host is not None:
            usable.append(Usable(OF_SETTINGS, "Mail settings", smtp, _from_settings(own)))
        installation = MessagingSettings().smtp
        if not broken and installation.host is not None and not any(each.active for each in usable):
            usable.append(Usable(OF_INSTALLATION, "Installation", smtp, installation_smtp(own.sender)))
    return usable, broken


def opened(row: MessageConfig, there: Mapping[str, MessageProvider[Any]]) -> Usable:
    """The row with its secrets.

    Raises:
        LookupError: its provider is gone, or what is stored cannot be read any more; the message is for people.
    """
    provider = there.get(row.provider)
    if provider is None:
        raise LookupError(f"The provider {row.provider} is not there any more.")
    try:
        settings = provider.config.model_validate({**row.values, **_secrets_of(row)})
    except (ValidationError, UnreadableSecretError):
        raise LookupError("The stored settings cannot be read any more; save them again.") from None
    return Usable(
        str(row.id),
        row.title,
        provider,
        settings,
        Conditions.model_validate(row.conditions),
        row.per_minute,
        row.active,
        Cost.model_validate(row.cost) if row.cost is not None else None,
    )


def secrets_set(row: MessageConfig) -> list[str]:
    """The names of the secrets that are stored."""
    try:
        return sorted(_secrets_of(row))
    except UnreadableSecretError:
        return []


def fill(row: MessageConfig, given: Mapping[str, Any]) -> None:
    """Put settings into a row. Those that are not given stay, null takes one away, secrets are sealed.

    Raises:
        Invalid: a setting is not right, or a stored secret would be sent to another place than it was given for.
    """
    model = provider_of(row.provider).config
    names = model.secret_fields()
    try:
        kept = _secrets_of(row)
    except UnreadableSecretError:
        kept = {}
    merged = {name: value for name, value in {**row.values, **kept, **given}.items() if value is not None}
    try:
        checked = model.model_validate(merged)
    except ValidationError as error:
        raise Invalid(
            f"{error.error_count()} setting(s) to mend.",
            errors=field_errors(error.errors(), merged, under=["settings"]),
        ) from None
    values = checked.model_dump(mode="json", exclude=set(names), exclude_unset=True)
    moved = any(row.values.get(name) != values.get(name) for name in model.secrets_sent_to)
    stale = sorted(name for name in kept if name not in given)
    if stale and moved:
        raise Invalid(
            _REDIRECTED, errors=[FieldError(f"settings.{name}", _REDIRECTED, "secret_redirected") for name in stale]
        )
    row.values = values
    plain = {name: value.get_secret_value() for name in names if (value := getattr(checked, name)) is not None}
    row.secrets = seal(json.dumps(plain)) if plain else None


def _secrets_of(row: MessageConfig) -> dict[str, str]:
    if row.secrets is None:
        return {}
    found: dict[str, str] = json.loads(unseal(row.secrets))
    return found


def _from_settings(own: MessagingTenantSettings) -> SmtpConfig:
    assert own.smtp_host is not None  # noqa: S101  (asked before)
    return SmtpConfig(
        host=own.smtp_host,
        port=own.smtp_port,
        tls=own.smtp_tls,
        username=own.smtp_username,
        password=own.smtp_password,
        sender=own.sender or MessagingSettings().smtp.sender,
    )


def installation_smtp(sender: str | None = None) -> InstallationSmtp:
    """The installation's mail server, with the organisation's sender if it has one.

    Raises:
        LookupError: the installation has none.
    """
    smtp = MessagingSettings().smtp
    if smtp.host is None:
        raise LookupError("The installation has no mail server.")
    return InstallationSmtp(
        host=smtp.host,
        port=smtp.port,
        tls=smtp.tls,
        username=smtp.username,
        password=smtp.password,
        sender=sender or smtp.sender,
    )
