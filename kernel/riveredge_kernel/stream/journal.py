"""Pushes in the database: numbered when they are written, read by those who were away, forgotten after a while."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import Insert, and_, bindparam, delete, func, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlmodel import col, or_, select

from riveredge_kernel.db.database import Database, Transaction
from riveredge_kernel.db.own_rows import add_rows, fresh, send_rows
from riveredge_kernel.stream.models import StreamChannel, StreamMessage, StreamTicket
from riveredge_sdk.context import Context, current_tenant, use_context
from riveredge_sdk.models import utcnow
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import Counters, current_unit_of_work, unit_of_work

# Within a tenant: topic and key.
Name: TypeAlias = tuple[str, str]
# A channel everywhere: tenant, topic, key.
ChannelId: TypeAlias = tuple[UUID, str, str]

# Who was away for longer fetches everything anew, which is cheaper than so many messages.
MAX_REPLAY = 500
MAX_READ = 1000
# So many channels are asked for at once. Of each number there is one statement, which is compiled once.
_AT_ONCE = (1, 10, 100)
_KEEP_CHANNELS = timedelta(days=7)

_INSERT = insert(StreamMessage.__table__)  # type: ignore[attr-defined]


class Numbered(NamedTuple):
    """A push with its number in its channel."""

    topic: str
    key: str
    seq: int
    what: str
    data: Mapping[str, Any]
    created_at: datetime


_COLUMNS = [getattr(StreamMessage, name) for name in Numbered._fields]


class StreamJournal:
    """Writes and reads pushes."""

    def __init__(self, database: Database, runtime: Runtime, *, retention: timedelta) -> None:
        self._database = database
        self._runtime = runtime
        self._retention = retention
        self._take_numbers = _numbering(postgresql if database.kind == "postgresql" else sqlite)

    async def write(self, unit: Transaction) -> Sequence[Numbered]:
        """Number the unit's pushes and add their rows, in its transaction. The last thing before the commit.

        Channels are taken in one order by everybody, and nothing else is waited for after them: no deadlock.
        """
        now = utcnow()
        counts: dict[Name, int] = {}
        for push in unit.pushes:
            name = (push.topic, push.key)
            counts[name] = counts.get(name, 0) + 1
        tenant = current_tenant()
        numbers = await unit.session.run_sync(self._take, counts, tenant, now)
        counters = await _count(unit)
        numbered = []
        for push in unit.pushes:
            name = (push.topic, push.key)
            numbers[name] += 1
            data = {**push.data, **counters.get(name, {})}
            numbered.append(Numbered(push.topic, push.key, numbers[name], push.what, data, now))
        rows = [{**fresh(now), "tenant_id": tenant, **each._asdict()} for each in numbered]
        await unit.session.run_sync(send_rows, _INSERT, rows)
        return numbered

    def _take(self, session: Session, counts: Mapping[Name, int], tenant: UUID, now: datetime) -> dict[Name, int]:
        """Take the channels' next numbers, as many as counted; of each channel, the one before the first of them."""
        begin = int(now.timestamp() * 1000)
        rows = [
            {**fresh(now), "tenant_id": tenant, "topic": topic, "key": key, "seq": begin + count, "begin": begin}
            for (topic, key), count in sorted(counts.items())
        ]
        taken = add_rows(session, self._take_numbers, rows)
        return {(row.topic, row.key): row.seq - counts[row.topic, row.key] for row in taken}

    async def after(self, tenant_id: UUID, positions: Mapping[Name, int]) -> Sequence[Numbered]:
        """What was pushed after the positions, in order; at most about `MAX_READ` messages, the first ones."""
        found: list[Numbered] = []
        wanted = [(topic, key, seq) for (topic, key), seq in positions.items()]
        with use_context(Context(runtime=self._runtime, tenant_id=tenant_id)):
            async with unit_of_work(read_only=True, independent=True) as session:
                for start in range(0, len(wanted), _AT_ONCE[-1]):
                    query, values = _later(wanted[start : start + _AT_ONCE[-1]])
                    found += [Numbered(*row) for row in (await session.exec(query, params=values)).all()]
        return found

    async def since(self, tenant_id: UUID, name: Name, position: int | None) -> tuple[int, Sequence[Numbered] | None]:
        """The number of the channel's last push, and what came after `position`.

        Returns:
            0 if nothing was ever pushed; None for the messages if some of them are forgotten, or they are too many.
        """
        topic, key = name
        with use_context(Context(runtime=self._runtime, tenant_id=tenant_id)):
            async with unit_of_work(read_only=True, independent=True) as session:
                of_channel = (col(StreamChannel.topic) == topic, col(StreamChannel.key) == key)
                last = (await session.exec(select(StreamChannel.seq).where(*of_channel))).one_or_none() or 0
                if position is None or position == last:
                    return last, []
                if not 0 < last - position <= MAX_REPLAY:
                    return last, None
                query = (
                    select(*_COLUMNS)
                    .where(
                        col(StreamMessage.topic) == topic,
                        col(StreamMessage.key) == key,
                        col(StreamMessage.seq) > position,
                        col(StreamMessage.seq) <= last,
                    )
                    .order_by(col(StreamMessage.seq))
                )
                rows = [Numbered(*row) for row in (await session.exec(query)).all()]
        return last, rows if len(rows) == last - position else None

    async def changed(self, since: datetime) -> dict[ChannelId, int]:
        """The channels with a push since then, in all tenants, and the number of their last one."""
        query = (
            select(StreamMessage.tenant_id, StreamMessage.topic, StreamMessage.key, func.max(StreamMessage.seq))
            .where(col(StreamMessage.created_at) >= since)
            .group_by(col(StreamMessage.tenant_id), col(StreamMessage.topic), col(StreamMessage.key))
        )
        async with self._database.system("stream", self._runtime, read_only=True) as session:
            return {(tenant, topic, key): last for tenant, topic, key, last in (await session.exec(query)).all()}

    async def prune(self) -> dict[str, int]:
        """Forget what is older than the retention, across tenants; the numbers of rows. Needs a system context."""
        now = utcnow()
        removals = {
            "messages": delete(StreamMessage).where(col(StreamMessage.created_at) < now - self._retention),
            "channels": delete(StreamChannel).where(
                col(StreamChannel.updated_at) < now - max(_KEEP_CHANNELS, 2 * self._retention)
            ),
            "tickets": delete(StreamTicket).where(col(StreamTicket.expires_at) < now),
        }
        counts = {}
        for name, statement in removals.items():
            async with unit_of_work(independent=True) as session:
                counts[name] = (await session.exec(statement)).rowcount
        return counts


