"""Event types and publishing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import BaseModel, create_model

from riveredge_sdk.context import Context, NoContextError, use_context
from riveredge_sdk.events import RESERVED_KEYS, EventType, PublishedEvent
from riveredge_sdk.functions import Cron, FunctionSpec
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import NoUnitOfWorkError, publish, session, unit_of_work


class Paid(BaseModel):
    invoice_id: UUID
    at: datetime | None = None


PAID = EventType("invoices/invoice.paid", Paid, "An invoice was paid")


class Unit:
    """A unit of work that keeps the events."""

    def __init__(self) -> None:
        self.session: Any = object()
        self.events: list[PublishedEvent] = []

    def add_event(self, event: PublishedEvent) -> None:
        self.events.append(event)


def serving(units: list[Unit]) -> Context:
    @asynccontextmanager
    async def open_unit_of_work(*, read_only: bool = False) -> AsyncIterator[Unit]:
        unit = Unit()
        yield unit
        units.append(unit)

    return Context(runtime=cast("Runtime", SimpleNamespace(open_unit_of_work=open_unit_of_work)))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "paid",
        "invoices/",
        "/paid",
        "Invoices/paid",
        "invoices/Paid",
        "invoices.paid",
        "a/b/c",
        "a/b.",
        "a/.b",
        "a/b ",
        "a/b\n",
    ],
)
def test_a_name_is_plugin_slash_thing_dot_what_happened(name: str) -> None:
    with pytest.raises(ValueError, match="expected '<plugin>/<thing>"):
        EventType(name, Paid, "x")


@pytest.mark.parametrize("name", ["invoices/invoice.paid", "a/b", "crm_x/mail_box.first.opened2"])
def test_good_names(name: str) -> None:
    assert EventType(name, Paid, "x").plugin == name.partition("/")[0]


@pytest.mark.parametrize("key", sorted(RESERVED_KEYS))
def test_a_payload_leaves_the_kernels_keys_alone(key: str) -> None:
    payload = create_model("Payload", **cast("Any", {key: (str, "")}))
    with pytest.raises(ValueError, match=key):
        EventType("a/b", payload, "x")


async def test_published_events_are_the_unit_of_works() -> None:
    units: list[Unit] = []
    with use_context(serving(units)):
        async with unit_of_work() as opened:
            assert opened is session()
            first = publish(PAID, Paid(invoice_id=UUID(int=1)))
            due = datetime(2026, 11, 23, 8, tzinfo=UTC)
            second = publish(PAID, Paid(invoice_id=UUID(int=2), at=due), due_at=due)
    (unit,) = units
    assert unit.events == [
        PublishedEvent(id=first, name=PAID.name, data={"invoice_id": str(UUID(int=1)), "at": None}),
        PublishedEvent(
            id=second,
            name=PAID.name,
            data={"invoice_id": str(UUID(int=2)), "at": "2026-11-23T08:00:00Z"},
            due_at=due,
        ),
    ]
    assert first < second


async def test_nothing_is_published_without_a_unit_of_work() -> None:
    with use_context(serving([])), pytest.raises(NoUnitOfWorkError, match="unit_of_work"):
        publish(PAID, Paid(invoice_id=UUID(int=1)))
    with pytest.raises(NoUnitOfWorkError):
        session()


async def test_a_due_time_needs_a_zone() -> None:
    with use_context(serving([])):
        async with unit_of_work():
            with pytest.raises(ValueError, match="time zone"):
                publish(PAID, Paid(invoice_id=UUID(int=1)), due_at=datetime(2026, 11, 23))  # noqa: DTZ001


async def test_a_second_unit_of_work_says_that_it_is_independent() -> None:
    units: list[Unit] = []
    with use_context(serving(units)):
        async with unit_of_work():
            publish(PAID, Paid(invoice_id=UUID(int=1)))
            with pytest.raises(RuntimeError, match="open already"):
                async with unit_of_work():
                    pass
            async with unit_of_work(independent=True):
                publish(PAID, Paid(invoice_id=UUID(int=2)))
            publish(PAID, Paid(invoice_id=UUID(int=3)))
    assert [[event.data["invoice_id"][-1] for event in unit.events] for unit in units] == [["2"], ["1", "3"]]


async def test_a_unit_of_work_decorates_a_function_for_each_call() -> None:
    units: list[Unit] = []

    @unit_of_work()
    async def step(number: int) -> int:
        publish(PAID, Paid(invoice_id=UUID(int=number)))
        return number

    with use_context(serving(units)):
        assert [await step(1), await step(2)] == [1, 2]
    assert len(units) == 2


async def test_there_is_no_unit_of_work_outside_of_requests() -> None:
    with pytest.raises(NoContextError):
        async with unit_of_work():
            pass


async def _handle(_ctx: Any, _event: Any) -> None:
    """Do nothing."""


def test_a_cron_has_no_tenant() -> None:
    with pytest.raises(ValueError, match="system=True"):
        FunctionSpec(id="a.b", title="x", trigger=Cron("0 3 * * *"), handler=_handle)
    assert FunctionSpec(id="a.b", title="x", trigger=Cron("0 3 * * *"), handler=_handle, system=True).events == ()


def test_a_function_names_its_events() -> None:
    sent = EventType("invoices/invoice.sent", Paid, "An invoice was sent")
    assert FunctionSpec(id="a.b", title="x", trigger=PAID, handler=_handle).events == (PAID,)
    assert FunctionSpec(id="a.b", title="x", trigger=[PAID, sent], handler=_handle).events == (PAID, sent)


@pytest.mark.parametrize("retries", [-1, 21])
def test_retries_have_inngests_limits(retries: int) -> None:
    with pytest.raises(ValueError, match="retries must be 0 to 20"):
        FunctionSpec(id="a.b", title="x", trigger=PAID, handler=_handle, retries=retries)


@pytest.mark.parametrize("count", [0, 11])
def test_a_function_has_one_to_ten_triggers(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 10 event types"):
        FunctionSpec(id="a.b", title="x", trigger=[PAID] * count, handler=_handle)


@pytest.mark.parametrize(
    "values", [("0 3 * *",), ("",), ("0 0 3 * * *",), ("0 3 * * *", "Mars/Olympus"), ("0 3 * * *", "")]
)
def test_a_cron_has_five_fields_and_a_zone(values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"five fields|no time zone"):
        Cron(*values)
