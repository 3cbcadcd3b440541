"""What `riveredge doctor` finds out about the platform's surroundings."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from riveredge_kernel.testing import migrate
from riveredge_sdk.testing.commands import run_command
from riveredge_sdk.testing.postgres import find_postgres

BIN = Path(sys.executable).parent


def doctor(environment: dict[str, str]) -> str:
    """What it prints."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")}
    done = run_command("riveredge", "doctor", env={**inherited, **environment})
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Starts a server on a free port, and ends it after the test."""
    with ExitStack() as stack:

        def started(*command: str) -> int:
            port = free_port()
            process = subprocess.Popen(
                [part.format(port=port) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        return port
                time.sleep(0.05)
            raise AssertionError(f"{command[0]} does not answer")

        yield started


def test_a_self_hosted_inngest_needs_a_redis_that_keeps_things(tmp_path: Path, serve: Callable[..., int]) -> None:
    redis = shutil.which("redis-server")
    if redis is None:
        assert not os.environ.get("CI"), "CI needs redis-server"
        pytest.skip("no redis-server here")
    inngest = serve(str(BIN / "riveredge-engine"), "serve", "--port", "{port}", "--store", str(tmp_path / "engine.db"))
    here = {"RIVEREDGE_VAR_DIR": str(tmp_path), "RIVEREDGE_INNGEST__BASE_URL": f"http://127.0.0.1:{inngest}"}
    said = doctor(here)
    assert "✓ Inngest: self-hosted" in said
    assert "✓ clock of Inngest" in said
    assert "! Redis of Inngest" in said
    for append_only, mark in (("yes", "✓"), ("no", "✗")):
        port = serve(redis, "--port", "{port}", "--appendonly", append_only, "--save", "", "--dir", str(tmp_path))
        found = doctor({**here, "RIVEREDGE_INNGEST__REDIS_URL": f"redis://127.0.0.1:{port}/0"})
        assert f"{mark} Redis of Inngest" in found, found
    nowhere = {"RIVEREDGE_INNGEST__REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    assert "✗ Redis of Inngest" in doctor({**here, **nowhere})
    gone = {**here, "RIVEREDGE_INNGEST__BASE_URL": f"http://127.0.0.1:{free_port()}"}
    assert "✗ Inngest: self-hosted, does not answer" in doctor(gone)


def test_a_clock_that_is_wrong_is_told(tmp_path: Path) -> None:
    class Ahead(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + 3600, usegmt=True)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ahead) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        inngest = f"http://127.0.0.1:{server.server_address[1]}"
        said = doctor({"RIVEREDGE_VAR_DIR": str(tmp_path), "RIVEREDGE_INNGEST__BASE_URL": inngest})
        server.shutdown()
    assert re.search(r"! clock of Inngest: \+3(599|600) s from this machine's: synchronise them", said), said


def test_tables_without_the_second_wall_are_named(tmp_path: Path) -> None:
    server = find_postgres()
    if server is None:
        assert not os.environ.get("CI"), "CI needs PostgreSQL"
        pytest.skip("no PostgreSQL here")
    database = server.create_database()
    try:
        migrate(database.owner)
        here = {
            "RIVEREDGE_VAR_DIR": str(tmp_path),
            "RIVEREDGE_DATABASE__URL": database.app,
            "RIVEREDGE_DATABASE__SYSTEM_URL": database.system,
            "RIVEREDGE_ENVIRONMENT": "production",
        }
        # Who serves needs no password of the tables' owner, and should not be the owner.
        said = doctor(here)
        assert "✓ schema of kernel" in said
        assert "database roles" not in said
        assert "! database roles" in doctor({**here, "RIVEREDGE_DATABASE__URL": database.owner})
        assert "✓ row-level security: in force on" in said
        assert "✓ clock of the database" in said
        plain = database.owner.replace("+asyncpg", "")
        subprocess.run(
            ["psql", plain, "-c", "ALTER TABLE kernel_membership NO FORCE ROW LEVEL SECURITY"],
            check=True,
            capture_output=True,
        )
        assert "✗ row-level security: not in force on kernel_membership" in doctor(here)
    finally:
        server.drop_database(database.name)
