"""Webhooks against a real server: signed, bounded, judged by their answers, and kept out of private networks."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.webhooks import signature

from .conftest import TASKS, History, Make, states

pytestmark = pytest.mark.database

SECRET = "whsec_" + base64.b64encode(b"a key of more than 24 bytes").decode()


class Receiver:
    """An HTTP server that answers as told and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        around = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                around.calls.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = around.answers.pop(0) if around.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"x" * 100_000 if self.path == "/huge" else b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def hook(client: ApiClient, make: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`hook(url, …)`: a schedule that calls it, where the installation allows this machine's own addresses."""
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", '["127.0.0.0/8"]')
    saved = client.put("/api/v1/settings/scheduling", json={"webhook_secret": SECRET})
    assert saved.status_code == 200, saved.text

    def create(url: str, retries: int = 0, **params: Any) -> dict[str, Any]:
        task = make(action="scheduling.webhook", params={"url": url, **params}, retries=retries, retry_delay_s=1)
        assert client.post(f"{TASKS}/{task['id']}/run", json={}).status_code == 202
        return task

    return create


def test_a_call_is_signed_and_says_what_it_is(hook: Any, receiver: Receiver, history: History) -> None:
    task = hook(f"{receiver.url}/hook", data={"a": [1]}, headers={"X-Team": "blue"})
    (fire,) = history.ended(task, 1)
    assert (fire["state"], fire["result"]) == ("succeeded", {"status": 200, "answer": "ok"})
    ((path, headers, body),) = receiver.calls
    assert (path, headers["x-team"], headers["content-type"]) == ("/hook", "blue", "application/json")
    sent = json.loads(body)
    assert (sent["type"], sent["key"], sent["data"]) == ("scheduling.fire", task["key"], {"a": [1]})
    assert headers["webhook-id"] == fire["id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(b"a key of more than 24 bytes", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


def test_the_signature_is_the_standard_s() -> None:
    """The vector of Standard Webhooks' own libraries."""
    headers = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("answers", "attempts", "state"),
    [
        ([(503, {}), (200, {})], 2, "succeeded"),
        ([(429, {"Retry-After": "1"}), (200, {})], 2, "succeeded"),
        ([(404, {})], 1, "failed"),
        ([(302, {"Location": "http://169.254.169.254/"})], 1, "failed"),
    ],
)
def test_answers_are_judged(  # noqa: PLR0917
    hook: Any, receiver: Receiver, history: History, answers: list[Any], attempts: int, state: str
) -> None:
    receiver.answers = list(answers)
    task = hook(receiver.url, retries=3)
    (fire,) = history.ended(task, 1)
    assert (fire["state"], fire["attempt"], len(receiver.calls)) == (state, attempts, attempts)


def test_a_huge_answer_is_not_read(hook: Any, receiver: Receiver, history: History) -> None:
    (fire,) = history.ended(hook(f"{receiver.url}/huge", retries=3), 1)
    assert (fire["state"], fire["attempt"]) == ("failed", 1)
    assert "too large" in fire["error"]


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://1.1.1.1/"])
def test_the_operator_s_network_is_not_reached(
    hook: Any, history: History, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", "[]")
    (fire,) = history.ended(hook(url, retries=3), 1)
    assert (states([fire]), fire["attempt"]) == (["failed"], 1)
    assert "not to be called" in fire["error"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"url": "ftp://example.com/"}, "params.url"),
        ({"url": "https://user:secret@example.com/"}, "params.url"),
        ({"url": "https://example.com/\r\nX: y"}, "params.url"),
        ({"url": "https://example.com/", "headers": {"Host": "internal"}}, "params.headers"),
        ({"url": "https://example.com/", "headers": {"webhook-id": "forged"}}, "params.headers"),
        ({"url": "https://example.com/", "headers": {"X": "a\r\nY: b"}}, "params.headers"),
        ({"url": "https://example.com/", "data": "x" * 70_000}, "params.data"),
    ],
)
def test_odd_calls_are_refused(hook: Any, client: ApiClient, params: dict[str, Any], field: str) -> None:
    trigger = {"kind": "cron", "expression": "0 0 1 1 *"}
    body = {"key": "odd", "title": "x", "action": "scheduling.webhook", "params": params, "trigger": trigger}
    answer = client.post(TASKS, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_without_a_key_nothing_is_sent(client: ApiClient) -> None:
    trigger = {"kind": "cron", "expression": "0 0 1 1 *"}
    params = {"url": "https://example.com/"}
    body = {"key": "unsigned", "title": "x", "action": "scheduling.webhook", "params": params, "trigger": trigger}
    answer = client.post(TASKS, json=body)
    assert answer.status_code == 422
    assert "webhook_secret" in answer.json()["detail"]
    assert client.put("/api/v1/settings/scheduling", json={"webhook_secret": "short"}).status_code == 422
