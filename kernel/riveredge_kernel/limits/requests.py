"""How many requests an organisation may send. The answers tell it (draft-ietf-httpapi-ratelimit-headers).

The count is the database's, for all processes; each process takes slices of it, so that most requests only count down
a number in memory. A slice that a process does not use up is lost with the window: an organisation never gets more
than its limit, and at most a twentieth less for each process.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from riveredge_kernel.limits.limiter import Limiter
from riveredge_sdk.problems import TooManyRequests

PER_MINUTE, PER_DAY = "kernel.requests_per_minute", "kernel.requests_per_day"
_WINDOWS = {PER_MINUTE: ("minute", 60), PER_DAY: ("day", 86_400)}
_SLICES = 20
_MAX_SLICE = 500
_REMEMBERED = 10_000


@dataclass(slots=True)
class _Window:
    """One window of one tenant. `left` is what this process may still give, `taken` what all have taken by then."""

    number: int
    limit: int
    left: int = 0
    taken: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def remaining(self) -> int:
        return max(self.limit - self.taken, 0) + self.left


class RequestQuotas:
    """Counts requests."""

    def __init__(self, limiter: Limiter, now: Callable[[], datetime]) -> None:
        self._limiter = limiter
        self._now = now
        self._windows: dict[tuple[UUID, str], _Window] = {}

    async def count(self, tenant_id: UUID, limits: Mapping[str, int | None]) -> dict[str, str]:
        """Count one request; the headers that tell what is left. Empty where there is no limit.

        Args:
            limits: by quota, what the organisation may send.

        Raises:
            TooManyRequests: it was one too many.
        """
        policies: list[str] = []
        told: list[str] = []
        headers: dict[str, str] = {}
        now = self._now().timestamp()
        for quota, (name, seconds) in _WINDOWS.items():
            limit = limits.get(quota)
            if limit is None:
                continue
            window = self._window(tenant_id, quota, int(now // seconds), limit)
            ends = (window.number + 1) * seconds
            allowed = window.left > 0 or await self._lease(window, f"{quota}\n{tenant_id}", ends)
            if allowed:
                window.left -= 1
            policies.append(f'"{name}";q={limit};w={seconds}')
            told.append(f'"{name}";r={window.remaining};t={max(1, int(ends - now))}')
            headers = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(told)}
            if not allowed:
                wait = str(max(1, int(ends - now)))
                raise TooManyRequests(
                    f"The organisation may send {limit} requests a {name}. Try again in {wait} s.",
                    headers={**headers, "Retry-After": wait},
                    extensions={"quota": quota, "limit": limit},
                )
        return headers

    def _window(self, tenant_id: UUID, quota: str, number: int, limit: int) -> _Window:
        window = self._windows.get((tenant_id, quota))
        if window is None or window.number != number or window.limit != limit:
            if len(self._windows) >= _REMEMBERED:
                self._windows.clear()
            window = self._windows[tenant_id, quota] = _Window(number, limit)
        return window

    async def _lease(self, window: _Window, key: str, ends: int) -> bool:
        """Take another slice, unless somebody else did meanwhile; whether there is anything to give."""
        async with window.lock:
            if window.left <= 0 and window.taken < window.limit:
                wanted = min(max(window.limit // _SLICES, 1), _MAX_SLICE)
                until = datetime.fromtimestamp(ends, UTC)
                window.taken = await self._limiter.add(f"{key}\n{window.number}\n{window.limit}", wanted, until)
                window.left = max(wanted - max(window.taken - window.limit, 0), 0)
            return window.left > 0
