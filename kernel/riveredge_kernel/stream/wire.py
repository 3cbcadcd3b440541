"""The word between processes: PostgreSQL's LISTEN and NOTIFY, on one connection of its own.

It carries names of channels only; the pushes are read from the journal. What gets lost while the connection is away is
found by reading all followed channels when it is back.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from riveredge_kernel.db.grants import CHANNEL as GRANTS
from riveredge_kernel.db.grants import GrantsChange
from riveredge_kernel.stream.journal import ChannelId

log = structlog.get_logger(__name__)

CHANNEL = "riveredge_stream"
# PostgreSQL takes less than 8000 bytes.
_MAX_PAYLOAD = 7000
_ALIVE_SECONDS = 10.0
# The first word is sent at once; while there is much to say, what is said within this time is said together.
_TOGETHER_SECONDS = 0.02
_FIRST_RETRY, _MAX_RETRY = 0.2, 5.0


class StreamWire:
    """Tells other processes which channels have changed, and hears it from them."""

    def __init__(
        self,
        url: str,
        *,
        on_channels: Callable[[Iterable[ChannelId] | None], None],
        on_grants: Callable[[GrantsChange], None],
    ) -> None:
        """
        Args:
            on_channels: called with the channels that changed elsewhere; with None when any may have.
            on_grants: called when somebody's rights have changed.
        """
        self._engine = create_async_engine(url, poolclass=NullPool)
        self._on_channels = on_channels
        self._on_grants = on_grants
        self._me = uuid4().hex
        self._outgoing: set[ChannelId] = set()
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    async def start(self) -> None:
        """Connect, and stay connected."""
        self._task = asyncio.create_task(self._run(), name="stream wire")

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._engine.dispose()

    def tell(self, channels: Iterable[ChannelId]) -> None:
        """Tell the others. While there is no connection, they look for themselves."""
        self._outgoing.update(channels)
        self._work.set()

    async def _run(self) -> None:
        delay = _FIRST_RETRY
        while True:
            try:
                async with self._engine.connect() as connection:
                    raw: Any = (await connection.get_raw_connection()).driver_connection
                    delay = _FIRST_RETRY
                    await self._serve(raw)
            except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("stream_wire_lost", error=f"{type(error).__name__}: {error}"[:300], again_in=delay)
            finally:
                self.connected.clear()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_RETRY)

    async def _serve(self, raw: Any) -> None:
        raw.add_termination_listener(lambda *_: self._work.set())
        await raw.add_listener(CHANNEL, self._heard_channels)
        await raw.add_listener(GRANTS, self._heard_grants)
        self.connected.set()
        # Whatever was said while nobody listened.
        self._on_channels(None)
        self._on_grants(GrantsChange(everybody=True))
        while not raw.is_closed():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), _ALIVE_SECONDS)
            self._work.clear()
            outgoing, self._outgoing = self._outgoing, set()
            async with asyncio.timeout(_ALIVE_SECONDS):
                if not outgoing:
                    # A connection that was cut silently is noticed by this alone.
                    await raw.execute("SELECT 1")
                for payload in self._payloads(outgoing):
                    await raw.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
            await asyncio.sleep(_TOGETHER_SECONDS)

    def _payloads(self, channels: Iterable[ChannelId]) -> Iterable[str]:
        batch: list[list[str]] = []
        size = 0
        for tenant, topic, key in channels:
            entry = [tenant.hex, topic, key]
            length = len(json.dumps(entry)) + 2
            if size + length > _MAX_PAYLOAD:
                yield json.dumps([self._me, batch])
                batch, size = [], 0
            batch.append(entry)
            size += length
        if batch:
            yield json.dumps([self._me, batch])

    def _heard_channels(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        try:
            sender, entries = json.loads(payload)
            if sender == self._me:
                return
            channels = [(UUID(tenant), str(topic), str(key)) for tenant, topic, key in entries]
        except (ValueError, TypeError, AttributeError, RecursionError):
            log.warning("stream_wire_garbled")
            return
        self._on_channels(channels)

    def _heard_grants(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        self._on_grants(GrantsChange.from_text(payload))
