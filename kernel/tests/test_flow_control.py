"""What Inngest merges, drops, ends or wakes, it does within a tenant: it knows none, so the kernel tells it."""

import datetime
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from sqlmodel import col, select

from riveredge_kernel.events.models import OutboxEvent, OutboxState
from riveredge_kernel.functions.scoping import TENANT_OF_ENDED, flow_control, same_tenant, tenant_key
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk import EventType, FunctionContext, FunctionSpec, publish, unit_of_work
from riveredge_sdk.context import current_context, use_context
from riveredge_sdk.functions import Batch, Cancel, Debounce, RateLimit, Singleton, payloads
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.platform import TestTenant

MINUTE = datetime.timedelta(minutes=1)


class Parcel(BaseModel):
    number: int


ARRIVED = EventType("flows/parcel.arrived", Parcel, "A parcel arrived")
OPENED = EventType("flows/parcel.opened", Parcel, "A parcel was opened")
LOST = EventType("flows/parcel.lost", Parcel, "A parcel was lost")
STACKED = EventType("flows/parcel.stacked", Parcel, "A parcel was stacked")

seen: list[tuple[str, Any, Any]] = []


def note(what: str, value: Any = None) -> None:
    seen.append((what, current_context().tenant_id, value))


async def batched(ctx: FunctionContext, parcel: Parcel) -> None:
    what = "stack" if ctx.event.name == STACKED.name else "batch"
    note(what, sorted(one.number for one in payloads(ctx, Parcel)))


def noting(what: str) -> Callable[[FunctionContext, Parcel], Any]:
    async def handler(ctx: FunctionContext, parcel: Parcel) -> None:
        note(what, parcel.number)

    return handler


async def waiting(ctx: FunctionContext, parcel: Parcel) -> None:
    opened = await ctx.step.wait_for_event("opened", event=OPENED.name, timeout=60 * MINUTE)
    note("waited", opened and opened.data["number"])


async def choosy(ctx: FunctionContext, parcel: Parcel) -> None:
    opened = await ctx.step.wait_for_event(
        "opened", event=OPENED.name, if_exp="async.data.number == 0 || async.data.number == 7", timeout=60 * MINUTE
    )
    note("chose", opened and opened.data["number"])


async def sleeping(ctx: FunctionContext, parcel: Parcel) -> None:
    await ctx.step.sleep("wait", 60 * MINUTE)
    note("slept")


FUNCTIONS: tuple[FunctionSpec[Parcel], ...] = (
    FunctionSpec(
        id="flows.batch",
        title="Batch",
        trigger=ARRIVED,
        handler=batched,
        batch=Batch(max_size=10, timeout=datetime.timedelta(seconds=30)),
    ),
    FunctionSpec(
        id="flows.stack",
        title="Stack",
        trigger=STACKED,
        handler=batched,
        batch=Batch(max_size=10, timeout=datetime.timedelta(seconds=30)),
    ),
    FunctionSpec(id="flows.stacked", title="Stacked", trigger=STACKED, handler=noting("stacked")),
    FunctionSpec(
        id="flows.debounce",
        title="Debounce",
        trigger=ARRIVED,
        handler=noting("debounced"),
        debounce=Debounce(period=MINUTE),
    ),
    FunctionSpec(
        id="flows.limit",
        title="Limit",
        trigger=ARRIVED,
        handler=noting("limited"),
        rate_limit=RateLimit(limit=1, period=60 * MINUTE, key="event.data.number"),
    ),
    FunctionSpec(
        id="flows.once", title="Once", trigger=ARRIVED, handler=noting("once"), idempotency="event.data.number"
    ),
    FunctionSpec(
        id="flows.single", title="Single", trigger=ARRIVED, handler=sleeping, singleton=Singleton(mode="skip")
    ),
    FunctionSpec(id="flows.wait", title="Wait", trigger=ARRIVED, handler=waiting),
    FunctionSpec(id="flows.choose", title="Choose", trigger=ARRIVED, handler=choosy),
    FunctionSpec(
        id="flows.cancel", title="Cancel", trigger=ARRIVED, handler=sleeping, cancel=[Cancel(event=LOST.name)]
    ),
)


class Flows(Plugin):
    id = "flows"
    title = "Flows"

    def event_types(self) -> Iterable[EventType[Any]]:
        return [ARRIVED, OPENED, LOST, STACKED]

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return FUNCTIONS


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedPlatform]:
    with start("sqlite", tmp_path_factory.mktemp("flows"), plugins=[Flows()]) as made:
        yield made


@pytest.fixture
def two(flows: ThreadedPlatform, request: pytest.FixtureRequest) -> tuple[TestTenant, TestTenant]:
    """Two tenants, to each of which a parcel with the same number has arrived."""
    seen.clear()
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    made = flows.create_tenant(f"{name}-a"), flows.create_tenant(f"{name}-b")
    for tenant in made:
        happen(flows, tenant, ARRIVED, 7)
    flows.settle()
    return made


def happen(platform: ThreadedPlatform, tenant: TestTenant, event: EventType[Parcel], *numbers: int) -> None:
    async def do() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                for number in numbers:
                    publish(event, Parcel(number=number))

    platform.run(do())


