"""What providers tell about messages they took: kept once each, then applied to deliveries, forwards only."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from riveredge_messaging.configs.catalog import opened, providers
from riveredge_messaging.delivery.models import DeliveryAttempt, MessageConfig, ProviderNotice
from riveredge_messaging.delivery.repository import Configs
from riveredge_messaging.events import NOTICES_RECEIVED, NoticesRef
from riveredge_messaging.feedback import suppression
from riveredge_messaging.metrics import REPORTS
from riveredge_messaging.models import Delivery, DeliveryStatus, Verdict
from riveredge_messaging.timeline.decisions import note_on
from riveredge_sdk import publish, session, utcnow
from riveredge_sdk.features.messaging import CallbackRefusedError, CallbackRequest, ProviderEvent
from riveredge_sdk.problems import BadRequest, Forbidden, NotFound

MAX_EVENTS = 1000
# So many mails that an address could not take for now, within this time, are as good as a hard bounce.
SOFT_BOUNCES = 3
SOFT_WINDOW = timedelta(days=30)

_STATUS = {
    "delivered": DeliveryStatus.DELIVERED,
    "opened": DeliveryStatus.OPENED,
    "failed": DeliveryStatus.FAILED,
    "soft_bounced": DeliveryStatus.BOUNCED,
    "bounced": DeliveryStatus.BOUNCED,
    "complained": DeliveryStatus.COMPLAINED,
}
# A status only ever gives way to one further on. What was given up may have arrived nevertheless.
_RANK = {
    DeliveryStatus.SENDING: 0,
    DeliveryStatus.UNKNOWN: 1,
    DeliveryStatus.FAILED: 1,
    DeliveryStatus.SENT: 1,
    DeliveryStatus.DELIVERED: 3,
    DeliveryStatus.OPENED: 4,
    DeliveryStatus.BOUNCED: 5,
    DeliveryStatus.COMPLAINED: 6,
}
# A provider that gives up on what it took goes further than taking it did.
_FAILED_RANK = 2


async def receive(config_id: UUID, request: CallbackRequest) -> int:
    """Take a provider's call in the unit of work of the organisation that its address names.

    Returns:
        How many of its events are new.

    Raises:
        NotFound: there is no such configuration.
        Forbidden: the call is not the provider's.
        BadRequest: it cannot be read.
    """
    row = await Configs().find(col(MessageConfig.id) == config_id)
    if row is None:
        raise NotFound("There is nothing at this address.")
    try:
        config = opened(row, providers())
        told = await config.provider.receive(config.settings, request)
    except LookupError:
        raise NotFound("There is nothing at this address.") from None
    except CallbackRefusedError as error:
        raise Forbidden(str(error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(f"The call cannot be read: {error}"[:300]) from None
    if len(told) > MAX_EVENTS:
        raise BadRequest(f"At most {MAX_EVENTS} events in one call.")
    new = await _new(config.key, told)
    session().add_all(new)
    await session().flush()
    for notice in new:
        REPORTS.labels(notice.kind).inc()
    if new:
        publish(NOTICES_RECEIVED, NoticesRef(config=config.key, notices=[notice.id for notice in new]))
    return len(new)


async def _new(config: str, told: Sequence[ProviderEvent]) -> list[ProviderNotice]:
    by_id = {_clean(event.id, 200): event for event in told if event.kind in _STATUS}
    query = select(ProviderNotice.event).where(
        col(ProviderNotice.config) == config, col(ProviderNotice.event).in_(list(by_id))
    )
    known = set((await session().exec(query)).all())
    return [
        ProviderNotice(
            config=config,
            event=event_id,
            kind=event.kind,
            reference=_clean(event.reference, 500),
            at=event.at,
            detail=_clean(event.detail, 500),
        )
        for event_id, event in by_id.items()
        if event_id not in known
    ]


def _clean(text: str, most: int) -> str:
    """What a database keeps of a text from outside."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:most]


async def apply(notice_ids: Sequence[UUID]) -> list[UUID]:
    """Apply notices to their deliveries. Inside a unit of work.

    Returns:
        Those that no delivery was found for: the answer of the provider may not be written down yet.
    """
    query = select(ProviderNotice).where(
        col(ProviderNotice.id).in_(notice_ids), col(ProviderNotice.delivery_id).is_(None)
    )
    notices = (await session().exec(query.order_by(col(ProviderNotice.at), col(ProviderNotice.id)))).all()
    found = await _deliveries(notices)
    left: list[UUID] = []
    for notice in notices:
        delivery = found.get(notice.reference)
        if delivery is None:
            left.append(notice.id)
        else:
            notice.delivery_id = delivery.id
            await _apply(notice, delivery)
    return left


async def _deliveries(notices: Sequence[ProviderNotice]) -> Mapping[str, Delivery]:
    """By reference: the deliveries that went through the configuration that tells."""
    by_config: dict[str, list[str]] = {}
    for notice in notices:
        by_config.setdefault(notice.config, []).append(notice.reference)
    found: dict[str, Delivery] = {}
    for config, references in by_config.items():
        ids = [made for reference in references if (made := _uuid(reference)) is not None]
        query = (
            select(DeliveryAttempt.reference, Delivery)
            .join(Delivery, col(Delivery.id) == col(DeliveryAttempt.delivery_id))
            .where(
                col(DeliveryAttempt.config) == config,
                or_(col(DeliveryAttempt.reference).in_(references), col(DeliveryAttempt.delivery_id).in_(ids)),
            )
            .order_by(col(Delivery.id))
            .with_for_update(of=Delivery)
        )
        for reference, delivery in (await session().exec(query)).all():
            found[str(delivery.id)] = delivery
            if reference:
                found[reference] = delivery
    return found


async def _apply(notice: ProviderNotice, delivery: Delivery) -> None:
    status = _STATUS[notice.kind]
    rank = _FAILED_RANK if status == DeliveryStatus.FAILED else _RANK[status]
    now = DeliveryStatus(delivery.status)
    if now not in _RANK or rank <= _RANK[now]:
        return
    delivery.status = status
    delivery.ended_at = delivery.ended_at or utcnow()
    delivery.error = notice.detail or None if rank in {_FAILED_RANK, 5, 6} else None
    note_on(
        delivery,
        rule="provider",
        verdict=Verdict.INFO,
        reason=notice.kind,
        detail={"detail": notice.detail},
    )
    if delivery.address is None:
        return
    if notice.kind == "complained":
        await _suppress(delivery, suppression.COMPLAINT, notice.detail)
    elif notice.kind == "bounced" or (notice.kind == "soft_bounced" and await _soft_bounces(delivery) >= SOFT_BOUNCES):
        await _suppress(delivery, suppression.HARD_BOUNCE, notice.detail)


async def _suppress(delivery: Delivery, reason: str, detail: str) -> None:
    assert delivery.address is not None  # noqa: S101  (asked before)
    await suppression.add(delivery.channel, delivery.address, reason, detail=detail, delivery_id=delivery.id)


async def _soft_bounces(delivery: Delivery) -> int:
    """How many mails to the address bounced of late, this one among them."""
    query = (
        select(ProviderNotice.id)
        .join(Delivery, col(Delivery.id) == col(ProviderNotice.delivery_id))
        .where(
            col(ProviderNotice.kind) == "soft_bounced",
            col(ProviderNotice.at) > utcnow() - SOFT_WINDOW,
            col(Delivery.address) == delivery.address,
            col(Delivery.channel) == delivery.channel,
        )
        .limit(SOFT_BOUNCES)
    )
    return len((await session().exec(query)).all())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
