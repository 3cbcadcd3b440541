"""The event API: what it takes in, what it refuses, and which functions an event starts."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import inngest
import pytest

pytestmark = pytest.mark.database

SEED = f"1795448869151,{base64.b64encode(b'0123456789').decode()}"


async def post(world: Any, body: Any, key: str = "k", **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await world.http.post(f"{world.url}/e/{key}", content=content, headers=headers)


@pytest.fixture
async def seen(world: Any) -> list[inngest.Event]:
    """The events that a function triggered by `x` has been started for."""
    got: list[inngest.Event] = []

    @world.on("x")
    async def keep(ctx: inngest.Context) -> None:
        got.append(ctx.event)

    await world.serve(keep)
    return got


async def test_one_and_many_are_taken_in_in_their_order(world: Any, seen: list[inngest.Event]) -> None:
    one = await post(world, {"name": "x", "data": {"n": 0}})
    many = await post(world, [{"name": "x", "data": {"n": n}} for n in range(1, 120)])
    assert (one.status_code, many.status_code) == (200, 200)
    assert len(one.json()["ids"]) == 1
    ids = many.json()["ids"]
    assert len(set(ids)) == 119
    assert ids == sorted(ids)
    await world.idle()
    assert sorted(int(str(event.data["n"])) for event in seen) == list(range(120))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"name": "x", "data": {"n": NaN}}', 400),
        (b'{"name": "x", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        ("text", 400),
        ({"data": {}}, 400),
        ({"name": ""}, 400),
        ({"name": 5}, 400),
        ({"name": "inngest/function.failed"}, 400),
        ({"name": "x", "data": [1]}, 400),
        ({"name": "x", "ts": "now"}, 400),
        ({"name": "x", "ts": 5}, 400),
        ({"name": "x", "ts": 4_200_000_000_000}, 400),
        ({"name": "x", "id": 7}, 400),
        ({"name": "x", "data": {"text": "x" * (3 * 1024 * 1024)}}, 413),
        ([{"name": "x"}] * 5_001, 400),
        ([{"name": "x"}, {"name": ""}, {"name": "x"}], 400),
    ],
)
async def test_a_request_with_a_bad_event_is_refused_as_a_whole(
    world: Any, seen: list[inngest.Event], body: Any, status: int
) -> None:
    answer = await post(world, body)
    assert answer.status_code == status
    assert answer.json()["error"]
    await world.idle()
    assert seen == []
    assert await world.get("/v1/events") == []


@pytest.mark.parametrize("body", [b"", b"[]"])
async def test_nothing_is_no_error(world: Any, body: bytes) -> None:
    answer = await post(world, body)
    assert (answer.status_code, answer.json()["ids"]) == (200, [""])


@pytest.mark.parametrize("extra", [{}, {"data": None}, {"data": {}}, {"user": {"id": 1}, "v": "2", "unknown": True}])
async def test_optional_fields(world: Any, seen: list[inngest.Event], extra: dict[str, Any]) -> None:
    assert (await post(world, {"name": "x", **extra})).status_code == 200
    await world.idle()
    assert [event.data for event in seen] == [{}]


async def test_what_only_the_engine_may_say_is_taken_away(world: Any, seen: list[inngest.Event]) -> None:
    await post(world, {"name": "x", "data": {"a": 1, "_inngest": {"fn_id": "other"}}})
    await world.idle()
    assert [event.data for event in seen] == [{"a": 1}]


async def test_the_same_id_starts_a_function_once_in_a_day(world: Any, seen: list[inngest.Event]) -> None:
    first = await world.send("x", id="order-1")
    second = await world.send("x", id="order-1")
    await world.idle()
    assert first != second
    assert [event.id for event in seen] == ["order-1"]
    await world.engine.advance(datetime.timedelta(hours=23))
    await world.send("x", id="order-1")
    await world.idle()
    assert len(seen) == 1
    await world.engine.advance(datetime.timedelta(hours=2))
    await world.send("x", id="order-1")
    await world.idle()
    assert len(seen) == 2


async def test_a_repeated_request_is_recognised_by_its_seed(world: Any, seen: list[inngest.Event]) -> None:
    body = [{"name": "x", "data": {"n": n}} for n in range(3)]
    first = await post(world, body, **{"x-inngest-event-id-seed": SEED})
    again = await post(world, body, **{"x-inngest-event-id-seed": SEED})
    assert first.json()["ids"] == again.json()["ids"]
    await world.idle()
    assert len(seen) == 3
    assert (await post(world, body, **{"x-inngest-event-id-seed": "1,?"})).status_code == 400


async def test_a_future_ts_delays_the_start(world: Any, seen: list[inngest.Event]) -> None:
    at = world.engine.clock.now_ms() + 3_600_000
    event = await world.send("x", ts=at)
    await world.idle()
    assert seen == []
    assert (await world.run(event))["status"] == "Running"
    await world.engine.advance(datetime.timedelta(minutes=59))
    assert seen == []
    await world.engine.advance(datetime.timedelta(minutes=2))
    assert [event.ts for event in seen] == [at]


async def test_a_ts_years_ahead_is_waited_for(world: Any, seen: list[inngest.Event]) -> None:
    later = datetime.timedelta(days=3 * 366)
    await world.send("x", ts=int((datetime.datetime.now(datetime.UTC) + later).timestamp() * 1000))
    await world.engine.advance(datetime.timedelta(days=800))
    assert seen == []
    await world.engine.advance(datetime.timedelta(days=400))
    assert len(seen) == 1


async def test_a_past_ts_starts_at_once(world: Any, seen: list[inngest.Event]) -> None:
    await world.send("x", ts=1_000_000_000_000)
    await world.idle()
    assert [event.ts for event in seen] == [1_000_000_000_000]


async def test_expressions_and_wildcards_decide_what_starts(world: Any) -> None:
    started: list[str] = []

    def function(name: str, event: str, expression: str | None = None) -> Any:
        async def handler(ctx: inngest.Context) -> None:
            started.append(name)

        handler.__name__ = name
        return world.on(event, expression=expression)(handler)

    await world.serve(
        function("exact", "shop/order.paid"),
        function("shop", "shop/*"),
        function("order", "shop/order.*"),
        function("other", "other/*"),
        function("large", "shop/order.paid", "event.data.amount > 100 && event.data.currency == 'EUR'"),
        function("small", "shop/order.paid", "event.data.amount <= 100"),
        function("absent", "shop/order.paid", "event.data.coupon == null"),
    )
    await world.send("shop/order.paid", {"amount": 150, "currency": "EUR"})
    await world.idle()
    assert sorted(started) == ["absent", "exact", "large", "order", "shop"]


async def test_keys(make_world: Any) -> None:
    world = await make_world(event_keys=["first", "second"])
    assert (await post(world, {"name": "x"}, key="first")).status_code == 200
    assert (await post(world, {"name": "x"}, key="second")).status_code == 200
    refused = await post(world, {"name": "x"}, key="third")
    assert (refused.status_code, bool(refused.json()["error"])) == (401, True)
    assert len(await world.get("/v1/events")) == 2


async def test_a_function_is_started_by_its_name(world: Any) -> None:
    @world.on("never")
    async def named(ctx: inngest.Context) -> Any:
        return [ctx.event.name, ctx.event.data]

    await world.serve(named)
    answer = await world.http.post(f"{world.url}/invoke/app-named", json={"data": {"n": 1}})
    assert answer.status_code == 200
    assert (await world.ended(answer.json()["id"]))["output"] == ["inngest/function.invoked", {"n": 1}]
    for slug, body, status in (("app-other", {}, 404), ("app-named", {"data": [1]}, 400)):
        assert (await world.http.post(f"{world.url}/invoke/{slug}", json=body)).status_code == status


async def test_pages_of_other_hosts_get_nothing_without_keys(world: Any) -> None:
    url = f"{world.url}/e/any"
    for origin, status in (("http://localhost:3000", 200), ("https://evil.example", 403), ("null", 403)):
        answer = await world.http.post(url, json={"name": "x"}, headers={"origin": origin})
        assert answer.status_code == status
    evil = await world.http.get(f"{world.url}/v1/runs", headers={"origin": "http://localhost.evil.example"})
    assert evil.status_code == 403


async def test_sdks_find_the_engine(make_world: Any) -> None:
    open_world = await make_world()
    answer = await open_world.http.get(f"{open_world.url}/dev")
    assert (answer.status_code, answer.json()["functions"]) == (200, [])
    keyed = await make_world(signing_key="ab" * 32, event_keys=["e"])
    assert (await keyed.http.get(f"{keyed.url}/dev")).status_code == 404


async def test_reading_events(world: Any) -> None:
    ids = [await world.send(name, {"n": n}) for n, name in enumerate(["a", "b", "a", "a"])]
    assert [event["internal_id"] for event in await world.get("/v1/events")] == ids[::-1]
    assert [event["data"]["n"] for event in await world.get("/v1/events?name=a&limit=2")] == [3, 2]
    assert [event["data"]["n"] for event in await world.get(f"/v1/events?cursor={ids[2]}")] == [1, 0]
    assert (await world.get(f"/v1/events/{ids[1]}"))["name"] == "b"
    assert await world.get(f"/v1/events/{ids[1]}/runs") == []
    assert await world.get("/v1/events?received_after=2099-01-01T00:00:00Z") == []
    for path in (
        "/v1/events?limit=x",
        "/v1/events?limit=\u00b2",
        "/v1/events?limit=" + "9" * 5000,
        "/v1/events?received_after=x",
    ):
        assert (await world.http.get(world.url + path)).status_code == 400
    assert (await world.http.get(f"{world.url}/v1/events/unknown")).status_code == 404
