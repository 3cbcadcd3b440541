"""`/api/v1/messaging/messages`: send messages, see what became of them and why, stop them and take them up again."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlmodel import col

from riveredge_messaging.delivery import attachments
from riveredge_messaging.models import Delivery, Message
from riveredge_messaging.permissions import MESSAGE_BROADCAST, MESSAGE_READ, MESSAGE_SEND, check_reach
from riveredge_messaging.repository import Deliveries, Messages
from riveredge_messaging.schemas import (
    CancelIn,
    Count,
    DeliveryOut,
    DryRun,
    MessageDetail,
    MessageIn,
    MessageOut,
    Progress,
    SendQuery,
    Timeline,
    TimelineQuery,
    Why,
    WhyQuery,
)
from riveredge_messaging.sending import planning, stopping
from riveredge_messaging.sending.audience import Audience
from riveredge_messaging.service import Messaging
from riveredge_messaging.timeline import explaining
from riveredge_messaging.timeline.progress import progress_of
from riveredge_sdk import ListQuery, Page, Router
from riveredge_sdk.audit import record
from riveredge_sdk.files import UNKNOWN, as_download

KIND = "messaging.message"
_SHOWN = 200
# A mail's worth of attachments, in base64.
MAX_BYTES = 15_000_000

router = Router(prefix="/messages", tag="Messaging: messages", audit=KIND)
messages = Messages()
deliveries = Deliveries()
messaging = Messaging()


@router.get(require=MESSAGE_READ, summary="List messages: the send log")
async def list_messages(query: Annotated[ListQuery, Query()]) -> Page[MessageOut]:
    return await messages.page(query, into=MessageOut)


@router.get("/why", require=MESSAGE_READ, summary="Why did this person get it, or not?")
async def explain_messages(query: Annotated[WhyQuery, Query()]) -> Why:
    """What became of a person's messages, newest first, with what each rule decided, in words."""
    return await explaining.why(query)


@router.get("/{message_id}", require=MESSAGE_READ, summary="One message with how far it is")
async def get_message(message_id: UUID) -> MessageDetail:
    return await _detail(await messages.get(message_id))


@router.post(require=MESSAGE_SEND, status=202, audit=False, max_body_size=MAX_BYTES, summary="Send a message")
async def send_message(
    body: MessageIn, query: Annotated[SendQuery, Query()], response: Response
) -> MessageDetail | DryRun:
    """Accepts the message; durable functions deliver it after this answer, 202.

    Attachments are files for the channels that carry some; they are kept as long as the message.
    With `dry_run` the answer, 200, says who would get what on which channel and when, or why not; nothing is sent.
    A message to `everyone` needs `messaging.message.broadcast` as well.
    """
    check_reach(everyone=body.everyone)
    if query.dry_run:
        response.status_code = 200
        return await planning.dry_run(body.notification())
    message = await messaging.send(body.notification(), strict=True)
    record("messaging.send_message", KIND, message.id, title=message.template)
    return await _detail(message)


@router.post("/cancel", require=MESSAGE_SEND, status=200, summary="Cancel all messages about something")
async def cancel_messages(body: CancelIn) -> Count:
    """What has been handed over already is not called back."""
    return Count(deliveries=await stopping.cancel_about(body.correlation))


@router.get("/{message_id}/progress", require=MESSAGE_READ, summary="How far a message is")
async def get_message_progress(message_id: UUID) -> Progress:
    message = await messages.get(message_id)
    return (await progress_of([message]))[message.id]


@router.get(
    "/{message_id}/attachments/{attachment_id}",
    require=MESSAGE_READ,
    summary="A file that went with a message",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {UNKNOWN: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def get_message_attachment(message_id: UUID, attachment_id: UUID) -> Response:
    """As it was attached; 404 for one that another plugin keeps."""
    file = await attachments.find(message_id, attachment_id)
    return as_download(file.content or b"", name=file.name, media_type=file.media_type)


@router.get("/{message_id}/timeline", require=MESSAGE_READ, summary="What was decided about a message, and why")
async def get_message_timeline(message_id: UUID, query: Annotated[TimelineQuery, Query()]) -> Timeline:
    return await explaining.timeline(await messages.get(message_id), query)


@router.post("/{message_id}/cancel", require=MESSAGE_SEND, status=200, summary="Cancel what has not been handed over")
async def cancel_message(message_id: UUID) -> MessageDetail:
    message = await messages.get(message_id, lock=True)
    await stopping.cancel(message)
    return await _detail(message)


@router.post("/{message_id}/pause", require=MESSAGE_BROADCAST, status=200, summary="Stop a message where it is")
async def pause_message(message_id: UUID) -> MessageDetail:
    message = await messages.get(message_id, lock=True)
    await stopping.pause(message)
    return await _detail(message)


@router.post("/{message_id}/resume", require=MESSAGE_BROADCAST, status=202, summary="Let a paused message go on")
async def resume_message(message_id: UUID) -> MessageDetail:
    message = await messages.get(message_id, lock=True)
    await stopping.resume(message)
    return await _detail(message)


@router.post("/{message_id}/retry-failed", require=MESSAGE_SEND, status=202, summary="Try again what has failed")
async def retry_failed_deliveries(message_id: UUID) -> Count:
    """Whoever has got it does not get it again."""
    return Count(deliveries=await stopping.retry_failed(await messages.get(message_id, lock=True)))


@router.post("/{message_id}/resend", require=MESSAGE_SEND, status=202, summary="Send the same message once more")
async def resend_message(message_id: UUID) -> MessageDetail:
    """A new message with the same recipients, data and channels, and today's version of the template."""
    message = await messages.get(message_id)
    check_reach(everyone=Audience.model_validate(message.audience).everyone)
    return await _detail(await messaging.send_again(message))


async def _detail(message: Message) -> MessageDetail:
    known = MessageOut.model_validate(message).model_dump()
    query = ListQuery(limit=_SHOWN, sort="created_at")
    page = await deliveries.page(query, col(Delivery.message_id) == message.id, into=DeliveryOut)
    progress = (await progress_of([message]))[message.id]
    files = await attachments.listed(message)
    return MessageDetail(**known, progress=progress, attachments=files, deliveries=page.items)
