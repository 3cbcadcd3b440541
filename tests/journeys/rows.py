"""The database of a platform that runs in a process of its own, looked at from outside."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeVar

from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import Settings

T = TypeVar("T")


class Rows:
    """What lies in a world's database."""

    def __init__(self, world: Any) -> None:
        where = world.database or {"url": f"sqlite+aiosqlite:///{world.directory / 'riveredge.db'}"}
        self.database = Database(Settings.model_validate({"database": where}))
        self.runtime: Any = SimpleNamespace(now=lambda: datetime.now(UTC))
        self._runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`."""
        return self._runner.run(work)

    def find(self, query: Any) -> list[Any]:
        """What a query finds."""

        async def read() -> list[Any]:
            async with self.database.system("test", self.runtime, read_only=True) as session:
                return list((await session.exec(query)).all())

        return self.run(read())

    def close(self) -> None:
        self.run(self.database.dispose())
        self._runner.close()
