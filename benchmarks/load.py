"""A small HTTP load generator: kept connections, prepared bytes; light enough not to be what is measured."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Result:
    """`latencies` in seconds, sorted."""

    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


def request_bytes(url: str, method: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One HTTP/1.1 request on a kept connection."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def hammer(url: str, request: Callable[[int], bytes], *, count: int, connections: int, expect: int) -> Result:
    """Send `count` requests over `connections` connections, one at a time on each.

    Raises:
        RuntimeError: an answer has another status than `expect`.
    """
    parts = urlsplit(url)
    numbers = iter(range(count))
    latencies: list[float] = []

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number in numbers:
            started = time.perf_counter()
            writer.write(request(number))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
            latencies.append(time.perf_counter() - started)
            if int(head[9:12]) != expect:
                raise RuntimeError(f"{head[:60]!r} {body[:300]!r}")
        writer.close()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(worker())
    return Result(time.perf_counter() - started, sorted(latencies))
