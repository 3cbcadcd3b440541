"""Connect, with the SDK's own worker: it opens a socket, registers over it and gets its calls through it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from collections.abc import AsyncIterator
from typing import Any

import inngest
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from inngest.connect import ConnectionState, connect
from inngest.connect._internal import connect_pb2 as pb

from riveredge_engine.connect import gateway, messages
from riveredge_engine.connect.wire import decode, encode

KEY = "signkey-test-" + "0123456789abcdef" * 4
HOUR = datetime.timedelta(hours=1)


@contextlib.asynccontextmanager
async def working(client: inngest.Inngest, *functions: Any, **options: Any) -> AsyncIterator[Any]:
    """A worker of the SDK, connected for the time of the block."""
    worker = connect([(client, list(functions))], shutdown_signals=[], **options)
    task = asyncio.create_task(worker.start())
    active = asyncio.create_task(worker.wait_for_state(ConnectionState.ACTIVE))
    await asyncio.wait({task, active}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    try:
        if task.done():
            task.result()
        assert active.done()
        yield worker
    finally:
        active.cancel()
        await worker.close(wait=True)
        await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_without_a_port_runs_functions(world: Any) -> None:
    tries = 0

    @world.on("work", retries=1)
    async def work(ctx: inngest.Context) -> Any:
        async def flaky() -> int:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise RuntimeError("once")
            return tries

        async def one() -> str:
            return "one" if ctx.request_id else ""

        first = await ctx.step.run("flaky", flaky)
        await ctx.step.sleep("nap", HOUR)
        both = await ctx.group.parallel((lambda: ctx.step.run("a", one), lambda: ctx.step.run("b", one)))
        return [first, *both]

    @world.on("fail", retries=3)
    async def fail(ctx: inngest.Context) -> None:
        raise inngest.NonRetriableError("for good")

    async with working(world.client, work, fail):
        event, failing = await world.send("work"), await world.send("fail")
        assert (await world.ended(failing))["output"]["message"] == "for good"
        await world.idle()
        await world.engine.advance(2 * HOUR)
        run = await world.ended(event)
        assert run["output"] == [2, "one", "one"]
        assert await world.steps(run["run_id"]) == ["flaky", "nap", "a", "b"]
        assert "riveredge_engine_workers 1" in (await world.http.get(f"{world.url}/metrics")).text
        (app,) = await world.get("/v1/apps")
        assert (app["name"], app["framework"], app["functions"]) == ("app", "connect", 2)


async def test_runs_wait_for_a_worker_and_cost_no_attempt(world: Any) -> None:
    @world.on("work", retries=0)
    async def work(ctx: inngest.Context) -> int:
        return ctx.attempt

    async with working(world.client, work):
        pass
    events = [await world.send("work") for _ in range(3)]
    await world.idle()
    await world.engine.advance(datetime.timedelta(days=3))
    assert [(await world.run(event))["status"] for event in events] == ["Running"] * 3
    assert (world.engine.queued, world.engine.calls) == (3, 0)
    await world.engine.crash()
    await world.engine.cancel((await world.run(events[0]))["run_id"])
    async with working(world.client, work):
        assert [(await world.ended(event))["status"] for event in events] == ["Cancelled", "Completed", "Completed"]


async def test_what_waits_for_a_worker_goes_on_when_its_app_gets_an_address(world: Any) -> None:
    @world.on("work")
    async def work(ctx: inngest.Context) -> str:
        return "done"

    async with working(world.client, work):
        pass
    event = await world.send("work")
    await world.idle()
    await world.serve(work)
    assert (await world.ended(event))["output"] == "done"


async def test_a_worker_gets_no_more_than_it_takes(world: Any) -> None:
    inside = most = 0

    async def step() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    @world.on("work")
    async def work(ctx: inngest.Context) -> None:
        await ctx.step.run("step", step)

    async with working(world.client, work, max_worker_concurrency=2):
        events = [await world.send("work") for _ in range(8)]
        assert [(await world.ended(event))["status"] for event in events] == ["Completed"] * 8
    assert most == 2


async def test_a_worker_that_is_sent_away_answers_over_its_next_socket(world: Any, wait_until: Any) -> None:
    started, finish = 0, asyncio.Event()

    async def slow() -> str:
        nonlocal started
        started += 1
        await finish.wait()
        return "done"

    @world.on("work", retries=0)
    async def work(ctx: inngest.Context) -> str:
        return await ctx.step.run("slow", slow)

    async with working(world.client, work) as worker:
        event = await world.send("work")
        await wait_until(lambda: started == 1, "the step to begin")
        first = worker.get_connection_id()
        (connection,) = world.engine.gateway._connections
        await connection.close()

        def is_back() -> bool:
            return bool(worker.get_connection_id() != first and world.engine.gateway.workers)

        await wait_until(is_back, "the worker to be back")
        finish.set()
        assert (await world.ended(event))["output"] == "done"
    assert started == 1


async def test_keys(make_world: Any) -> None:
    world = await make_world(signing_key=KEY, event_keys=["event-key"])
    options = {"is_production": True, "event_key": "event-key"}
    client = world.new_client("keyed", signing_key=KEY, **options)

    @client.create_function(fn_id="work", trigger=inngest.TriggerEvent(event="work"))
    async def work(ctx: inngest.Context) -> str:
        return "done"

    async with working(client, work):
        ids = await client.send(inngest.Event(name="work"))
        await world.idle()
        bearer = {"authorization": f"Bearer {KEY}"}
        runs = (await world.http.get(f"{world.url}/v1/events/{ids[0]}/runs", headers=bearer)).json()["data"]
        assert [run["output"] for run in runs] == ["done"]
    stranger = world.new_client("keyed", signing_key="signkey-test-" + "ff" * 32, **options)
    with pytest.raises(Exception, match="unauthorized"):
        async with working(stranger, work):
            pass


class RawWorker:
    """A worker made of the protocol's own messages, which can misbehave."""

    def __init__(self, world: Any, socket: websockets.ClientConnection, start: pb.StartResponse) -> None:
        self.world = world
        self.socket = socket
        self.start = start

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, world: Any) -> AsyncIterator[RawWorker]:
        answer = await world.http.post(f"{world.url}/v0/connect/start", content=pb.StartRequest().SerializeToString())
        start = pb.StartResponse.FromString(answer.content)
        protocols = [websockets.Subprotocol(messages.PROTOCOL)]
        async with websockets.connect(start.gateway_endpoint, subprotocols=protocols) as socket:
            worker = cls(world, socket, start)
            assert await worker.receive() == (pb.GATEWAY_HELLO, b"")
            yield worker

    async def send(self, kind: Any, payload: Any = None) -> None:
        data = b"" if payload is None else payload.SerializeToString()
        await self.socket.send(pb.ConnectMessage(kind=kind, payload=data).SerializeToString())

    async def receive(self) -> tuple[int, bytes]:
        message = pb.ConnectMessage.FromString(await asyncio.wait_for(self.socket.recv(decode=False), 20))
        return message.kind, message.payload

    async def register(self, token: str | None = None, functions: bytes | None = None) -> None:
        runtime = {"type": "ws", "url": "wss://connect?fnId=raw-f&stepId=step"}
        step = {"id": "step", "name": "step", "retries": {"attempts": 1}, "runtime": runtime}
        function = {"id": "raw-f", "name": "f", "triggers": [{"event": "raw"}], "steps": {"step": step}}
        content = json.dumps([function]).encode() if functions is None else functions
        wanted = pb.WorkerConnectRequestData(
            connection_id=self.start.connection_id,
            auth_data=pb.AuthData(session_token=self.start.session_token if token is None else token),
            apps=[pb.AppConfiguration(app_name="raw", functions=content)],
        )
        await self.send(pb.WORKER_CONNECT, wanted)

    async def call(self) -> pb.GatewayExecutorRequestData:
        kind, payload = await self.receive()
        assert kind == pb.GATEWAY_EXECUTOR_REQUEST
        request: pb.GatewayExecutorRequestData = pb.GatewayExecutorRequestData.FromString(payload)
        return request


