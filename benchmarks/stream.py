"""The live stream: a push that 500 WebSocket clients follow, from the request that causes it to the last of them."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.requests import ENGINE_OFF, free_port, prepare, served
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate

CLIENTS = 500
PUSHES = 40
_AT_ONCE = 50


def run(directory: Path, url: str, **database: str) -> list[float]:
    """Seconds from each request to each client's message, sorted."""
    migrate(database.get("owner_url") or url)
    settings = Settings.model_validate({"var_dir": directory, "database": {"url": url, **database}})
    token, _ = asyncio.run(prepare(settings))
    port = free_port()
    names = {f"RIVEREDGE_DATABASE__{name.upper()}": value for name, value in {"url": url, **database}.items()}
    environment = {
        **names,
        "RIVEREDGE_VAR_DIR": str(directory),
        "RIVEREDGE_PORT": str(port),
        "RIVEREDGE_INNGEST__BASE_URL": ENGINE_OFF,
        "RIVEREDGE_LOG_LEVEL": "error",
        "RIVEREDGE_STREAM__MAX_CONNECTIONS_PER_USER": str(CLIENTS),
    }
    command = [str(Path(sys.executable).parent / "riveredge"), "serve"]
    with served(command, port, environment, "/health/live") as base:
        return asyncio.run(_broadcast(base, token))


async def _broadcast(base: str, token: str) -> list[float]:
    headers = {"Authorization": f"Bearer {token}"}
    address = base.replace("http", "ws", 1) + "/api/v1/stream"
    gate = asyncio.Semaphore(_AT_ONCE)
    seconds: list[float] = []

    async def follow(stack: list[Any]) -> ClientConnection:
        async with gate:
            opened = connect(address, additional_headers=headers, proxy=None, compression=None)
            stack.append(opened)
            socket = await opened.__aenter__()
            await socket.send(json.dumps({"type": "subscribe", "topic": "example.notes"}))
            assert [json.loads(await socket.recv())["type"] for _ in range(2)] == ["hello", "subscribed"]  # noqa: S101
            return socket

    async def receive(socket: ClientConnection, started: float) -> None:
        while json.loads(await socket.recv())["type"] != "message":
            pass
        seconds.append(time.perf_counter() - started)

    opened: list[Any] = []
    async with httpx2.AsyncClient(base_url=base, headers=headers, timeout=30) as http:
        sockets = await asyncio.gather(*(follow(opened) for _ in range(CLIENTS)))
        for _ in range(PUSHES):
            started = time.perf_counter()
            reading = [asyncio.create_task(receive(socket, started)) for socket in sockets]
            answer = await http.post("/api/v1/example/notes", json={"title": "Milk"})
            answer.raise_for_status()
            await asyncio.gather(*reading)
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in opened))
    return sorted(seconds)
