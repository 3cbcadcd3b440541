"""What an Inngest server says of a run, with its quirks. The server here is a stand-in: it answers as a real one was
seen to (errors as HTTP 200 from its cache, "Completed" of a run that sleeps), which cannot be had on demand."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from riveredge_kernel.functions.engine_api import EngineApi, EngineAwayError, EngineRun
from riveredge_kernel.functions.models import RunStatus
from riveredge_kernel.server import listen, serve_app
from riveredge_kernel.settings import InngestSettings

KEY = "ab" * 32


class StandIn:
    """Answers `/v1/runs/{id}` with what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Response = JSONResponse({})
        self.asked: list[tuple[str, str, str]] = []
        self.key: str | None = None
        self.app = Starlette(routes=[Route("/v1/runs/{run_id}", self.respond, methods=["GET", "DELETE"])])

    async def respond(self, request: Request) -> Response:
        self.asked.append((request.method, request.url.path, request.headers.get("authorization", "")))
        if self.key is not None and request.headers.get("authorization") != self.key:
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[tuple[StandIn, EngineApi]]:
    """A stand-in, and what asks it."""
    stand_in = StandIn()
    socket = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{socket.getsockname()[1]}"
    api = EngineApi(InngestSettings(base_url=address, signing_key=SecretStr(f"signkey-prod-{KEY}")))
    async with serve_app(stand_in.app, socket, lifespan=False):
        yield stand_in, api
        await api.close()


def run(**values: Any) -> JSONResponse:
    """An answer about a run."""
    return JSONResponse({"data": {"run_id": "01", **values}, "metadata": {}})


ENDED = "2026-11-24T10:00:00Z"


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (run(status="Running", ended_at=None), EngineRun(RunStatus.RUNNING)),
        (run(status="Scheduled", ended_at=None), EngineRun(RunStatus.RUNNING)),
        (run(status="Completed", ended_at=ENDED, output={"a": 1}), EngineRun(RunStatus.COMPLETED)),
        (run(status="COMPLETED", ended_at=ENDED), EngineRun(RunStatus.COMPLETED)),
        (run(status="Completed", ended_at=None), EngineRun(RunStatus.RUNNING)),
        (run(status="Cancelled", ended_at=ENDED), EngineRun(RunStatus.CANCELLED)),
        (run(status="Failed", ended_at=ENDED), EngineRun(RunStatus.FAILED)),
        (run(status="Failed", ended_at=ENDED, output="oh"), EngineRun(RunStatus.FAILED, "oh")),
        (
            run(status="Failed", ended_at=ENDED, output={"name": "LookupError", "message": "no"}),
            EngineRun(RunStatus.FAILED, "LookupError: no"),
        ),
        (
            run(status="Failed", ended_at=ENDED, output={"error": {"message": "no"}}),
            EngineRun(RunStatus.FAILED, "Error: no"),
        ),
        (JSONResponse({"error": "run not found", "data": None, "status": 404}), None),
        (JSONResponse({"error": "run not found", "status": 404}, status_code=404), None),
    ],
)
async def test_answers(server: tuple[StandIn, EngineApi], answer: Response, known: EngineRun | None) -> None:
    stand_in, api = server
    stand_in.answer = answer
    assert await api.run("01") == known


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"error": "nil pointer", "data": None, "status": 500}),
        JSONResponse({"error": "strange", "status": 200}),
        JSONResponse({"error": "no key"}, status_code=401),
        Response("<html>a proxy's page</html>", status_code=502),
        JSONResponse([1]),
    ],
)
async def test_what_is_no_answer_ends_no_run(server: tuple[StandIn, EngineApi], answer: Response) -> None:
    stand_in, api = server
    stand_in.answer = answer
    with pytest.raises(EngineAwayError):
        await api.run("01")


async def test_nobody_there() -> None:
    api = EngineApi(InngestSettings(base_url="http://127.0.0.1:9"))
    with pytest.raises(EngineAwayError):
        await api.cancel("01")
    await api.close()


async def test_the_keys_hash_travels(server: tuple[StandIn, EngineApi]) -> None:
    stand_in, api = server
    stand_in.answer = JSONResponse({})
    assert await api.cancel("01")
    digest = hashlib.sha256(bytes.fromhex(KEY)).hexdigest()
    assert stand_in.asked == [("DELETE", "/v1/runs/01", f"Bearer {digest}")]


async def test_while_keys_are_changed_either_is_tried(server: tuple[StandIn, EngineApi]) -> None:
    stand_in, first = server
    other = "cd" * 32
    settings = InngestSettings(
        base_url=first._base, signing_key=SecretStr(KEY), signing_key_fallback=SecretStr(f"signkey-prod-{other}")
    )
    wanted = f"Bearer {hashlib.sha256(bytes.fromhex(other)).hexdigest()}"
    stand_in.key = wanted
    stand_in.answer = run(status="Completed", ended_at=ENDED)
    api = EngineApi(settings)
    for _ in range(2):
        assert await api.run("01") == EngineRun(RunStatus.COMPLETED)
    await api.close()
    # What was right is tried first from then on.
    assert [bearer == wanted for _, _, bearer in stand_in.asked] == [False, True, True]
