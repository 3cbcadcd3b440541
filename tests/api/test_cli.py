"""The commands, as an operator types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def run(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """What the command printed, on both streams; it must end with `code`."""
    done = subprocess.run([RIVEREDGE, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_an_installation_is_set_up_by_commands(environment: dict[str, str]) -> None:
    assert "run `riveredge db upgrade`" in run(environment, "tenant", "list", code=1)
    assert "kernel: 0001" in run(environment, "db", "upgrade")
    run(environment, "db", "check")
    assert "does not run" in run(environment, "db", "revision", "nowhere", "-m", "x", code=1)
    assert "everybody's" in run(environment, "db", "purge", "kernel", "--yes", code=1)
    run(environment, "tenant", "create", "acme", "--name", "Acme", "--timezone", "Asia/Shanghai")
    assert "already" in run(environment, "tenant", "create", "acme", code=1)
    assert "lower-case" in run(environment, "tenant", "create", "Not A Slug", code=1)
    run(environment, "user", "add", "acme", "ada@acme.example", "--admin", "--generate")
    assert "ada@acme.example" in run(environment, "user", "list", "acme")
    assert "no user" in run(environment, "user", "password", "nobody@acme.example", "--generate", code=1)
    run(environment, "tenant", "suspend", "acme")
    assert "suspended" in run(environment, "tenant", "list")
    doctor = run(environment, "doctor")
    assert "✓ schema of kernel" in doctor


def test_settings_that_are_wrong_are_named(environment: dict[str, str]) -> None:
    said = run({**environment, "RIVEREDGE_PORT": "many"}, "tenant", "list", code=2)
    assert "RIVEREDGE_PORT" in said
    said = run({**environment, "RIVEREDGE_MULTI_TENANT": "true"}, "tenant", "list", code=2)
    assert "PostgreSQL" in said


def test_plugins_are_listed(environment: dict[str, str]) -> None:
    listed = {plugin["id"]: plugin for plugin in json.loads(run(environment, "plugin", "list", "--json"))}
    assert listed["messaging"]["state"] == "active"
    assert listed["messaging"]["contributions"]["functions"] == 1
    denied = run({**environment, "RIVEREDGE_PLUGINS__DENY": '["example"]'}, "plugin", "list", "--json")
    assert {plugin["id"]: plugin["state"] for plugin in json.loads(denied)}["example"] == "disabled"


def test_commands_of_plugins_are_there(environment: dict[str, str]) -> None:
    assert run(environment, "example", "hello", "--name", "Ada").strip() == "Hello, Ada"
    run(environment, "nonsense", code=2)
