"""How apps become known: registration, discovery, replacement, and with keys."""

from __future__ import annotations

import copy
import datetime
import re
from typing import Any

import inngest
import pytest

KEY = "signkey-test-" + "0123456789abcdef" * 4
OTHER_KEY = "signkey-test-" + "f" * 64

FUNCTION: dict[str, Any] = {
    "id": "app-f",
    "name": "f",
    "steps": {"step": {"id": "step", "name": "step", "runtime": {"type": "http", "url": "http://127.0.0.1:9/api"}}},
    "triggers": [{"event": "x"}],
}


async def register(world: Any, *functions: dict[str, Any], name: str = "app", **headers: str) -> Any:
    body = {"appName": name, "url": "http://127.0.0.1:9/api", "functions": list(functions), "sdk": "js:v3"}
    return await world.http.post(f"{world.url}/fn/register", json=body, headers=headers)


def with_changes(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FUNCTION), **changes}


async def test_the_same_registration_again_changes_nothing(world: Any) -> None:
    first, again = await register(world, FUNCTION), await register(world, FUNCTION)
    changed = await register(world, with_changes(name="new"))
    assert [answer.json()["modified"] for answer in (first, again, changed)] == [True, False, True]
    (function,) = await world.get("/v1/apps/app/functions")
    assert (function["name"], function["version"]) == ("new", 2)
    (app,) = await world.get("/v1/apps")
    assert (app["name"], app["sdk"], app["functions"]) == ("app", "js:v3", 1)


async def test_a_registration_replaces_the_functions_and_running_runs_finish(world: Any) -> None:
    @world.on("old")
    async def old(ctx: inngest.Context) -> str:
        await ctx.step.sleep("long", datetime.timedelta(hours=1))
        return "finished"

    @world.on("new")
    async def new(ctx: inngest.Context) -> str:
        return "new"

    await world.serve(old)
    event = await world.send("old")
    await world.idle()
    await world.serve(new)
    assert [function["slug"] for function in await world.get("/v1/apps/app/functions")] == ["app-new"]
    ignored = await world.send("old")
    await world.engine.advance(datetime.timedelta(hours=2))
    assert (await world.ended(event))["output"] == "finished"
    assert await world.runs(ignored) == []
    assert (await world.ended(await world.send("new")))["output"] == "new"


async def test_several_apps_live_beside_each_other(world: Any) -> None:
    seen: list[str] = []
    for name in ("one", "two"):
        client = world.new_client(name)

        @client.create_function(fn_id="f", trigger=inngest.TriggerEvent(event="shared"))
        async def handler(ctx: inngest.Context, name: str = name) -> None:
            seen.append(name)

        await world.serve(handler, client=client)
    await world.send("shared")
    await world.idle()
    assert sorted(seen) == ["one", "two"]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"triggers": []},
        {"triggers": [{"event": "x"}] * 11},
        {"triggers": [{"event": "x*"}]},
        {"triggers": [{"event": "x", "expression": "event.data."}]},
        {"triggers": [{"cron": "* * * *"}]},
        {"triggers": [{"cron": "* * * * *"}, {"cron": "* * * * *"}]},
        {"triggers": [{"cron": "* * * * *", "jitter": "1h"}]},
        {"steps": {}},
        {"steps": {"step": {"runtime": {"url": "http://x"}, "retries": {"attempts": 21}}}},
        {"concurrency": [{"limit": 1}] * 3},
        {"concurrency": [{"limit": 0}]},
        {"concurrency": [{"limit": 1, "scope": "account"}]},
        {"concurrency": [{"limit": 1, "scope": "planet", "key": "'x'"}]},
        {"cancel": [{"event": "stop"}] * 6},
        {"debounce": {"period": "8d"}},
        {"debounce": {"period": "soon"}},
        {"rateLimit": {"limit": 1, "period": "25h"}},
        {"throttle": {"limit": 0, "period": "1m"}},
        {"batchEvents": {"maxSize": 1, "timeout": "1s"}},
        {"batchEvents": {"maxSize": 5, "timeout": "1s"}, "singleton": {"mode": "skip"}},
        {"singleton": {"mode": "pause"}},
        {"priority": {"run": "event."}},
        {"timeouts": {"finish": "later"}},
    ],
)
async def test_what_breaks_a_rule_is_refused_as_a_whole(world: Any, changes: dict[str, Any]) -> None:
    answer = await register(world, with_changes(id="app-good"), with_changes(**changes))
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert await world.get("/v1/apps") == []