async def test_a_lease_that_runs_out_costs_an_attempt_and_a_call_that_is_not_taken_none(
    world: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(gateway, "_LEASE_SECONDS", 1.5)
    async with RawWorker.connected(world) as worker:
        await worker.register()
        assert (await worker.receive())[0] == pb.GATEWAY_CONNECTION_READY
        event = await world.send("raw")
        ignored = await worker.call()
        taken = await worker.call()
        assert ignored.job_id == taken.job_id
        await worker.send(pb.WORKER_REQUEST_ACK, pb.WorkerRequestAckData(request_id=taken.request_id))
        await worker.send(pb.WORKER_REQUEST_EXTEND_LEASE, pb.WorkerRequestExtendLeaseData(request_id=taken.request_id))
        kind, payload = await worker.receive()
        assert kind == pb.WORKER_REQUEST_EXTEND_LEASE_ACK
        assert pb.WorkerRequestExtendLeaseAckData.FromString(payload).new_lease_id
        again = await worker.call()
        assert b'"attempt": 1' in again.request_payload
        # The old one is not waited for any more: its lease is not extended, and its answer is acknowledged and dropped.
        await worker.send(pb.WORKER_REQUEST_EXTEND_LEASE, pb.WorkerRequestExtendLeaseData(request_id=taken.request_id))
        assert not pb.WorkerRequestExtendLeaseAckData.FromString((await worker.receive())[1]).new_lease_id
        for call, body in ((taken, b'"late"'), (again, b'"in time"')):
            reply = pb.SDKResponse(request_id=call.request_id, status=pb.DONE, body=body, sdk_version="raw:v1")
            await worker.send(pb.WORKER_REPLY, reply)
            assert (await worker.receive())[0] == pb.WORKER_REPLY_ACK
        assert (await world.ended(event))["output"] == "in time"


async def test_an_answer_can_come_over_http(world: Any) -> None:
    async with RawWorker.connected(world) as worker:
        await worker.register()
        await worker.receive()
        event = await world.send("raw")
        call = await worker.call()
        await worker.send(pb.WORKER_HEARTBEAT)
        assert (await worker.receive())[0] == pb.GATEWAY_HEARTBEAT
        reply = pb.SDKResponse(request_id=call.request_id, status=pb.DONE, body=b'"flushed"', sdk_version="raw:v1")
        flush = f"{world.url}/v0/connect/flush"
        answer = await world.http.post(flush, content=reply.SerializeToString())
        assert pb.FlushResponse.FromString(answer.content).request_id == call.request_id
        assert (await world.ended(event))["output"] == "flushed"
        assert (await world.http.post(flush, content=b"\xff\xff")).status_code == 400


@pytest.mark.parametrize(
    ("token", "functions", "text"),
    [("", None, "token"), ("wrong", None, "token"), (None, b"[]", "no functions"), (None, b"[{}]", "no id")],
)
async def test_a_worker_without_the_token_or_with_bad_functions_is_refused(
    world: Any, token: str | None, functions: bytes | None, text: str
) -> None:
    async with RawWorker.connected(world) as worker:
        await worker.register(token, functions)
        kind, payload = await worker.receive()
        assert kind == pb.SYNC_FAILED
        assert text in pb.SystemError.FromString(payload).message
        with pytest.raises(websockets.ConnectionClosed):
            await worker.receive()
    assert await world.get("/v1/apps") == []


@pytest.mark.parametrize("said", [b"\xff", b"\x0a\x01", b"\x08\x09", "text", b"\x12\x00" * 20_000])
async def test_nonsense_ends_a_connection_and_nothing_else(world: Any, said: bytes | str) -> None:
    async with RawWorker.connected(world) as worker:
        await worker.socket.send(said)
        with pytest.raises(websockets.ConnectionClosed):
            await worker.receive()
    assert (await world.http.get(f"{world.url}/health")).status_code == 200


async def test_connecting_needs_a_library_that_speaks_websockets(world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = await world.http.post(f"{world.url}/v0/connect/start")
    assert (answer.status_code, "riveredge-engine[connect]" in answer.json()["error"]) == (501, True)


texts = st.text(max_size=20)


@given(texts, st.sampled_from([0, 1, 2]), st.binary(max_size=300), st.booleans(), st.none() | texts)
def test_messages_are_those_of_protocol_buffers(
    request_id: str, status: Any, body: bytes, no_retry: bool, retry_after: str | None
) -> None:
    reply = pb.SDKResponse(
        request_id=request_id, status=status, body=body, no_retry=no_retry, retry_after=retry_after, request_version=2
    )
    found = decode(messages.REPLY, reply.SerializeToString())
    assert (found["request_id"], found["status"], found["body"]) == (request_id, status, body)
    assert (found["no_retry"], found["retry_after"]) == (no_retry, retry_after or "")
    made = encode(messages.EXECUTOR_REQUEST, {"request_id": request_id, "request_payload": body, "step_id": "step"})
    read = pb.GatewayExecutorRequestData.FromString(made)
    assert (read.request_id, read.request_payload, read.step_id) == (request_id, body, "step")
