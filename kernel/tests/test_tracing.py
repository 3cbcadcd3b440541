"""One trace from request to step, seen by a real collector: an HTTP server that takes OTLP as protobuf."""

import gzip
import json
import logging as stdlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import BaseModel

from riveredge_kernel import logging, tracing
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk import EventType, FunctionContext, FunctionSpec, Plugin, Router, publish, unit_of_work
from riveredge_sdk.functions import NonRetriableError
from riveredge_sdk.outbound import outbound_client
from riveredge_sdk.testing.platform import DatabaseKind, TestUser

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Keeps what it is sent, decoded."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                request = ExportTraceServiceRequest.FromString(body)
                for group in request.resource_spans:
                    kept.resources.append(group.resource)
                    kept.spans += [span for scope in group.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def trace(self, trace_id: str) -> dict[str, Any]:
        """The trace's spans by name."""
        return {span.name: span for span in list(self.spans) if span.trace_id.hex() == trace_id}

    def span(self, name: str, trace_id: str) -> Any:
        """A span of the trace, once it has come."""
        for _ in range(1500):
            if name in (found := self.trace(trace_id)):
                return found[name]
            time.sleep(0.05)
        raise AssertionError(f"no span {name!r}, but {sorted(self.trace(trace_id))}")


def values(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


class Parcel(BaseModel):
    address: str


SENT = EventType("post/parcel.sent", Parcel, title="A parcel was sent")
LOST = EventType("post/parcel.lost", Parcel, title="A parcel was lost")
router = Router(tag="Post")


@router.post("/parcels/{secret}", signed_in=True, status=202)
async def send_parcel(secret: str) -> None:
    publish(SENT, Parcel(address="lane 5"))


async def carry(ctx: FunctionContext, event: Parcel) -> str:
    @unit_of_work()
    async def load() -> str:
        async with outbound_client() as http:
            try:
                await http.get("https://127.0.0.1:1/lane")
            except httpx2.HTTPError:
                publish(LOST, event)
        stdlib.getLogger("post").warning("loading")
        return "loaded"

    await ctx.step.run("load", load)
    await ctx.step.sleep("rest", timedelta(seconds=10))
    return "there"


async def search(ctx: FunctionContext, event: Parcel) -> None:
    async def look() -> None:
        raise NonRetriableError(f"nobody knows {event.address}")

    await ctx.step.run("look", look)


class Post(Plugin):
    id, title = "post", "Post"

    def routers(self) -> list[Router]:
        return [router]

    def event_types(self) -> list[EventType[Any]]:
        return [SENT, LOST]

    def functions(self) -> list[FunctionSpec[Any]]:
        return [
            FunctionSpec(id="post.carry", title="Carry", trigger=SENT, handler=carry),
            FunctionSpec(id="post.search", title="Search", trigger=LOST, handler=search),
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def traced(
    database_kind: DatabaseKind, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThreadedPlatform]:
    """A platform that sends its traces to the collector, and believes callers from this machine."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    # Nobody listens there.
    for name, value in {"HOST": "127.0.0.1", "PORT": "1", "TLS": "none"}.items():
        monkeypatch.setenv(f"RIVEREDGE_MESSAGING__SMTP__{name}", value)
    # FastAPI's own would tell more than ids.
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with start(database_kind, tmp_path, plugins=[Post()], tracing={"accept_from": ["127.0.0.0/8"]}) as platform:
        yield platform


def post(platform: ThreadedPlatform, user: TestUser, **headers: str) -> None:
    answer = httpx2.post(
        f"{platform.base_url}/api/v1/post/parcels/hush",
        headers={"Authorization": f"Bearer {user.token}", "X-Request-ID": "mine", **headers},
    )
    assert answer.status_code == 202, answer.text


@pytest.mark.database
def test_request_events_runs_and_steps_are_one_trace(
    traced: ThreadedPlatform, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = traced.create_tenant("acme-of-lane")
    user = traced.create_user(tenant, ["kernel.run.read"])
    root = stdlib.getLogger()
    before = root.handlers, root.level
    try:
        logging.configure(Settings(log_format="json"))
        post(traced, user, traceparent=CALLER)
        traced.settle()
    finally:
        root.handlers, root.level = before[0], before[1]
    trace_id = CALLER[3:35]

    # Everything hangs together, from the caller to the step of the run that a run's step has caused.
    request = collector.span("POST /api/v1/post/parcels/{secret}", trace_id)
    sent = collector.span("send post/parcel.sent", trace_id)
    load = collector.span("step load", trace_id)
    call = collector.span("HTTP GET", trace_id)
    lost = collector.span("send post/parcel.lost", trace_id)
    search_run = collector.span("run post.search", trace_id)
    look = collector.span("step look", trace_id)
    assert request.parent_span_id.hex() == CALLER[36:52]
    assert sent.parent_span_id == request.span_id
    assert lost.parent_span_id == call.parent_span_id == load.span_id
    assert search_run.parent_span_id == lost.span_id
    assert look.parent_span_id == search_run.span_id
    assert (look.status.code, search_run.status.code, load.status.code) == (2, 2, 0)
    # The run sleeps yet, so it has no span; when it ends, it gets the one that the step has named already.
    assert "run post.carry" not in collector.trace(trace_id)
    traced.advance(timedelta(seconds=20))
    carried = collector.span("run post.carry", trace_id)
    assert carried.parent_span_id == sent.span_id
    assert load.parent_span_id == carried.span_id
    assert carried.end_time_unix_nano > load.end_time_unix_nano
    assert values(carried)["riveredge.status"] == "completed"
    assert values(request)["riveredge.tenant_id"] == values(load)["riveredge.tenant_id"] == str(tenant.id)
    resource = {a.key: a.value.string_value for a in collector.resources[0].attributes}
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("riveredge", "test")

    # The API and the log name the trace.
    auth = {"Authorization": f"Bearer {user.token}"}
    wanted = {"match": "all", "conditions": [{"field": "trace_id", "op": "eq", "value": trace_id}]}
    answer = httpx2.get(f"{traced.base_url}/api/v1/runs", params={"filter": json.dumps(wanted)}, headers=auth)
    assert {run["function"] for run in answer.json()["items"]} == {"post.carry", "post.search"}
    assert {run["trace_id"] for run in answer.json()["items"]} == {trace_id}
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    loading = next(line for line in lines if line["event"] == "loading")
    assert (loading["trace_id"], loading["span_id"], loading["request_id"]) == (trace_id, load.span_id.hex(), "mine")
    assert (loading["run"], loading["tenant"]) == (values(load)["riveredge.run_id"], str(tenant.id))

    # A mail is a part of the step that hands it over.
    other = CALLER.replace(trace_id, trace_id[::-1])
    forgot = f"{traced.base_url}/api/v1/auth/password/forgot"
    httpx2.post(forgot, json={"email": user.email}, headers={"traceparent": other})
    traced.settle()
    smtp = collector.span("SMTP", trace_id[::-1])
    assert smtp.parent_span_id == collector.span("step send", trace_id[::-1]).span_id
    assert (smtp.kind, smtp.status.code, values(smtp)["smtp.bytes"] > 100) == (3, 2, True)

    # Ids, and no more: neither names nor addresses, paths or messages.
    for span in collector.spans:
        text = str(span)
        assert not any(secret in text for secret in ("lane", "hush", "acme", user.email, "127.0.0.1")), text


def test_strangers_do_not_choose_the_trace(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with start("sqlite", tmp_path, plugins=[Post()]) as platform:
        user = platform.create_user(platform.create_tenant("acme"), ["kernel.run.read"])
        post(platform, user, traceparent=CALLER)
        platform.settle()
        mine = httpx2.get(f"{platform.base_url}/api/v1/runs", headers={"Authorization": f"Bearer {user.token}"})
        trace_id = next(r["trace_id"] for r in mine.json()["items"] if r["function"] == "post.search")
        assert collector.span("POST /api/v1/post/parcels/{secret}", trace_id).parent_span_id == b""
    # The end of the process sends what is left.
    assert collector.trace(CALLER[3:35]) == {}
    assert not any(span.name.startswith(("run kernel.tick", "GET /health")) for span in collector.spans)


def test_a_collector_that_is_away_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with start("sqlite", tmp_path, plugins=[Post()]) as platform:
        user = platform.create_user(platform.create_tenant("acme"), ["kernel.run.read"])
        post(platform, user)
        platform.settle()


@pytest.mark.parametrize(
    ("variables", "wanted", "reason"),
    [
        ({}, False, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False, ""),
        ({"OTEL_TRACES_EXPORTER": "console"}, True, ""),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, True, "zipkin"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True, "grpc"),
    ],
)
def test_the_standard_variables_decide(
    variables: Mapping[str, str], wanted: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing.wanted() is wanted
    if wanted:
        assert reason in tracing.why_not() if reason else tracing.why_not() == ""


def test_nothing_is_imported_while_traces_are_off() -> None:
    program = "import sys, riveredge_kernel.app, riveredge_kernel.server; print(sorted(sys.modules))"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    answer = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    # FastAPI imports the interface, which does nothing by itself.
    assert "riveredge_kernel.app" in answer.stdout
    assert "opentelemetry.sdk" not in answer.stdout
    assert "opentelemetry.exporter" not in answer.stdout
