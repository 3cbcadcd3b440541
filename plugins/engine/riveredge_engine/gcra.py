"""The generic cell rate algorithm: a rate with a burst in one number, the theoretical arrival time."""

from __future__ import annotations

from .config import Rate


def opens_at(rate: Rate, arrival: float) -> float:
    """When the next start is allowed, in milliseconds, given the theoretical arrival time so far."""
    interval = rate.period_ms / rate.limit
    return arrival - interval * (rate.burst - 1)


def arrive(rate: Rate, arrival: float, now: int) -> float:
    """The theoretical arrival time after a start now."""
    return max(arrival, float(now)) + rate.period_ms / rate.limit
