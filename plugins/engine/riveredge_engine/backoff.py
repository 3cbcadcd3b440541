"""When a failed call is made again."""

from __future__ import annotations

import random

from .core import Core
from .durations import DAY, HOUR, MINUTE, SECOND

TABLE = (
    15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR, 2 * HOUR,
)  # fmt: skip
JITTER = 30 * SECOND


def next_try(core: Core, attempt: int, retry_at: int | None) -> int:
    """The instant of the next try after attempt number `attempt` (from 0) failed.

    `retry_at` is what the app asked for, in its own wall time, and holds within 1 s and 24 h from now.
    """
    now = core.now()
    if retry_at is not None:
        return min(max(core.clock.from_wall_ms(retry_at), now + SECOND), now + DAY)
    if core.options.retry_interval_ms is not None:
        return now + core.options.retry_interval_ms
    return now + TABLE[min(attempt, len(TABLE) - 1)] + random.randrange(JITTER)  # noqa: S311 - spreads load, no secret