async def test_bad_registrations(world: Any) -> None:
    assert (await register(world)).status_code == 400
    assert (await register(world, FUNCTION, FUNCTION)).status_code == 400
    assert (await register(world, FUNCTION, name="")).status_code == 400
    wrong_kind = await register(world, FUNCTION, **{"x-inngest-expected-server-kind": "cloud"})
    assert wrong_kind.status_code == 400
    for body in (b"{", b"[]", b'{"appname": "a", "functions": [1]}'):
        assert (await world.http.post(f"{world.url}/fn/register", content=body)).status_code == 400
    assert (await world.http.get(f"{world.url}/v1/apps/unknown/functions")).status_code == 404


def simple(client: inngest.Inngest) -> Any:
    @client.create_function(fn_id="simple", trigger=inngest.TriggerEvent(event="simple"))
    async def handler(ctx: inngest.Context) -> Any:
        async def one() -> int:
            return 1

        return [await ctx.step.run("one", one), ctx.event.data]

    return handler


async def test_apps_are_found_at_their_addresses(make_world: Any, wait_until: Any) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = await make_world(app_urls=[f"http://127.0.0.1:{port}/api/inngest"])
    await world.serve(simple(world.client), port=port, register=False)
    await wait_until(lambda: bool(world.engine.core.registry.apps), "the app to be found")
    assert (await world.ended(await world.send("simple")))["status"] == "Completed"


async def test_asking_an_app_to_register(world: Any) -> None:
    url = await world.serve(simple(world.client), register=False)
    answer = await world.http.post(f"{world.url}/v1/apps/sync", json={"url": url})
    assert answer.status_code == 200
    assert len(await world.get("/v1/apps/app/functions")) == 1
    for body, status in (({"url": "http://127.0.0.1:9/"}, 502), ({"url": world.url + "/health"}, 502), ({}, 400)):
        assert (await world.http.post(f"{world.url}/v1/apps/sync", json=body)).status_code == status


@pytest.mark.parametrize("discovered", [True, False])
async def test_with_keys_everything_is_signed(make_world: Any, discovered: bool) -> None:
    world = await make_world(signing_key=KEY, event_keys=["event-key"])
    options = {"is_production": True, "signing_key": KEY, "event_key": "event-key"}
    client = world.new_client("keyed", **options)
    url = await world.serve(simple(client), client=client, register=not discovered)
    bearer = {"authorization": f"Bearer {KEY}"}
    if discovered:
        answer = await world.http.post(f"{world.url}/v1/apps/sync", json={"url": url}, headers=bearer)
        assert answer.status_code == 200, answer.text
    ids = await client.send(inngest.Event(name="simple", data={"text": "ü", "number": 1.50}))
    await world.idle()
    runs = await world.http.get(f"{world.url}/v1/events/{ids[0]}/runs", headers=bearer)
    assert [run["output"] for run in runs.json()["data"]] == [[1, {"text": "ü", "number": 1.5}]]


async def test_with_keys_streamed_answers_and_large_states_are_signed_too(make_world: Any) -> None:
    world = await make_world(signing_key=KEY, event_keys=["event-key"])
    client = world.new_client("keyed", is_production=True, signing_key=KEY, event_key="event-key")

    @client.create_function(fn_id="large", trigger=inngest.TriggerEvent(event="large"))
    async def large(ctx: inngest.Context) -> int:
        async def megabytes() -> str:
            return "x" * 1_500_000

        return sum([len(await ctx.step.run(f"part-{number}", megabytes)) for number in range(4)])

    await world.serve(large, client=client, streaming=inngest.Streaming.FORCE)
    ids = await client.send(inngest.Event(name="large"))
    await world.idle()
    bearer = {"authorization": f"Bearer {KEY}"}
    runs = await world.http.get(f"{world.url}/v1/events/{ids[0]}/runs", headers=bearer)
    assert [run["output"] for run in runs.json()["data"]] == [6_000_000]


