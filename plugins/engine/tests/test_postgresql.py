"""PostgreSQL as the store, where it differs from a file: a connection can break, and others can connect."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import inngest
import psycopg
import pytest

from riveredge_engine import Engine
from riveredge_engine.store import open_database

MINUTE = datetime.timedelta(minutes=1)


def break_connections(address: str) -> None:
    """Let the server end every connection of the engine."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_a_broken_connection_loses_nothing(
    make_world: Any, postgresql: Callable[[], str], wait_until: Any
) -> None:
    address = postgresql()
    world = await make_world(store=address)
    done: list[str] = []

    @world.on("work")
    async def work(ctx: inngest.Context) -> None:
        async def note() -> None:
            done.append(str(ctx.event.data["n"]))

        await ctx.step.sleep("nap", MINUTE)
        await ctx.step.run("note", note)

    await world.serve(work)
    events = [await world.send("work", {"n": n}) for n in range(3)]
    await world.idle()
    for number in range(3):
        break_connections(address)
        # The SDK repeats what was refused meanwhile.
        events.append(await world.send("work", {"n": 3 + number}))

    async def readable() -> bool:
        return bool((await world.http.get(f"{world.url}/v1/runs")).status_code == 200)

    await wait_until(readable, "the store to be back")
    await world.idle()
    await world.engine.advance(2 * MINUTE)
    assert [(await world.ended(event))["status"] for event in events] == ["Completed"] * 6
    assert sorted(done) == ["0", "1", "2", "3", "4", "5"]


async def test_what_falls_due_while_the_database_is_away_happens_afterwards(
    make_world: Any, postgresql: Callable[[], str], wait_until: Any
) -> None:
    address = postgresql()
    world = await make_world(store=address)

    @world.on("work")
    async def work(ctx: inngest.Context) -> None:
        await ctx.step.sleep("nap", datetime.timedelta(seconds=1))

    await world.serve(work)
    event = await world.send("work")
    await world.idle()
    break_connections(address)
    # Nothing but the timer itself makes the engine look at its store.
    await wait_until(lambda: world.engine.calls == 2, "the run to go on")
    assert (await world.ended(event))["status"] == "Completed"


async def test_a_database_has_one_engine_at_a_time(postgresql: Callable[[], str], monkeypatch: Any) -> None:
    address = postgresql()
    async with Engine(store=address):
        with monkeypatch.context() as patch:
            patch.setattr("riveredge_engine.store.postgresql._LOCK_SECONDS", 0.2)
            with pytest.raises(RuntimeError, match="another engine"):
                await Engine(store=address).start()
    async with Engine(store=address) as engine:
        assert engine.queued == 0


async def test_a_database_of_another_version_is_refused(postgresql: Callable[[], str]) -> None:
    address = postgresql()
    async with Engine(store=address):
        pass
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE riveredge_engine.schema_version SET version = 999")
    with pytest.raises(RuntimeError, match="another version"):
        open_database(address).open()


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="does not answer"):
        open_database("postgresql://nobody@127.0.0.1:9/none").open()
    with pytest.raises(ValueError, match="no store"):
        open_database("mysql://127.0.0.1/none")
