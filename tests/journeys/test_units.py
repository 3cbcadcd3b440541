"""An installation by the letter of deploy/systemd: its units' commands, environment and secrets, with PostgreSQL."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from riveredge_kernel.server import listen
from riveredge_sdk.testing.postgres import find_postgres

from .conftest import free_port
from .instances import BIN, Instance, Unit

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = DEPLOY / "systemd"


@pytest.mark.slow
def test_the_units_bring_an_installation_up(tmp_path: Path, wait: Callable[..., Any]) -> None:
    server = find_postgres()
    if server is None:
        assert not os.environ.get("CI"), "CI needs PostgreSQL"
        pytest.skip("no PostgreSQL here")
    database = server.create_database()
    secrets = tmp_path / "etc/secrets"
    _write_secrets(secrets)
    (secrets / "database_url").write_text(database.app)
    (secrets / "database_system_url").write_text(database.system)
    (tmp_path / "etc/database_owner_url").write_text(database.owner)
    engine_port, number = free_port(), _free_number()
    # What an operator changes of it: where Inngest is.
    settings = (UNITS / "riveredge.env").read_text().replace(":8288", f":{engine_port}")
    (tmp_path / "etc/riveredge.env").write_text(settings)

    migrate = Unit(UNITS / "riveredge-migrate.service", tmp_path)
    done = subprocess.run(migrate.command, env=migrate.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    keys = {name: (secrets / f"inngest_{name}_key").read_text() for name in ("event", "signing")}
    command = [
        str(BIN / "riveredge-engine"),
        "serve",
        "--port",
        str(engine_port),
        "--store",
        str(tmp_path / "engine.db"),
    ]
    with (tmp_path / "engine.log").open("wb") as log:
        given = ["--event-key", keys["event"], "--signing-key", keys["signing"]]
        engine = subprocess.Popen([*command, *given], env=migrate.environment, stdout=log, stderr=log)
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        unit = Unit(UNITS / "riveredge@.service", tmp_path, str(number))
        # Inngest calls back where the socket is.
        origin = unit.environment["RIVEREDGE_INNGEST__SERVE_ORIGIN"]
        unit.environment["RIVEREDGE_INNGEST__SERVE_ORIGIN"] = origin.replace(":8000", f":{port}")
        instance = Instance(sock, unit.environment, tmp_path / "log", unit.command)
        try:
            instance.wait_until_ready()
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
                assert http.get("/health/ready").status_code == 200
                assert http.get("/api/v1/auth/me", headers={"Host": "riveredge.example.com"}).status_code == 401
                assert http.get("/api/v1/auth/me").status_code == 400, "only under the public URL's name"
            with httpx2.Client(base_url=f"http://127.0.0.1:900{number}", timeout=30) as operators:
                wait(lambda: _is_whole(operators.get("/health/ready").json()), what="a platform that is whole")
            instance.stop()
        finally:
            instance.kill()
            engine.terminate()
            engine.wait(30)
    assert not list((tmp_path / "var/riveredge").glob("*key*")), "all keys are given"
    server.drop_database(database.name)


def _is_whole(health: Any) -> bool:
    """Whether every part is well, functions registered with Inngest among them."""
    return {check["id"] for check in health["checks"]} > {"kernel.database", "kernel.functions", "kernel.tick"} and all(
        check["state"] == "ok" for check in health["checks"]
    )


def _write_secrets(place: Path) -> None:
    """Those that are not of the database, made as for the compose file."""
    made = place.parent / "made"
    shutil.copytree(DEPLOY / "compose", made)
    subprocess.run([made / "secrets.sh"], check=True)
    place.mkdir()
    for name in ("secret_keys", "token_key", "inngest_event_key", "inngest_signing_key"):
        shutil.copy(made / "secrets" / name, place / name)


def _free_number() -> int:
    """A number whose port for operators, 900<number>, nobody listens on."""
    for number in range(1, 10):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 9000 + number)):
                return number
    raise AssertionError("all of 9001 to 9009 are taken")
