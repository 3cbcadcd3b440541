"""Timers and sources, as far as the SDK decides about them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import BaseModel

from riveredge_sdk import Cron, CronTick, EventType, FunctionSpec, timers, unit_of_work, uuid7
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.events import PublishedEvent
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.timers import Fire, publish_fires
from riveredge_sdk.uow import NoUnitOfWorkError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Due(BaseModel):
    """A payload."""


DUE = EventType("things/thing.due", Due, "A thing is due")


def fires(count: int, due_at: datetime, tenant: UUID) -> list[Fire]:
    return [Fire(tenant_id=tenant, id=uuid7(), due_at=due_at) for _ in range(count)]


async def published(given: list[Fire], **options: Any) -> list[PublishedEvent]:
    """The events of one unit of work."""
    events: list[PublishedEvent] = []

    @asynccontextmanager
    async def open_unit_of_work(*, read_only: bool = False) -> AsyncIterator[Any]:
        yield SimpleNamespace(session=None, add_event=events.append)

    runtime = cast("Runtime", SimpleNamespace(open_unit_of_work=open_unit_of_work))
    with use_context(Context(runtime=runtime, system_reason="test")):
        async with unit_of_work():
            assert publish_fires("things.source", given, **options) == len(events)
    return events


async def test_fires_of_one_instant_share_an_event_whosever_they_are() -> None:
    ours, theirs = uuid7(), uuid7()
    (event,) = await published([*fires(40, NOON, ours), *fires(60, NOON, theirs)])
    assert (event.name, event.due_at, event.tenant_id) == ("kernel/fires.due", NOON, None)
    assert event.data["source"] == "things.source"
    tenants = [tenant for tenant, _ in event.data["fires"]]
    # A tenant's fires lie together, so that each tenant is entered once.
    assert tenants == sorted([str(ours)] * 40 + [str(theirs)] * 60)


async def test_fires_of_different_instants_do_not() -> None:
    tenant = uuid7()
    later = NOON + timedelta(milliseconds=1)
    events = await published([*fires(2, later, tenant), *fires(3, NOON, tenant)])
    assert [(event.due_at, len(event.data["fires"])) for event in events] == [(NOON, 3), (later, 2)]


async def test_large_groups_are_cut() -> None:
    events = await published(fires(250, NOON, uuid7()))
    assert [len(event.data["fires"]) for event in events] == [200, 50]
    assert len({tuple(fire) for event in events for fire in event.data["fires"]}) == 250
    assert [len(event.data["fires"]) for event in await published(fires(5, NOON, uuid7()), size=2)] == [2, 2, 1]


@pytest.mark.parametrize("size", [0, 251])
async def test_the_size_has_bounds(size: int) -> None:
    with pytest.raises(ValueError, match="size must be"):
        await published(fires(1, NOON, uuid7()), size=size)


async def test_timers_need_a_unit_of_work() -> None:
    owner = timers.Owner("things.thing", uuid7())
    with pytest.raises(NoUnitOfWorkError):
        await timers.set(owner, "due", NOON, DUE, Due())
    with pytest.raises(NoUnitOfWorkError):
        await timers.cancel(owner)


async def nothing(_ctx: Any, _event: Any) -> None:
    return None


def test_a_cron_beside_events_needs_their_payload_to_be_its_own() -> None:
    asked = EventType("things/tick.requested", CronTick, "A tick is to happen")
    spec = FunctionSpec(
        id="things.tick", title="Tick", trigger=[Cron("* * * * *"), asked], handler=nothing, system=True
    )
    assert (spec.events, spec.crons) == ((asked,), (Cron("* * * * *"),))
    with pytest.raises(ValueError, match="CronTick"):
        FunctionSpec(
            id="things.tick",
            title="Tick",
            trigger=[Cron("* * * * *"), cast("EventType[CronTick]", DUE)],
            handler=nothing,
            system=True,
        )
    with pytest.raises(ValueError, match="system=True"):
        FunctionSpec(id="things.tick", title="Tick", trigger=[Cron("* * * * *"), asked], handler=nothing)
