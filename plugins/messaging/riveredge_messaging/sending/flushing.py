"""From a bucket to the one message that comes of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from riveredge_messaging.metrics import DIGEST_SIZE
from riveredge_messaging.models import Delivery, DeliveryStatus, Message, MessageKind, Stage, Verdict
from riveredge_messaging.rules.deciding import IN_APP
from riveredge_messaging.rules.models import Bucket
from riveredge_messaging.sending import digests
from riveredge_messaging.sending.audience import Audience
from riveredge_messaging.sending.expanding import expand
from riveredge_messaging.sending.releasing import release_rows
from riveredge_messaging.templates.built_in import DIGEST
from riveredge_messaging.templates.catalog import channels, find_template, pinned_template
from riveredge_messaging.templates.composing import Reader, compose, load_look
from riveredge_messaging.templates.rendering import RenderError
from riveredge_messaging.timeline.decisions import note, note_on
from riveredge_sdk import get_service, session, utcnow
from riveredge_sdk.features.people import PEOPLE

_MAX_TEXT = 300


async def flush(bucket_id: UUID) -> int:
    """Send a digest; of how many messages. A single one goes out as it is. Part of the unit of work."""
    bucket = await digests.close(bucket_id)
    if bucket is None:
        return 0
    query = (
        select(Delivery)
        .where(col(Delivery.bucket_id) == bucket_id, col(Delivery.status) == DeliveryStatus.DEFERRED)
        .order_by(col(Delivery.id))
        .with_for_update()
    )
    rows = (await session().exec(query)).all()
    messages = await _current(rows)
    DIGEST_SIZE.observe(len(messages))
    alone = len(messages) == 1
    # What is over, cancelled or alone goes the way of all that has waited.
    await release_rows([row for row in rows if alone or row.message_id not in messages])
    if len(messages) > 1:
        await _send_together(bucket, [row for row in rows if row.message_id in messages], list(messages.values()))
    return len(messages)


async def _current(rows: Sequence[Delivery]) -> dict[UUID, Message]:
    """The messages that are still to be sent, oldest first."""
    ids = list({row.message_id for row in rows})
    found = (await session().exec(select(Message).where(col(Message.id).in_(ids)).order_by(col(Message.id)))).all()
    now = utcnow()
    return {
        message.id: message
        for message in found
        if message.cancelled_at is None
        and message.paused_at is None
        and (message.expires_at is None or message.expires_at > now)
    }


async def _send_together(bucket: Bucket, rows: Sequence[Delivery], messages: Sequence[Message]) -> None:
    wanted = str(bucket.rule["template"])
    template = await find_template(wanted) or await find_template(DIGEST.id)
    assert template is not None  # noqa: S101  (the plugin's own is always there)
    expiries = [message.expires_at for message in messages]
    together = Message(
        template=template.key,
        template_version_id=template.version_id,
        data={"count": len(messages), "items": await _items(bucket.recipient_id, messages)},
        kind=MessageKind.DIGEST,
        category=bucket.category,
        channels=template.channels(dict.fromkeys(row.channel for row in rows)),
        audience=Audience(users=[bucket.recipient_id]).kept(),
        expires_at=max((each for each in expiries if each is not None), default=None) if all(expiries) else None,
        stage=Stage.EXPANDING,
    )
    session().add(together)
    await session().flush()
    note(together.id, rule="digest", verdict=Verdict.INFO, reason="digest_of", detail={"count": len(messages)})
    bucket.message_id = together.id
    # One statement for all of them: they are locked, and nobody looks at them here any more.
    ended = {"status": DeliveryStatus.DIGESTED, "ended_at": utcnow(), "reason": "digested"}
    gathered = col(Delivery.id).in_([row.id for row in rows])
    await session().exec(update(Delivery).where(gathered).values(**ended, due_at=None, held_by=None))
    for row in rows:
        note_on(
            row,
            rule="digest",
            verdict=Verdict.INFO,
            reason="digested",
            detail={"message_id": str(together.id), "count": len(messages)},
        )
    await expand(together, 2)


async def _items(user_id: UUID, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """What the digest says of each message, as it would have looked in the inbox."""
    person = (await get_service(PEOPLE).find([user_id])).get(user_id)
    reader = Reader.of(person) if person is not None else Reader()
    look, there = await load_look(), channels()
    pins = {(message.template, message.template_version_id) for message in messages}
    templates = {pin: await pinned_template(*pin) for pin in pins}
    made = []
    for message in messages:
        template = templates[message.template, message.template_version_id]
        item = {"subject": message.template, "text": "", "link": None, "at": message.created_at.isoformat()}
        if template is not None:
            channel = there.get(IN_APP) or there[message.channels[0]]
            try:
                composed = compose(template, channel, message.data, reader, look)
            except RenderError:
                composed = None
            if composed is not None:
                item |= {
                    "subject": composed.subject or composed.text[:80],
                    "text": composed.text[:_MAX_TEXT],
                    "link": composed.options.get("link"),
                }
        made.append({**item, "data": message.data if len(str(message.data)) <= 2 * _MAX_TEXT else {}})
    return made