def told(what: str, tenants: tuple[TestTenant, ...]) -> list[tuple[Any, Any]]:
    """What was noted for this test's tenants; others' runs may still end."""
    ids = {tenant.id for tenant in tenants}
    return [(tenant, value) for kind, tenant, value in seen if kind == what and tenant in ids]


def test_a_batch_holds_one_tenants_events(flows: ThreadedPlatform, two: tuple[TestTenant, TestTenant]) -> None:
    happen(flows, two[0], ARRIVED, 8, 9)
    flows.settle()
    flows.advance(datetime.timedelta(minutes=2))
    assert sorted(told("batch", two), key=str) == sorted([(two[0].id, [7, 8, 9]), (two[1].id, [7])], key=str)


def test_what_lay_in_a_batch_that_was_lost_is_sent_again(
    flows: ThreadedPlatform, two: tuple[TestTenant, TestTenant]
) -> None:
    tenant = two[0]

    async def open_events() -> int:
        async with flows.platform.database.system("test", flows.platform.runtime, read_only=True) as session:
            mine = (col(OutboxEvent.tenant_id) == tenant.id, col(OutboxEvent.name) == STACKED.name)
            query = select(OutboxEvent).where(*mine, col(OutboxEvent.state) != OutboxState.CONFIRMED)
            return len((await session.exec(query)).all())

    happen(flows, tenant, STACKED, 1, 2, 3)
    flows.settle()
    # The other function has seen them; the batch has not begun, and nobody is impatient with it.
    assert flows.run(open_events()) == 3
    flows.run(flows.platform.engine.forget())
    until = time.monotonic() + 60
    while flows.run(open_events()):
        assert time.monotonic() < until
        flows.advance(datetime.timedelta(seconds=20))
        # What waits in the outbox is looked at every second, whatever the platform's clock says.
        time.sleep(0.2)
    taken = [number for numbers in (value for _, value in told("stack", two)) for number in numbers]
    assert sorted(taken) == [1, 2, 3]
    assert sorted(value for _, value in told("stacked", two)) == [1, 2, 3]


@pytest.mark.parametrize("what", ["debounced", "limited", "once", "slept"])
def test_nothing_of_a_tenant_is_dropped_for_anothers(
    what: str, flows: ThreadedPlatform, two: tuple[TestTenant, TestTenant]
) -> None:
    # The second of the same tenant is.
    happen(flows, two[0], ARRIVED, 7)
    flows.settle()
    flows.advance(datetime.timedelta(hours=2))
    tenants = [tenant for tenant, _ in told(what, two)]
    # Two functions sleep, of which one takes every parcel.
    assert sorted(map(str, tenants)) == sorted(
        str(tenant.id) for tenant in (two if what != "slept" else (*two, *two, two[0]))
    )


def test_a_wait_ends_with_the_tenants_own_event(flows: ThreadedPlatform, two: tuple[TestTenant, TestTenant]) -> None:
    happen(flows, two[1], OPENED, 7)
    flows.settle()
    assert told("waited", two) == told("chose", two) == [(two[1].id, 7)]
    happen(flows, two[0], OPENED, 0)
    flows.settle()
    assert told("waited", two)[1:] == told("chose", two)[1:] == [(two[0].id, 0)]


def test_only_the_tenants_own_event_cancels(flows: ThreadedPlatform, two: tuple[TestTenant, TestTenant]) -> None:
    happen(flows, two[1], LOST, 7)
    flows.settle()
    flows.advance(datetime.timedelta(hours=2))
    # Once more by the function that nothing cancels.
    assert sorted(str(tenant) for tenant, _ in told("slept", two)) == sorted(
        [str(two[0].id), str(two[0].id), str(two[1].id)]
    )


def test_conditions_stand_free_where_they_can() -> None:
    mine = "async.data.tenant_id == event.data.tenant_id"
    assert same_tenant(None) == mine
    assert same_tenant("async.data.a == event.data.a") == f"async.data.a == event.data.a && {mine}"
    assert same_tenant("a || b") == f"(a || b) && {mine}"
    # A handler of failures waits in a run whose event holds the event of the one that failed.
    ended = "async.data.tenant_id == event.data.event.data.tenant_id"
    assert same_tenant("a", TENANT_OF_ENDED) == f"a && {ended}"


def test_functions_of_the_platform_are_left_as_they_are() -> None:
    spec = FunctionSpec(
        id="flows.own", title="Own", trigger=ARRIVED, handler=batched, system=True, debounce=Debounce(period=MINUTE)
    )
    assert flow_control(spec)["debounce"].key is None
    assert flow_control(spec)["concurrency"] is None
    assert tenant_key("event.data.a") == "event.data.tenant_id + '/' + string(event.data.a)"


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"batch": Batch(max_size=1)}, "a batch has 2 to 100 events"),
        ({"batch": Batch(max_size=101)}, "a batch has 2 to 100 events"),
        ({"batch": Batch(max_size=2), "debounce": Debounce(period=MINUTE)}, "no batch with debounce"),
        ({"batch": Batch(max_size=2), "idempotency": "event.data.a"}, "no batch with idempotency"),
    ],
)
def test_what_inngest_would_refuse_ends_with_its_plugin(options: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        FunctionSpec(id="flows.bad", title="Bad", trigger=ARRIVED, handler=batched, **options)
