"""Transitions in groups: all that became ready in one turn of the loop share one commit.

So the cost of a durable write falls as the load grows. Everything happens on the loop's own thread: transitions are
short, and a second thread would wait for the interpreter's lock at every statement.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from .base import Row
from .base import Tx as TxProtocol

T = TypeVar("T")
_GROUP_SECONDS = 0.02


class Session(Protocol):
    """One connection; outside a transaction each statement stands for itself."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Execute; the number of rows changed."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""

    def many(self, sql: str, values: Sequence[Row]) -> None:
        """Execute once for each row of values."""

    def close(self) -> None: ...


class _Tx:
    """The open transaction of one group; see `base.Tx`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.effects: list[Callable[[], None]] = []

    def run(self, sql: str, *values: Any) -> int:
        return self._session.run(sql, values)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return self._session.rows(sql, values)

    def many(self, sql: str, values: Sequence[Row]) -> None:
        self._session.many(sql, values)

    def after(self, effect: Callable[[], None]) -> None:
        self.effects.append(effect)


class GroupedDatabase(ABC):
    """A `Database` over one session."""

    begin = "BEGIN"

    def __init__(self) -> None:
        self.on_reopened: Callable[[], None] | None = None
        self._session: Session | None = None
        self._waiting: deque[tuple[Callable[[TxProtocol], Any], asyncio.Future[Any]]] = deque()
        self._scheduled = False

    @abstractmethod
    def open(self) -> None:
        """See `Database`."""

    @abstractmethod
    def compact(self, pages: int) -> None:
        """See `Database`."""

    async def close(self) -> None:
        while self._waiting:
            self._commit_group()
            await asyncio.sleep(0)
        if self._session is not None:
            self._session.close()
            self._session = None

    async def write(self, transition: Callable[[TxProtocol], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((transition, done))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._commit_group)
        return cast("T", await done)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return self._open_session().rows(sql, values)

    def _open_session(self) -> Session:
        if self._session is None:
            raise RuntimeError("the store is closed")
        return self._session

    def _commit_group(self) -> None:
        """Run waiting transitions until the group is old enough, commit, and answer all of them."""
        self._scheduled = False
        answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        effects: list[Callable[[], None]] = []
        deadline = time.monotonic() + _GROUP_SECONDS
        taken: list[asyncio.Future[Any]] = []
        try:
            session = self._open_session()
            session.run(self.begin)
            while self._waiting and time.monotonic() < deadline:
                transition, done = self._waiting.popleft()
                taken.append(done)
                answers.append((done, *self._attempt(session, transition, effects, first=len(taken) == 1)))
            session.run("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever broke the commit is the answer to every transition in it
            self._fail(taken, error)
            return
        finally:
            self._schedule_rest()
        for effect in effects:
            effect()
        for done, result, failure in answers:
            if done.done():
                continue
            if failure is None:
                done.set_result(result)
            else:
                done.set_exception(failure)

    def _attempt(
        self,
        session: Session,
        transition: Callable[[TxProtocol], Any],
        effects: list[Callable[[], None]],
        *,
        first: bool,
    ) -> tuple[Any, BaseException | None]:
        """Run one transition; if it fails, those before it in the group stay. The first has none, and no savepoint."""
        tx = _Tx(session)
        if not first:
            session.run("SAVEPOINT transition")
        try:
            result = transition(tx)
        except Exception as error:  # noqa: BLE001 - handed to the one who asked for the transition
            for statement in ("ROLLBACK", self.begin) if first else ("ROLLBACK TO transition", "RELEASE transition"):
                session.run(statement)
            return None, error
        if not first:
            session.run("RELEASE transition")
        effects.extend(tx.effects)
        return result, None

    def _fail(self, taken: list[asyncio.Future[Any]], error: Exception) -> None:
        if self._session is not None:
            self._roll_back(self._session)
        if not taken and self._waiting:
            taken.append(self._waiting.popleft()[1])
        for done in taken:
            if not done.done():
                done.set_exception(error)

    @abstractmethod
    def _roll_back(self, session: Session) -> None:
        """End the transaction if there is one; never raises."""

    def _schedule_rest(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._commit_group)
