"""From a message to deliveries: for each person on each channel a row that goes out, waits, or says why it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from riveredge_messaging.delivery.queueing import queue
from riveredge_messaging.inbox.filling import Filling
from riveredge_messaging.metrics import DECIDED
from riveredge_messaging.models import Delivery, DeliveryStatus, Message, Stage, Verdict
from riveredge_messaging.rules import throttles
from riveredge_messaging.rules.categories import GENERAL, all_categories
from riveredge_messaging.rules.deciding import IN_APP, Rules, Ruling
from riveredge_messaging.rules.models import Bucket
from riveredge_messaging.sending import digests
from riveredge_messaging.sending.audience import Audience
from riveredge_messaging.sending.holding import hold
from riveredge_messaging.templates.catalog import channels
from riveredge_messaging.timeline.decisions import decided_on, note_all
from riveredge_sdk import session, utcnow
from riveredge_sdk.features.message_categories import MessageCategory

# So many people at a time in a durable function; so many at once with the request.
PAGE = 500
INLINE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to become of the message for one person on one channel."""

    user_id: UUID
    via: str
    channel: str
    ruling: Ruling
    bucket: Bucket | None = None


async def category_of(message: Message) -> MessageCategory:
    """The message's category, or the general one if it is gone since."""
    return (await all_categories()).get(message.category, GENERAL)


async def expand(message: Message, limit: int) -> int:
    """Make the deliveries of the next people; how many people that were. Fewer than `limit`: they were the last.

    Part of the unit of work, which holds the message's row or has made it.
    """
    page = await Audience.model_validate(message.audience).page(message.cursor, limit)
    planned = await plan(message, page, writes=True)
    await _write(message, planned)
    if page:
        message.cursor = page[-1][0]
        message.recipients += len(page)
    message.stage = Stage.READY if len(page) < limit else Stage.EXPANDING
    await session().flush()
    return len(page)


async def plan(message: Message, page: Sequence[tuple[UUID, str]], *, writes: bool) -> list[Planned]:
    """Ask the rules about these people.

    Args:
        writes: join digests and take places of throttles; False: only look.
    """
    there = channels()
    mine = {key: there[key] for key in message.channels if key in there}
    rules = await Rules.load(message, await category_of(message), mine, [user_id for user_id, _ in page])
    now = utcnow()
    found: list[Planned] = []
    for user_id, via in page:
        # In one order by all: they take the person's places in throttles.
        admitted = {channel: rules.admit(user_id, channel, now) for channel in sorted(message.channels)}
        gathered = await _gather(rules, user_id, admitted, now, writes=writes)
        for channel, ruling in admitted.items():
            planned = ruling
            if ruling.status == DeliveryStatus.QUEUED:
                planned = gathered[1] if gathered else await _when(rules, user_id, channel, ruling, now, writes=writes)
            bucket = gathered[0] if gathered and planned is gathered[1] else None
            found.append(Planned(user_id=user_id, via=via, channel=channel, ruling=planned, bucket=bucket))
    return found


async def _gather(
    rules: Rules, user_id: UUID, admitted: Mapping[str, Ruling], now: datetime, *, writes: bool
) -> tuple[Bucket | None, Ruling] | None:
    """The digest that the message goes into, where it does."""
    if not rules.gathers or not any(ruling.status == DeliveryStatus.QUEUED for ruling in admitted.values()):
        return None
    person, bucket = rules.people[user_id], None
    if writes:
        bucket = await digests.gather(rules.message, person, rules.category, now)
        due_at = bucket.due_at if bucket is not None else None
    else:
        due_at = await digests.look(rules.message, person, rules.category, now)
    if due_at is None:
        return None
    detail = {"until": due_at.isoformat()}
    ruling = Ruling(status=DeliveryStatus.DEFERRED, rule="digest", reason="digest", detail=detail, due_at=due_at)
    return bucket, ruling


async def _when(rules: Rules, user_id: UUID, channel: str, admitted: Ruling, now: datetime, *, writes: bool) -> Ruling:
    """Now, or the first rule that holds it."""
    held = rules.escalate(channel, rules.message.send_at or now) or rules.wait(user_id, channel, now)
    if held is not None:
        return held
    return await take_turn(rules, user_id, channel, admitted, now, writes=writes)


async def take_turn(
    rules: Rules, user_id: UUID, channel: str, admitted: Ruling, now: datetime, *, writes: bool = True
) -> Ruling:
    """The last rule: how many messages a person gets on a channel."""
    quiet = "inbox_always" if channel == IN_APP else "quiet_bypassed" if rules.category.kind == "critical" else "awake"
    passed = (*admitted.passed, quiet)
    rule = rules.category.throttle
    if rule is None or channel == IN_APP or rules.category.kind == "critical" or rules.is_test:
        return Ruling(status=DeliveryStatus.QUEUED, rule="pipeline", reason="all_clear", passed=passed)
    ask = throttles.reserve if writes else throttles.look
    due_at = await ask(user_id, rules.category.id, channel, rule, now)
    if due_at is None:
        return Ruling(status=DeliveryStatus.QUEUED, rule="pipeline", reason="all_clear", passed=(*passed, "in_rate"))
    detail = {"until": due_at.isoformat(), "messages": rule.messages, "seconds": rule.per_s}
    return Ruling(status=DeliveryStatus.DEFERRED, rule="throttle", reason="throttle", detail=detail, due_at=due_at)


async def _write(message: Message, planned: Sequence[Planned]) -> None:
    made = [
        Delivery(
            message_id=message.id,
            recipient_id=each.user_id,
            channel=each.channel,
            via=each.via[:210],
            bucket_id=each.bucket.id if each.bucket is not None else None,
        )
        for each in planned
    ]
    decided = [rule_on(delivery, each.ruling) for delivery, each in zip(made, planned, strict=True)]
    queued = [delivery for delivery in made if delivery.status == DeliveryStatus.QUEUED]
    queue(delivery for delivery in queued if delivery.channel != IN_APP)
    # An inbox needs no provider: what is for it is there with the commit.
    inboxes = await Filling.of(message, [delivery for delivery in queued if delivery.channel == IN_APP])
    # Each row is written once, with what became of it, and past the ORM, which costs more than all the rest.
    if made:
        await session().exec(insert(Delivery), params=[row.model_dump(exclude={"tenant_id"}) for row in made])
    await note_all(decided)
    await inboxes.fill()
    await session().flush()
    # A digest has a timer of its own.
    await hold(delivery for delivery in made if delivery.due_at is not None and delivery.bucket_id is None)


def rule_on(delivery: Delivery, ruling: Ruling) -> dict[str, Any]:
    """Note on the delivery what the rules say; the decision, for `note_all`."""
    held = ruling.status == DeliveryStatus.DEFERRED
    is_over = ruling.status not in (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)
    delivery.status = ruling.status
    delivery.due_at = ruling.due_at
    delivery.held_by = ruling.rule if held else None
    delivery.reason = ruling.reason if held or is_over else None
    delivery.ended_at = utcnow() if is_over else None
    verdict = Verdict.HELD if held else Verdict.STOPPED if is_over else Verdict.LET_THROUGH
    DECIDED.labels(ruling.rule, verdict).inc()
    return decided_on(
        delivery,
        rule=ruling.rule,
        verdict=verdict,
        reason=ruling.reason,
        detail={**ruling.detail, "passed": list(ruling.passed)} if ruling.passed else ruling.detail,
    )
