"""Lets a few in at a time, keeps a bounded queue, and turns the rest away at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from riveredge_sdk.problems import TooManyRequests, Unavailable

_LATER = {"Retry-After": "3"}


class Turnstile:
    """For work that costs much: what waits holds neither a thread nor a database connection.

    Args:
        active: how many work at the same time in this process.
        waiting: how many more may wait. Half of them may come from one address, so that a flood from there leaves
            room for others.
    """

    def __init__(self, *, active: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(active)
        self._room = active + waiting
        self._share = active + waiting // 2
        self._inside: Counter[str] = Counter()

    @asynccontextmanager
    async def enter(self, address: str) -> AsyncIterator[None]:
        """Work in the block.

        Raises:
            TooManyRequests: too many of this address wait already.
            Unavailable: too many of all wait already.
        """
        if self._inside[address] >= self._share:
            raise TooManyRequests("Too many sign in from your network at this moment.", headers=_LATER)
        if self._inside.total() >= self._room:
            raise Unavailable("Too many people sign in at this moment.", headers=_LATER)
        self._inside[address] += 1
        try:
            async with self._free:
                yield
        finally:
            self._inside[address] -= 1
            if not self._inside[address]:
                del self._inside[address]
