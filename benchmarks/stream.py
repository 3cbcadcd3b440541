"""The live stream: a push that 500 WebSocket clients follow, from the request that causes it to the last of them."""

import asyncio
import sys
import time
from pathlib import Path

import httpx2

from benchmarks.crowd import crowd
from benchmarks.requests import ENGINE_OFF, free_port, prepare, served
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate

CLIENTS = 500
PUSHES = 40


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
    seconds: list[float] = []
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        crowd(base, [token] * CLIENTS, "example.notes") as told,
        httpx2.AsyncClient(base_url=base, headers=headers, timeout=30) as http,
    ):
        for _ in range(PUSHES):
            started = time.perf_counter()
            (await http.post("/api/v1/example/notes", json={"title": "Milk"})).raise_for_status()
            seconds += [at - started for at in await told()]
    return sorted(seconds)
