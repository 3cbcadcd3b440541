"""`/api/v1/messaging/deliveries/{id}/sending`: how a delivery was handed over."""

from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.delivery.models import DeliveryAttempt, MessageConfig, ProviderNotice
from riveredge_messaging.delivery.schemas import AttemptOut, NoticeOut, SendingOut
from riveredge_messaging.permissions import MESSAGE_READ
from riveredge_messaging.repository import Deliveries
from riveredge_sdk import Router, session

router = Router(prefix="/deliveries", tag="Messaging: deliveries")


@router.get("/{delivery_id}/sending", require=MESSAGE_READ, summary="The attempts of a delivery, and what came back")
async def get_sending(delivery_id: UUID) -> SendingOut:
    delivery = await Deliveries().get(delivery_id)
    attempts = select(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id) == delivery_id)
    notices = select(ProviderNotice).where(col(ProviderNotice.delivery_id) == delivery_id)
    titles = {
        str(row_id): title
        for row_id, title in (await session().exec(select(MessageConfig.id, MessageConfig.title))).all()
    }
    return SendingOut(
        delivery_id=delivery_id,
        status=delivery.status,
        attempts=[
            AttemptOut(
                number=row.number,
                config=row.config,
                config_title=titles.get(row.config),
                provider=row.provider,
                state=row.state,
                created_at=row.created_at,
                ended_at=row.ended_at,
                error=row.error,
                reference=row.reference,
            )
            for row in (await session().exec(attempts.order_by(col(DeliveryAttempt.number)))).all()
        ],
        notices=[
            NoticeOut(kind=row.kind, at=row.at, detail=row.detail, received_at=row.created_at)
            for row in (await session().exec(notices.order_by(col(ProviderNotice.at)))).all()
        ],
    )
