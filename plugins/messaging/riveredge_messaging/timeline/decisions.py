"""Why a message went, waited or did not go: one row for each decision of a rule, shown as the message's timeline."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from riveredge_messaging.models import Decision, Delivery, Verdict
from riveredge_messaging.timeline.words import is_known
from riveredge_sdk import session, utcnow
from riveredge_sdk.models import uuid7


def note(
    message_id: UUID,
    *,
    rule: str,
    verdict: Verdict,
    reason: str,
    delivery_id: UUID | None = None,
    recipient_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Keep what a rule has decided; part of the running unit of work.

    Args:
        rule: which rule: `suppression`, `preference`, `digest`, `quiet_hours`, `throttle`, `escalation`, `failover`, …
        reason: a code that `words` has sentences for.
        delivery_id, recipient_id: whom it concerns; neither: the message as a whole.
        detail: small JSON values that the sentence names; no secrets.

    Raises:
        ValueError: there is no sentence for the reason.
    """
    _check(reason)
    session().add(
        Decision(
            message_id=message_id,
            delivery_id=delivery_id,
            recipient_id=recipient_id,
            rule=rule,
            verdict=verdict,
            reason=reason,
            detail=dict(detail or {}),
        )
    )


def note_on(
    delivery: Delivery, *, rule: str, verdict: Verdict, reason: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Keep what a rule has decided about one delivery; as `note`."""
    note(
        delivery.message_id,
        rule=rule,
        verdict=verdict,
        reason=reason,
        delivery_id=delivery.id,
        recipient_id=delivery.recipient_id,
        detail=detail,
    )


def decided_on(
    delivery: Delivery, *, rule: str, verdict: Verdict, reason: str, detail: Mapping[str, Any]
) -> dict[str, Any]:
    """The row of one of many decisions, for `note_all`; as `note_on`."""
    _check(reason)
    now = utcnow()
    return {
        "id": uuid7(),
        "created_at": now,
        "updated_at": now,
        "version": 1,
        "message_id": delivery.message_id,
        "delivery_id": delivery.id,
        "recipient_id": delivery.recipient_id,
        "at": now,
        "rule": rule,
        "verdict": verdict,
        "reason": reason,
        "detail": dict(detail),
    }


async def note_all(decided: Sequence[dict[str, Any]]) -> None:
    """Keep many decisions: one statement, and no object for each."""
    if decided:
        await session().exec(insert(Decision), params=decided)


def _check(reason: str) -> None:
    if not is_known(reason):
        raise ValueError(f"the reason {reason!r} has no sentence: give it one in riveredge_messaging.timeline.words")
