"""Faults that tests inject into the calls to apps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum

from .transport import HttpClient, Reply, TransportError, UnreachableError


class Fault(StrEnum):
    """What happens to a call."""

    UNREACHABLE = "unreachable"
    """No connection can be made."""
    LOST_REQUEST = "lost-request"
    """The connection breaks before the app has seen the request."""
    LOST_ANSWER = "lost-answer"
    """The app does its work, but its answer is lost."""
    TWICE = "twice"
    """The app gets the request twice; the second answer counts."""
    TIMEOUT = "timeout"
    """The app does its work, but has not answered when the engine gives up."""
    FAILED = "failed"
    """Something between the engine and the app answers 502, and the app has not seen the request."""


class Faults:
    """An `HttpClient` that passes calls on, except for those that a fault was injected for."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._pending: deque[tuple[Fault, str]] = deque()

    def inject(self, fault: Fault | str, *, function: str = "", times: int = 1) -> None:
        """Let the next calls (of one function, by its full id) go wrong. Raises ValueError for an unknown fault."""
        self._pending.extend([(Fault(fault), function)] * times)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float, limit: int
    ) -> Reply:
        """See `HttpClient.request`."""
        fault = self._take(url) if self._pending and method == "POST" else None
        if fault is Fault.UNREACHABLE:
            raise UnreachableError("an injected fault")
        if fault is Fault.LOST_REQUEST:
            raise TransportError("an injected fault")
        if fault is Fault.FAILED:
            return Reply(502, {"content-type": "text/plain"}, b"an injected fault")
        reply = await self._client.request(method, url, headers=headers, body=body, seconds=seconds, limit=limit)
        if fault is Fault.LOST_ANSWER:
            raise TransportError("an injected fault")
        if fault is Fault.TIMEOUT:
            raise TransportError(f"no answer within {seconds:g} s (an injected fault)")
        if fault is Fault.TWICE:
            return await self._client.request(method, url, headers=headers, body=body, seconds=seconds, limit=limit)
        return reply

    def _take(self, url: str) -> Fault | None:
        for entry in self._pending:
            if not entry[1] or f"fnId={entry[1]}&" in f"{url}&":
                self._pending.remove(entry)
                return entry[0]
        return None

    async def aclose(self) -> None:
        await self._client.aclose()
