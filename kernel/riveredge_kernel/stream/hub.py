"""Brings pushes to the connections of this process.

Somebody says that a channel has changed, and the hub reads it in the database from where its followers are. So it does
not matter whether that word was late, doubled, lost or forged: nothing is sent that is not in the journal, and in the
journal's order. What this process itself has committed it need not read, where it is the next in its channel.
"""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from riveredge_kernel.metrics import STREAM_CONNECTIONS, STREAM_MESSAGES
from riveredge_kernel.stream.follower import GOING_AWAY, INTERNAL, Follower, Subscription, about, told
from riveredge_kernel.stream.journal import MAX_READ, ChannelId, Name, Numbered, StreamJournal
from riveredge_sdk.models import utcnow

log = structlog.get_logger(__name__)

# A word of a push may be lost with the connection that brings it; this finds it all the same.
SWEEP_SECONDS = 5.0
# On SQLite there is nobody to bring the word from one process to another.
POLL_SECONDS = 1.0
# How late a transaction may commit after it numbered its pushes.
_LATE = timedelta(seconds=60)
# Grants are looked at again even if nobody said that they have changed.
RECHECK_SECONDS = 20.0
_RETRY = 1.0


class Rechecks(Protocol):
    """Looks again at what a connection may."""

    async def recheck(self, follower: Follower) -> None: ...


@dataclass(slots=True)
class _Channel:
    read: int
    followers: set[Subscription] = field(default_factory=set)


