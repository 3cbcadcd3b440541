"""A tenant-scoped list and a create, against the same end-points written by hand."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from benchmarks.load import Result, hammer, request_bytes
from riveredge_kernel.app import create_app
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.platform import Platform
from riveredge_kernel.server import listen
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate

ROWS = 200
COUNT = 1500
CONNECTIONS = 8
ROUNDS = 3
ENGINE_OFF = "http://127.0.0.1:9"


def free_port() -> int:
    """A port that nobody listens on."""
    with contextlib.closing(listen("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def served(command: list[str], port: int, environment: dict[str, str], path: str) -> Iterator[str]:
    """A server process; its base URL once it answers."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)  # noqa: S603
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urlopen(base + path) as answer:  # noqa: S310
                if answer.status == 200:
                    break
            time.sleep(0.05)
        yield base
    finally:
        process.terminate()
        process.wait(20)


async def prepare(settings: Settings) -> tuple[str, str]:
    """A tenant with a user; a token, and the key that verifies it."""
    platform: Platform = create_app(settings).state.platform
    tenant = await platform.provisioning.create_tenant("bench", "Bench")
    member = await platform.provisioning.add_member(tenant, "bench@example.com", roles=[ADMINISTRATOR])
    token = await platform.auth.token_for(member.user_id, tenant)
    await platform.database.dispose()
    return token, platform.auth.tokens.public_pem()


async def measure(list_url: str, create_url: str, token: str) -> tuple[Result, Result]:
    """List and create; the rows for the list are made first."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def create(number: int) -> bytes:
        return request_bytes(
            create_url, "POST", headers, json.dumps({"title": f"Note {number}", "text": "x" * 200}).encode()
        )

    def read(_number: int) -> bytes:
        return request_bytes(list_url, "GET", headers)

    await hammer(create_url, create, count=ROWS, connections=1, expect=201)
    await hammer(list_url, read, count=100, connections=CONNECTIONS, expect=200)
    listed = await hammer(list_url, read, count=COUNT, connections=CONNECTIONS, expect=200)
    created = await hammer(create_url, create, count=COUNT, connections=CONNECTIONS, expect=201)
    return listed, created


def run(directory: Path, database_url: str, hand_url: str, **database: str) -> dict[str, list[tuple[Result, Result]]]:
    """Both servers side by side, in turns; for each of list and create the pairs (ours, by hand)."""
    port, hand_port = free_port(), free_port()
    settings = Settings(
        var_dir=directory,
        database={"url": database_url, **database},
        inngest={"base_url": ENGINE_OFF},
    )
    migrate(settings.database.owner_url or database_url)
    token, key = asyncio.run(prepare(settings))
    ours = {
        "RIVEREDGE_VAR_DIR": str(directory),
        "RIVEREDGE_PORT": str(port),
        "RIVEREDGE_DATABASE__URL": database_url,
        "RIVEREDGE_INNGEST__BASE_URL": ENGINE_OFF,
        "RIVEREDGE_LOG_LEVEL": "error",
        **{f"RIVEREDGE_DATABASE__{name.upper()}": url for name, url in database.items()},
    }
    theirs = {"BY_HAND_DATABASE_URL": hand_url, "BY_HAND_PUBLIC_KEY": key}
    uvicorn = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.by_hand:app",
        "--port",
        str(hand_port),
        "--log-level",
        "error",
    ]
    pairs: dict[str, list[tuple[Result, Result]]] = {"list": [], "create": []}
    with (
        served([sys.executable, "-m", "riveredge_kernel", "serve"], port, ours, "/health/live") as base,
        served([*uvicorn, "--no-access-log"], hand_port, theirs, "/openapi.json") as hand,
    ):
        for _ in range(ROUNDS):
            notes = f"{base}/api/v1/example/notes"
            list_ours, create_ours = asyncio.run(measure(f"{notes}?limit=50", notes, token))
            list_hand, create_hand = asyncio.run(measure(f"{hand}/notes?limit=50", f"{hand}/notes", token))
            pairs["list"].append((list_ours, list_hand))
            pairs["create"].append((create_ours, create_hand))
    return pairs
