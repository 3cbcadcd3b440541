"""The commands, as an operator types them."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from riveredge_sdk.testing.commands import run_command, start_command

RIVEREDGE = Path(sys.executable).parent / "riveredge"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An installation in an empty directory."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")}
    return {
        **inherited,
        "RIVEREDGE_VAR_DIR": str(tmp_path / "var"),
        "RIVEREDGE_INNGEST__BASE_URL": "http://127.0.0.1:9",
    }


def run(environment: dict[str, str], *arguments: str, code: int = 0, whole: bool = False) -> str:
    """What the command printed, on both streams; it must end with `code`. `whole`: with an interpreter's own start."""
    if whole:
        command = [str(RIVEREDGE), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    else:
        done = run_command("riveredge", *arguments, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def password_hash(environment: dict[str, str]) -> str:
    """What is kept of the only user's password."""
    with contextlib.closing(sqlite3.connect(Path(environment["RIVEREDGE_VAR_DIR"]) / "riveredge.db")) as database:
        (found,) = database.execute("SELECT password_hash FROM kernel_user").fetchone()
    return str(found)


@pytest.mark.slow
def test_an_installation_is_set_up_by_commands(environment: dict[str, str]) -> None:
    assert "run `riveredge db upgrade`" in run(environment, "tenant", "list", code=1)
    assert re.search(r"✓ kernel: \d{4}", run(environment, "db", "upgrade"))
    run(environment, "db", "check")
    assert "does not run" in run(environment, "db", "revision", "nowhere", "-m", "x", code=1)
    assert "everybody's" in run(environment, "db", "purge", "kernel", "--yes", code=1)
    run(environment, "tenant", "create", "acme", "--name", "Acme", "--timezone", "Asia/Shanghai")
    assert "already" in run(environment, "tenant", "create", "acme", code=1)
    assert "lower-case" in run(environment, "tenant", "create", "Not A Slug", code=1)
    run(environment, "user", "add", "acme", "ada@acme.example", "--admin", "--generate")
    assert "ada@acme.example" in run(environment, "user", "list", "acme")
    # Tests hash cheaply; an installation does not.
    assert password_hash(environment).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "no user" in run(environment, "user", "password", "nobody@acme.example", "--generate", code=1)
    assert "Allowed by" in run(environment, "user", "why", "acme", "ada@acme.example", "kernel.run.read")
    link = run(environment, "user", "reset-link", "ada@acme.example")
    assert re.search(r"http://127\.0\.0\.1:8000/apps/console/reset-password#token=\S{43}\n", link)
    assert "last used" in run(environment, "user", "sessions", "ada@acme.example")
    assert "0 session(s)" in run(environment, "user", "sign-out", "ada@acme.example")
    assert "without" in run(environment, "user", "second-factor-off", "ada@acme.example")
    assert "again" in run(environment, "user", "unlock", "ada@acme.example")
    assert "no user" in run(environment, "user", "unlock", "nobody@acme.example", code=1)
    assert "password_weak" not in run(environment, "user", "password", "ada@acme.example", "--generate")
    run(environment, "tenant", "suspend", "acme")
    assert "suspended" in run(environment, "tenant", "list")
    run(environment, "tenant", "resume", "acme")
    archive = environment["RIVEREDGE_VAR_DIR"] + "/acme.zip"
    assert "rows of acme are in" in run(environment, "tenant", "export", "acme", archive)
    assert "is here already" in run(environment, "tenant", "import", archive, code=1)
    elsewhere = {**environment, "RIVEREDGE_VAR_DIR": environment["RIVEREDGE_VAR_DIR"] + "/elsewhere"}
    run(elsewhere, "db", "upgrade")
    assert "1 people of river" in run(elsewhere, "tenant", "import", archive, "--slug", "river")
    assert "nothing was done" in run(elsewhere, "tenant", "import", archive, "--slug", "river")
    assert "ada@acme.example" in run(elsewhere, "user", "list", "river")
    assert "kernel.members of acme: 3" in run(environment, "tenant", "limit", "acme", "kernel.members", "3")
    assert re.search(r"kernel\.members .*3 .*yes .*1", run(environment, "tenant", "quotas", "acme"))
    assert "no such quota" in run(environment, "tenant", "limit", "acme", "kernel.membrs", "3", code=1)
    assert "tenant undelete acme" in run(environment, "tenant", "delete", "acme", "--days", "5", "--yes")
    assert "already" in run(environment, "tenant", "delete", "acme", "--yes", code=1)
    assert "undelete" in run(environment, "tenant", "resume", "acme", code=1)
    assert "is active again" in run(environment, "tenant", "undelete", "acme")
    doctor = run(environment, "doctor", code=1)
    assert [line for line in doctor.splitlines() if line.startswith("✗")] == [
        "✗ Inngest: self-hosted, does not answer at http://127.0.0.1:9: ConnectError"
    ]
    assert "✓ schema of kernel" in doctor
    assert "✓ Events on their way" in doctor


def test_settings_that_are_wrong_are_named(environment: dict[str, str]) -> None:
    said = run({**environment, "RIVEREDGE_PORT": "many"}, "tenant", "list", code=2, whole=True)
    assert "RIVEREDGE_PORT" in said
    said = run({**environment, "RIVEREDGE_MULTI_TENANT": "true"}, "tenant", "list", code=2, whole=True)
    assert "PostgreSQL" in said


def test_plugins_are_listed(environment: dict[str, str]) -> None:
    listed = {plugin["id"]: plugin for plugin in json.loads(run(environment, "plugin", "list", "--json"))}
    assert listed["messaging"]["state"] == "active"
    assert listed["messaging"]["contributions"]["functions"] >= 1
    denied = run({**environment, "RIVEREDGE_PLUGINS__DENY": '["example"]'}, "plugin", "list", "--json")
    assert {plugin["id"]: plugin["state"] for plugin in json.loads(denied)}["example"] == "disabled"


def test_commands_of_plugins_are_there(environment: dict[str, str]) -> None:
    assert run(environment, "example", "hello", "--name", "Ada", whole=True).strip() == "Hello, Ada"
    run(environment, "nonsense", code=2, whole=True)


@contextlib.contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[str]:
    """`riveredge run` on free ports, for the time of the block; what it printed."""
    free = {"RIVEREDGE_PORT": "0", "RIVEREDGE_INNGEST__ENGINE_PORT": "0", "PYTHONUNBUFFERED": "1"}
    own = {name: value for name, value in environment.items() if name != "RIVEREDGE_INNGEST__BASE_URL"}
    with log.open("wb") as file:
        process = start_command("riveredge", "run", env={**own, **free}, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while "Ctrl-C stops" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def passwords(said: str) -> list[str]:
    return re.findall(r"@demo\.example +(\S+) ", said)


def shown_by_the_plugins(said: str) -> None:
    """The demo's organisation, and a purchase that waits for the head of the submitter's department."""
    (url,) = re.findall(r"API +(http\S+)", said)
    lin = dict(re.findall(r"(\w+@demo\.example) +(\S+) ", said))["lin@demo.example"]
    with httpx2.Client(base_url=url) as http:
        signed_in = http.post("/auth/login", json={"email": "lin@demo.example", "password": lin})
        http.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"

        def asked() -> list[str]:
            tasks = http.get("/approvals/tasks").raise_for_status().json()["items"]
            return [task["title"] for task in tasks]

        deadline = time.monotonic() + 30
        while asked() != ["Two monitors 两台显示器"]:
            assert time.monotonic() < deadline, asked()
            time.sleep(0.1)


@pytest.mark.slow
def test_the_demo_is_the_same_at_every_start(environment: dict[str, str], tmp_path: Path) -> None:
    with running(environment, tmp_path / "1.log") as said:
        first = passwords(said)
        assert len(first) == 4
        shown_by_the_plugins(said)
    with running(environment, tmp_path / "2.log") as said:
        assert passwords(said) == first
    other = {**environment, "RIVEREDGE_DATABASE__URL": f"sqlite+aiosqlite:///{tmp_path}/other.db"}
    with running(other, tmp_path / "3.log") as said:
        assert passwords(said) == first
    (tmp_path / "var" / "demo.json").unlink()
    without = {**environment, "RIVEREDGE_PLUGINS__DENY": '["messaging"]'}
    with running(without, tmp_path / "4.log") as said:
        assert "riveredge user password ada@demo.example" in said
        # What is to be tried, can be.
        assert "/auth/me" in said
        assert "/messaging/" not in said


@pytest.mark.slow
def test_an_organisation_that_happens_to_be_called_demo_is_left_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    run(environment, "db", "upgrade")
    run(environment, "tenant", "create", "demo")
    with running(environment, tmp_path / "1.log") as said:
        assert "@demo.example" not in said
    assert "ada" not in run(environment, "user", "list", "demo")


def test_a_port_that_is_taken_is_named_with_the_way_out(environment: dict[str, str]) -> None:
    run(environment, "db", "upgrade")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("run", "serve"):
            said = run({**environment, "RIVEREDGE_PORT": port}, command, code=1)
            assert f"127.0.0.1:{port}" in said
            assert "RIVEREDGE_PORT=" in said
        # An empty variable is an absent one: no Inngest is named.
        embedded = {**environment, "RIVEREDGE_INNGEST__BASE_URL": "", "RIVEREDGE_PORT": "0"}
        said = run({**embedded, "RIVEREDGE_INNGEST__ENGINE_PORT": port}, "run", code=1)
        assert "RIVEREDGE_INNGEST__ENGINE_PORT=" in said


@pytest.mark.slow
def test_access_is_looked_after_by_commands(environment: dict[str, str]) -> None:
    run(environment, "db", "upgrade")
    run(environment, "tenant", "create", "acme")
    assert "as suggested" in run(environment, "role", "templates", "acme")
    assert "kernel.viewer" in run(environment, "role", "apply", "acme", "kernel.viewer")
    assert "No plugin suggests" in run(environment, "role", "apply", "acme", "no.role", code=1)
    assert "kernel.member.read" in run(environment, "role", "list", "acme")
    unknown = run(environment, "api-key", "create", "acme", "Robot", "--permission", "no.such.thing", code=1)
    assert "no.such.thing" in unknown
    wanted = ("--role", "kernel.viewer", "--permission", "kernel.run.read", "--days", "7")
    key = run(environment, "api-key", "create", "acme", "Robot", *wanted).strip()
    assert re.fullmatch(r"rek_\w{8}_\w{49}", key)
    prefix = key[:12]
    assert prefix in run(environment, "api-key", "list", "acme")
    run(environment, "api-key", "revoke", "acme", prefix)
    assert "revoked" in run(environment, "api-key", "list", "acme")
    assert "no API key" in run(environment, "api-key", "revoke", "acme", "rek_00000000", code=1)
    assert "issuer" in run(environment, "identity-provider", "list", "acme")
    assert "no identity provider" in run(environment, "identity-provider", "deactivate", "acme", "x", code=1)


def test_the_doctor_says_once_what_is_wrong(environment: dict[str, str]) -> None:
    misspelt = {**environment, "RIVEREDGE_DATABSE__URL": "sqlite+aiosqlite:///x", "RIVEREDGE_EXAMPLE__ANY": "1"}
    said = run(misspelt, "doctor", code=1)
    assert "✗ schema of kernel: run `riveredge db upgrade`" in said
    assert "! RIVEREDGE_DATABSE__URL: is no setting" in said
    assert "RIVEREDGE_EXAMPLE__ANY" not in said
    assert "no such table" not in said