def _later(wanted: Sequence[tuple[str, str, int]]) -> tuple[Any, dict[str, Any]]:
    """The query for what came after positions in channels, and its parameters."""
    size = next(size for size in _AT_ONCE if size >= len(wanted))
    # What is left over asks for the last channel again.
    padded = [*wanted, *[wanted[-1]] * (size - len(wanted))]
    values = {f"{name}{index}": each for index, row in enumerate(padded) for name, each in zip("tks", row, strict=True)}
    return _later_in(size), values


@cache
def _later_in(size: int) -> Any:
    columns: dict[str, Any] = {"t": StreamMessage.topic, "k": StreamMessage.key, "s": StreamMessage.seq}
    later = []
    for index in range(size):
        given = {name: bindparam(f"{name}{index}", type_=column.type) for name, column in columns.items()}
        later.append(and_(columns["t"] == given["t"], columns["k"] == given["k"], columns["s"] > given["s"]))
    return select(*_COLUMNS).where(or_(*later)).order_by(col(StreamMessage.seq)).limit(MAX_READ)


async def _count(unit: Transaction) -> Mapping[Name, Mapping[str, int]]:
    """What the topics' pushes carry. The channels are held, so nobody else changes what is counted with a push."""
    keys: dict[tuple[str, Counters], list[str]] = {}
    for push in unit.pushes:
        if push.counters is not None:
            keys.setdefault((push.topic, push.counters), []).append(push.key)
    found: dict[Name, Mapping[str, int]] = {}
    token = current_unit_of_work.set(unit)
    try:
        for (topic, count), mine in keys.items():
            found |= {(topic, key): counted for key, counted in (await count(list(dict.fromkeys(mine)))).items()}
    finally:
        current_unit_of_work.reset(token)
    return found


def _numbering(dialect: Any) -> Insert:
    """Adds channels; one that is there goes on by as many numbers as a new one would have after `begin`."""
    table: Any = StreamChannel.__table__  # type: ignore[attr-defined]
    add: Any = dialect.insert(table)
    further = table.c.seq + (add.excluded.seq - bindparam("begin", type_=table.c.seq.type))
    statement: Insert = add.on_conflict_do_update(
        index_elements=["tenant_id", "topic", "key"], set_={"seq": further, "updated_at": add.excluded.updated_at}
    ).returning(table.c.topic, table.c.key, table.c.seq)
    return statement