async def test_an_app_with_another_key_gets_nothing_done(make_world: Any) -> None:
    world = await make_world(signing_key=KEY, event_keys=["any"])
    good = world.new_client("keyed", is_production=True, signing_key=KEY, event_key="any")
    bad = world.new_client("keyed", is_production=True, signing_key=OTHER_KEY, event_key="any")
    port = int((await world.serve(simple(bad), client=bad, register=False)).split(":")[2].split("/")[0])
    answer = await world.http.post(
        f"{world.url}/fn/register",
        json={
            "appname": "keyed",
            "url": f"http://127.0.0.1:{port}/api/inngest",
            "functions": [simple(good).get_config(f"http://127.0.0.1:{port}/api/inngest").main.to_dict()],
        },
        headers={"authorization": f"Bearer {KEY}"},
    )
    assert answer.status_code == 200, answer.text
    ids = await good.send(inngest.Event(name="simple"))
    await world.idle()
    await world.engine.advance(datetime.timedelta(hours=1))
    runs = await world.http.get(f"{world.url}/v1/events/{ids[0]}/runs", headers={"authorization": f"Bearer {KEY}"})
    assert [run["status"] for run in runs.json()["data"]] == ["Failed"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/fn/register"),
        ("GET", "/v1/events"),
        ("GET", "/v1/runs"),
        ("DELETE", "/v1/runs/x"),
        ("GET", "/v0/runs/x/batch"),
        ("POST", "/v1/signals"),
        ("POST", "/v1/cancellations"),
        ("GET", "/v1/cancellations"),
        ("DELETE", "/v1/cancellations/x"),
        ("POST", "/invoke/x"),
        ("GET", "/v1/apps"),
        ("GET", "/v1/apps/x/functions"),
        ("GET", "/v1/events/x"),
        ("GET", "/v1/events/x/runs"),
        ("GET", "/v1/runs/x"),
        ("GET", "/v1/runs/x/steps"),
        ("GET", "/v1/runs/x/jobs"),
        ("POST", "/v1/runs/x/cancel"),
        ("GET", "/v0/runs/x/actions"),
        ("POST", "/v1/checkpoint/x/async"),
        ("POST", "/v1/apps/sync"),
        ("POST", "/v0/gql"),
        ("GET", "/metrics"),
        ("GET", "/v1/runs/changes"),
    ],
)
async def test_every_end_point_needs_the_key(make_world: Any, method: str, path: str) -> None:
    world = await make_world(signing_key=KEY, event_keys=["any"])
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}):
        answer = await world.http.request(method, world.url + path, headers=headers)
        assert (answer.status_code, bool(answer.json()["error"])) == (401, True)


async def test_no_end_point_is_forgotten(make_world: Any) -> None:
    """Whatever route there is: without the key it answers 401, but for the two that have to be open."""
    world = await make_world(signing_key=KEY, event_keys=["any"])
    seen = {}
    # The socket of Connect wants a token that the key is needed for: see test_connect.
    for route in (route for route in world.engine.asgi.routes if hasattr(route, "methods")):
        path = re.sub(r"{\w+}", "x", route.path)
        for method in route.methods - {"HEAD"}:
            seen[method, path] = (await world.http.request(method, world.url + path)).status_code
    assert {key for key, status in seen.items() if status != 401} == {("GET", "/health"), ("GET", "/dev")}
    assert seen["GET", "/dev"] == 404


async def test_a_body_that_is_too_large_is_not_read(make_world: Any) -> None:
    world = await make_world(signing_key=KEY, event_keys=["any"])
    large = b" " * (17 * 1024 * 1024)
    for path in ("/fn/register", "/v1/apps/sync", "/v1/signals", "/v0/gql"):
        bearer = {"authorization": f"Bearer {KEY}"}
        assert (await world.http.post(world.url + path, content=large, headers=bearer)).status_code == 413
    assert (await world.http.post(f"{world.url}/e/any", content=large * 2)).status_code == 413


def test_a_signing_key_alone_is_refused() -> None:
    from riveredge_engine import Engine

    with pytest.raises(ValueError, match="event key"):
        Engine(signing_key=KEY)


def test_a_key_that_no_sdk_would_accept_is_refused() -> None:
    from riveredge_engine import Engine

    for key in ("", "signkey-test-", "signkey-test-nothex"):
        with pytest.raises(ValueError, match="signing key"):
            Engine(signing_key=key)
