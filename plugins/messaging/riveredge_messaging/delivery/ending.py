"""Ends deliveries, and tells others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from riveredge_messaging.delivery.models import AttemptState, DeliveryAttempt
from riveredge_messaging.events import DELIVERY_FAILED, DELIVERY_SENT, DeliveriesRef
from riveredge_messaging.models import Delivery, DeliveryStatus, Verdict
from riveredge_messaging.timeline.decisions import note_on
from riveredge_sdk import publish, utcnow

MAX_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a delivery ends that nobody gets.

    Args:
        reason: a code of `words`.
        error: for administrators.
        detail: what the sentence names besides the error.
    """

    status: DeliveryStatus
    reason: str
    error: str
    rule: str = "delivery"
    detail: Mapping[str, Any] = field(default_factory=dict)


def end(delivery: Delivery, status: DeliveryStatus, *, reason: str, error: str) -> None:
    """End a delivery that nobody gets, and tell others. Inside a unit of work."""
    stop(delivery, Stop(status, reason, error))


def stop(delivery: Delivery, why: Stop, tried: Sequence[DeliveryAttempt] = ()) -> None:
    """The same, of one that was tried before: what may have been sent has not simply expired."""
    if why.status == DeliveryStatus.EXPIRED and any(attempt.state == AttemptState.UNKNOWN for attempt in tried):
        why = replace(why, status=DeliveryStatus.UNKNOWN, reason="unknown_expired")
    close(delivery, why)
    tell_failed(delivery.channel, [delivery.id])


def close(delivery: Delivery, why: Stop) -> None:
    """End one of many, of which others are told together."""
    delivery.status, delivery.ended_at, delivery.next_at = why.status, utcnow(), None
    delivery.error, delivery.reason = why.error[:MAX_ERROR], why.reason
    note_on(
        delivery,
        rule=why.rule,
        verdict=Verdict.STOPPED,
        reason=why.reason,
        detail={"error": why.error[:500], **why.detail},
    )


def tell_failed(channel: str, deliveries: Sequence[UUID]) -> None:
    """Tell others that nobody gets deliveries. Inside a unit of work."""
    publish(DELIVERY_FAILED, DeliveriesRef(channel=channel, deliveries=list(deliveries)))


def tell_sent(channel: str, deliveries: Sequence[UUID]) -> None:
    """Tell others that deliveries were taken. Inside a unit of work."""
    publish(DELIVERY_SENT, DeliveriesRef(channel=channel, deliveries=list(deliveries)))