class StreamHub:
    """The connections of this process and the channels they follow."""

    def __init__(self, journal: StreamJournal, *, polls: bool) -> None:
        self._journal = journal
        self._every = POLL_SECONDS if polls else SWEEP_SECONDS
        self._followers: set[Follower] = set()
        self._channels: dict[ChannelId, _Channel] = {}
        self._dirty: set[ChannelId] = set()
        self._joining: list[Subscription] = []
        self._work = asyncio.Event()
        self._stale = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.rechecks: Rechecks | None = None
        self.draining = False

    async def start(self) -> None:
        """Begin to read."""
        self._tasks = [
            asyncio.create_task(self._read_on(), name="stream reader"),
            asyncio.create_task(self._sweep_on(), name="stream sweeper"),
            asyncio.create_task(self._recheck_on(), name="stream grants"),
        ]

    async def stop(self) -> None:
        """End; connections that are still there are closed."""
        await self.drain(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drain(self, seconds: float) -> None:
        """Send the clients elsewhere, spread over that time so that they do not all come back at once."""
        self.draining = True
        leaving = list(self._followers)
        random.shuffle(leaving)
        for follower in leaving:
            follower.close(GOING_AWAY, "The process restarts; connect again.")
            await asyncio.sleep(seconds / len(leaving))

    # -- connections ----------------------------------------------------------------------------------------------

    def count(self, principal_id: UUID | None = None) -> int:
        """How many connections there are, of one principal or of all."""
        if principal_id is None:
            return len(self._followers)
        return sum(follower.principal.id == principal_id for follower in self._followers)

    def add(self, follower: Follower) -> None:
        """A connection is there."""
        self._followers.add(follower)
        STREAM_CONNECTIONS.set(len(self._followers))

    def remove(self, follower: Follower) -> None:
        """It is gone, and so is what it followed."""
        for subscription in list(follower.subscriptions.values()):
            self.unsubscribe(subscription)
        self._followers.discard(follower)
        STREAM_CONNECTIONS.set(len(self._followers))

    def subscribe(self, subscription: Subscription) -> None:
        """Follow a channel, from `since` on or from now; the answer comes when it has been read."""
        if (before := subscription.follower.subscriptions.get(subscription.name)) is not None:
            self.unsubscribe(before)
        subscription.follower.subscriptions[subscription.name] = subscription
        self._joining.append(subscription)
        self._work.set()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Follow it no longer."""
        subscription.gone = True
        subscription.follower.subscriptions.pop(subscription.name, None)
        channel = self._channels.get(subscription.channel)
        if channel is not None:
            channel.followers.discard(subscription)
            if not channel.followers:
                del self._channels[subscription.channel]

    # -- what others say ------------------------------------------------------------------------------------------

    def changed(self, channels: Iterable[ChannelId] | None) -> None:
        """These channels have new pushes; None: any of them may have."""
        known = self._channels.keys()
        self._dirty |= set(known) if channels is None else known & set(channels)
        if self._dirty:
            self._work.set()

    def committed(self, tenant: UUID, messages: Iterable[Numbered]) -> None:
        """These are in the journal now, by this process's own doing."""
        behind: set[ChannelId] = set()
        for message in messages:
            name = (tenant, message.topic, message.key)
            channel = self._channels.get(name)
            if channel is None:
                continue
            if message.seq == channel.read + 1:
                self._deliver(channel, message)
            elif message.seq > channel.read:
                # Others have written between, and say so later, or never.
                behind.add(name)
        self.changed(behind)

    def grants_changed(self, *, users: Iterable[UUID] = (), tenants: Iterable[UUID] = (), everybody: bool) -> None:
        """What these may do has changed, or whether they may do anything at all."""
        users, tenants = set(users), set(tenants)
        for follower in self._followers:
            if everybody or follower.tenant_id in tenants or follower.principal.id in users:
                follower.stale = True
                self._stale.set()

    # -- loops ----------------------------------------------------------------------------------------------------

    async def _read_on(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            dirty, self._dirty = self._dirty, set()
            joining, self._joining = self._joining, []
            try:
                await self._read(dirty)
                dirty = set()
                while joining:
                    await self._join(joining[0])
                    joining.pop(0)
            except (SQLAlchemyError, OSError) as error:
                log.warning("stream_database_error", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(_RETRY)
                self._dirty |= dirty
                self._joining = joining + self._joining
                self._work.set()

    async def _read(self, dirty: set[ChannelId]) -> None:
        by_tenant: dict[UUID, dict[Name, int]] = defaultdict(dict)
        for tenant, topic, key in dirty:
            channel = self._channels.get((tenant, topic, key))
            if channel is not None:
                by_tenant[tenant][topic, key] = channel.read
        for tenant, positions in by_tenant.items():
            rows = await self._journal.after(tenant, positions)
            for row in rows:
                channel = self._channels.get((tenant, row.topic, row.key))
                if channel is not None and row.seq > channel.read:
                    self._deliver(channel, row)
            if len(rows) >= MAX_READ:
                self.changed((tenant, topic, key) for topic, key in positions)

    @staticmethod
    def _deliver(channel: _Channel, message: Numbered) -> None:
        seq, text = message.seq, told(message)
        channel.read = seq
        for subscription in channel.followers:
            if seq <= subscription.position:
                continue
            # At 0 the channel was new: its first number is the time.
            if subscription.position in {0, seq - 1}:
                subscription.follower.offer(subscription, seq, text)
                STREAM_MESSAGES.inc()
            else:
                # What lies between is forgotten already.
                subscription.follower.miss(subscription, seq)

    async def _join(self, subscription: Subscription) -> None:
        if self._is_gone(subscription):
            return
        tenant, _, _ = subscription.channel
        while True:
            last, rows = await self._journal.since(tenant, subscription.name, subscription.since)
            if self._is_gone(subscription):
                return
            channel = self._channels.setdefault(subscription.channel, _Channel(last))
            if channel.read <= last:
                break
            # The others who follow it were told of something meanwhile.
        follower = subscription.follower
        start = last if subscription.since is None or rows is None else subscription.since
        subscription.position, subscription.joined = start, True
        follower.say(about(subscription, "subscribed", seq=start), subscription, start)
        if rows is None:
            follower.miss(subscription, last)
        for row in rows or ():
            follower.offer(subscription, row.seq, told(row))
        channel.followers.add(subscription)

    @staticmethod
    def _is_gone(subscription: Subscription) -> bool:
        """Whether it was given up meanwhile."""
        return subscription.gone

    async def _sweep_on(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            if not self._channels:
                continue
            try:
                found = await self._journal.changed(utcnow() - _LATE)
            except (SQLAlchemyError, OSError) as error:
                log.warning("stream_database_error", error=f"{type(error).__name__}: {error}"[:300])
                continue
            known = self._channels
            self.changed([name for name, last in found.items() if name in known and last > known[name].read])

    async def _recheck_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), RECHECK_SECONDS)
            told_to = self._stale.is_set()
            self._stale.clear()
            for follower in list(self._followers):
                if (follower.stale or not told_to) and self.rechecks is not None:
                    await self._recheck(self.rechecks, follower)

    async def _recheck(self, rechecks: Rechecks, follower: Follower) -> None:
        follower.stale = False
        try:
            await rechecks.recheck(follower)
        except (SQLAlchemyError, OSError) as error:
            log.warning("stream_database_error", error=f"{type(error).__name__}: {error}"[:300])
            follower.stale = True
            self._stale.set()
            await asyncio.sleep(_RETRY)
        except Exception:
            # A plugin's authorise() may raise what it likes; who cannot be looked at is not served.
            log.exception("stream_recheck_failed")
            follower.close(INTERNAL, "What you may follow cannot be told just now.")
