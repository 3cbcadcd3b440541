"""What administrators do with configurations of providers."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.configs import health
from riveredge_messaging.configs.catalog import configs_of, fill, provider_of, providers, secrets_set
from riveredge_messaging.configs.choosing import prefers_cheapest, ranked
from riveredge_messaging.delivery.models import ConfigHealth, MessageConfig
from riveredge_messaging.delivery.queueing import queue
from riveredge_messaging.delivery.repository import Configs, Healths
from riveredge_messaging.delivery.schemas import (
    ConfigChange,
    ConfigIn,
    ConfigOut,
    HealthOut,
    ProviderOut,
    RouteOut,
)
from riveredge_messaging.models import Delivery, Message, MessageKind
from riveredge_messaging.reach.models import PUSH
from riveredge_messaging.repository import Messages
from riveredge_messaging.sending.audience import Audience
from riveredge_messaging.templates.built_in import CONFIG_TEST
from riveredge_sdk import current_principal, current_tenant, session, utcnow
from riveredge_sdk.problems import Invalid, NotFound, invalid_field
from riveredge_sdk.runtime import public_url

CALLBACKS = "/api/v1/messaging/callbacks"


def all_providers() -> list[ProviderOut]:
    """What configurations may name."""
    return [
        ProviderOut(
            id=provider.id,
            channel=provider.channel,
            title=provider.title,
            description=provider.description,
            settings_schema=provider.config.model_json_schema(),
            secrets=sorted(provider.config.secret_fields()),
            receives=provider.receives,
            supports_idempotency=provider.supports_idempotency,
        )
        for provider in sorted(providers().values(), key=lambda provider: (provider.channel, provider.id))
    ]


async def create(body: ConfigIn) -> MessageConfig:
    """Make a configuration.

    Raises:
        Invalid: there is no such provider, or a setting is not right.
    """
    row = MessageConfig(
        title=body.title,
        provider=body.provider,
        channel=provider_of(body.provider).channel,
        active=body.active,
        priority=body.priority,
        conditions=body.conditions.model_dump(mode="json"),
        per_minute=body.per_minute,
        cost=body.cost.model_dump(mode="json") if body.cost is not None else None,
        keeper_id=_person(),
    )
    _check_rate(row)
    fill(row, body.settings)
    await _check_currency(row)
    await Configs().add(row)
    await Healths().add(ConfigHealth(config=str(row.id)))
    return row


async def change(row: MessageConfig, body: ConfigChange) -> MessageConfig:
    """Change a configuration; what was wrong with it is forgotten if its settings change.

    Raises:
        Invalid: a setting is not right, or a stored secret would go to another place than it was given for.
    """
    given = body.model_dump(mode="json", exclude_unset=True, exclude={"settings"})
    if "title" in given and given["title"] is None:
        raise Invalid("A configuration needs a title.")
    for name, value in given.items():
        if value is not None or name in {"per_minute", "cost"}:
            setattr(row, name, value)
    _check_rate(row)
    await _check_currency(row)
    if body.settings is not None:
        fill(row, body.settings)
        row.keeper_id = _person()
        health.mend(await health.locked(str(row.id)))
    await session().flush()
    return row


async def delete(row: MessageConfig) -> None:
    """Delete a configuration. Deliveries that it had taken keep their attempts."""
    for found in await Healths().all(col(ConfigHealth.config) == str(row.id)):
        await Healths().delete(found)
    await Configs().delete(row)


async def take_out(row: MessageConfig, minutes: int) -> None:
    """Take it out of use for a while, as if it had failed: a drill."""
    (await health.locked(str(row.id))).out_until = utcnow() + timedelta(minutes=minutes)


async def resume(row: MessageConfig) -> None:
    """Use it again: end a drill, forget faults and failures."""
    health.mend(await health.locked(str(row.id)))


async def send_test(row: MessageConfig) -> Delivery:
    """Send a message through this configuration alone, to whoever asks.

    Raises:
        Invalid: an API key or a service asks, which has no address.
    """
    me = current_principal()
    if me.kind != "user":
        raise Invalid("A test goes to the person who asks for it; a service has no address.")
    message = await Messages().add(
        Message(
            template=CONFIG_TEST.id,
            data={"config": row.title},
            sender_id=me.id,
            correlation=f"messaging.config:{row.id}",
            kind=MessageKind.TEST,
            channels=[row.channel],
            audience=Audience(users=[me.id]).kept(),
            recipients=1,
        )
    )
    delivery = Delivery(message_id=message.id, recipient_id=me.id, channel=row.channel, pinned_config=str(row.id))
    session().add(delivery)
    await session().flush()
    queue([delivery])
    await session().flush()
    return delivery


async def shown(rows: Sequence[MessageConfig]) -> list[ConfigOut]:
    """The configurations as the API answers them."""
    there = providers()
    known = await health.healths([str(row.id) for row in rows])
    return [
        ConfigOut(
            id=row.id,
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            title=row.title,
            provider=row.provider,
            channel=row.channel,
            active=row.active,
            priority=row.priority,
            conditions=row.conditions,
            per_minute=row.per_minute,
            cost=row.cost,
            settings=row.values,
            secrets_set=secrets_set(row),
            callback_url=callback_url(row.id) if row.provider in there and there[row.provider].receives else None,
            health=_health(known.get(str(row.id)), active=row.active),
        )
        for row in rows
    ]


async def route_of(channel: str) -> list[RouteOut]:
    """What a channel's messages go through, in order, and how each of it does.

    Raises:
        NotFound: nothing is configured for such a channel.
    """
    usable, broken = await configs_of(channel)
    if not usable and not broken:
        raise NotFound(f"Nothing is configured for a channel {channel[:100]!r}.")
    known = await health.healths([config.key for config in usable])
    usable = ranked(usable, cheapest=await prefers_cheapest(channel))
    found = [
        RouteOut(
            config=config.key,
            title=config.title,
            provider=config.provider.id,
            conditions=config.conditions,
            cost=config.cost,
            health=_health(known.get(config.key), active=True),
        )
        for config in usable
        if config.active
    ]
    for each in broken:
        row = ConfigHealth(config=each.key, fault=each.reason)
        found.append(RouteOut(config=each.key, title=each.title, health=_health(row, active=True)))
    return found


def callback_url(config_id: UUID | str) -> str:
    """Where the provider of a configuration reports to."""
    return public_url(f"{CALLBACKS}/{current_tenant()}/{config_id}")


def _health(row: ConfigHealth | None, *, active: bool) -> HealthOut:
    state = health.state_of(row, utcnow())
    if not active:
        state = health.State(usable=False, reason="inactive")
    row = row or ConfigHealth(config="")
    return HealthOut(
        usable=state.usable,
        reason=state.reason,
        until=state.until,
        circuit=row.circuit,
        failures=row.failures,
        fault=row.fault,
        last_error=row.last_error,
        last_failure_at=row.last_failure_at,
    )


def _check_rate(row: MessageConfig) -> None:
    """One push goes to several devices through several configurations, so that none of them is waited for.

    Raises:
        Invalid: there is a rate nevertheless.
    """
    if row.per_minute is not None and row.channel == PUSH:
        raise invalid_field("per_minute", "Push services have quotas of their own; give none.", "no_rate")


async def _check_currency(row: MessageConfig) -> None:
    """Costs of a channel are compared, so they are in one currency.

    Raises:
        Invalid: they are not.
    """
    if row.cost is None:
        return
    for other in await Configs().all(col(MessageConfig.channel) == row.channel, col(MessageConfig.id) != row.id):
        if other.cost is not None and other.cost["currency"] != row.cost["currency"]:
            text = f"Costs are compared: give it in {other.cost['currency']}, as that of {other.title!r} is."
            raise invalid_field("cost.currency", text, "other_currency")


def _person() -> UUID | None:
    me = current_principal()
    return me.id if me.kind == "user" else None
