"""Why somebody got a message, or did not: what every rule decided, in the words of whoever asks."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from riveredge_messaging.models import Decision, Delivery, DeliveryStatus, Message
from riveredge_messaging.repository import Deliveries
from riveredge_messaging.schemas import DecisionOut, DeliveryOut, Explanation, Timeline, TimelineQuery, Why, WhyQuery
from riveredge_messaging.timeline.progress import progress_of
from riveredge_messaging.timeline.words import sentence
from riveredge_sdk import ListQuery, current_context, session

_LISTED = ("limit", "cursor", "filter", "sort")


async def timeline(message: Message, query: TimelineQuery) -> Timeline:
    """What was decided about a message, or about it for one person."""
    statement = select(Decision).where(col(Decision.message_id) == message.id)
    if query.person is not None:
        statement = statement.where(
            or_(col(Decision.recipient_id) == query.person, col(Decision.recipient_id).is_(None))
        )
    statement = statement.order_by(col(Decision.at), col(Decision.id)).offset(query.offset).limit(query.limit + 1)
    rows = (await session().exec(statement)).all()
    shown = rows[: query.limit]
    return Timeline(
        message_id=message.id,
        progress=(await progress_of([message]))[message.id],
        decisions=await _in_words(shown),
        next=query.offset + query.limit if len(rows) > query.limit else None,
    )


async def why(query: WhyQuery) -> Why:
    """What became of a person's messages, newest first, each with every decision."""
    about = (
        (Message.template, query.template),
        (Message.category, query.category),
        (Message.correlation, query.correlation),
    )
    wanted = [col(column) == value for column, value in about if value is not None]
    where: list[Any] = [col(Delivery.recipient_id) == query.person]
    if wanted:
        where.append(col(Delivery.message_id).in_(select(Message.id).where(*wanted)))
    if query.channel is not None:
        where.append(col(Delivery.channel) == query.channel)
    if query.since is not None:
        where.append(col(Delivery.created_at) >= query.since)
    if query.until is not None:
        where.append(col(Delivery.created_at) <= query.until)
    listed = ListQuery(**{name: getattr(query, name) for name in _LISTED})
    page = await Deliveries().page(listed, *where, into=DeliveryOut)
    ids = [delivery.message_id for delivery in page.items]
    messages = (await session().exec(select(Message).where(col(Message.id).in_(ids)))).all()
    items = await _explained(page.items, {message.id: message for message in messages})
    code = "why_some" if items else "why_none"
    return Why(person=query.person, words=sentence(code, _locale(), {"count": len(items)}), items=items, next=page.next)


async def _explained(deliveries: Sequence[DeliveryOut], messages: dict[UUID, Message]) -> list[Explanation]:
    of_delivery = select(Decision).where(col(Decision.delivery_id).in_([delivery.id for delivery in deliveries]))
    of_message = select(Decision).where(
        col(Decision.message_id).in_(list(messages)), col(Decision.recipient_id).is_(None)
    )
    rows = [*(await session().exec(of_message)).all(), *(await session().exec(of_delivery)).all()]
    found = []
    for delivery in deliveries:
        mine = [row for row in rows if delivery.id == row.delivery_id]
        around = [row for row in rows if row.delivery_id is None and row.message_id == delivery.message_id]
        decisions = await _in_words(sorted([*around, *mine], key=lambda row: (row.at, row.id)), {delivery.id: delivery})
        message = messages[delivery.message_id]
        found.append(
            Explanation(
                delivery=delivery,
                template=message.template,
                correlation=message.correlation,
                words=_answer(delivery, decisions),
                decisions=decisions,
            )
        )
    return found


def _answer(delivery: DeliveryOut, decisions: Sequence[DecisionOut]) -> str:
    """The sentence of the last word that was said about the delivery."""
    said = [each for each in decisions if each.delivery_id == delivery.id and each.verdict != "info"]
    if delivery.status in {DeliveryStatus.SENT, DeliveryStatus.DELIVERED, "opened"}:
        return sentence("got_it", _locale(), {"status": delivery.status})
    if delivery.status == DeliveryStatus.FAILED:
        return sentence("did_not_arrive", _locale(), {"error": delivery.error or delivery.status})
    if delivery.reason is not None:
        same = [each.words for each in decisions if each.reason == delivery.reason]
        return same[-1] if same else sentence(delivery.reason, _locale())
    return said[-1].words if said else sentence("on_its_way", _locale())


async def _in_words(rows: Sequence[Decision], known: dict[UUID, DeliveryOut] | None = None) -> list[DecisionOut]:
    channels = {key: delivery.channel for key, delivery in known.items()} if known else await _channels(rows)
    return [
        DecisionOut(
            at=row.at,
            rule=row.rule,
            verdict=row.verdict,
            reason=row.reason,
            words=" ".join(_sentences(row)),
            recipient_id=row.recipient_id,
            delivery_id=row.delivery_id,
            channel=channels.get(row.delivery_id) if row.delivery_id is not None else None,
            detail=row.detail,
        )
        for row in rows
    ]


def _sentences(row: Decision) -> Iterable[str]:
    for code in row.detail.get("passed", ()):
        yield sentence(code, _locale(), row.detail)
    yield sentence(row.reason, _locale(), row.detail)


async def _channels(rows: Sequence[Decision]) -> dict[UUID, str]:
    ids = {row.delivery_id for row in rows if row.delivery_id is not None}
    query = select(Delivery.id, Delivery.channel).where(col(Delivery.id).in_(list(ids)))
    return dict((await session().exec(query)).all())


def _locale() -> str:
    return current_context().locale
