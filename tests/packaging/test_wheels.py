"""The wheels, installed by plain pip into an empty environment, start the platform, and what it prints is true."""

import json
import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = (
    "sdk",
    "migrations",
    "kernel",
    "plugins/engine",
    "plugins/messaging",
    "plugins/scheduling",
    "plugins/approvals",
    "plugins/directory",
)
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, seconds: float = 300) -> str:
    """The command's output; it must succeed."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("RIVEREDGE_", "PYTHONPATH", "VIRTUAL_ENV"))}
    # The build backend looks for its program there.
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` directory of an environment with the wheels and what they need, and nothing of the checkout."""
    place = tmp_path_factory.mktemp("wheels")
    for member in MEMBERS:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place / "dist")]
        run(*build, ROOT / member, cwd=place)
    venv.create(place / "env", with_pip=True)
    assert len(list((place / "dist").glob("*.whl"))) == len(MEMBERS)
    pip = [str(place / "env/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    names = [
        "riveredge-kernel",
        "riveredge-engine",
        "riveredge-messaging",
        "riveredge-scheduling",
        "riveredge-approvals",
        "riveredge-directory",
        "riveredge-sdk[testing]",
    ]
    run(*pip, "--find-links", place / "dist", *names, cwd=place, seconds=600)
    return place / "env" / "bin"


@pytest.fixture
def started(installed: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """`riveredge run` in an empty directory, and what it printed."""
    log = tmp_path / "out.log"
    with log.open("wb") as file:
        command = [str(installed / "riveredge"), "run", "--port", "0"]
        environment = {**os.environ, "RIVEREDGE_INNGEST__ENGINE_PORT": "0", "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while "Ctrl-C stops" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield tmp_path, log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert log.read_text().rstrip().endswith("Stopped.")


def test_the_three_printed_lines_work_when_pasted(started: tuple[Path, str]) -> None:
    directory, said = started
    lines = [line for line in said.splitlines() if line.startswith(("TOKEN=", "curl ", "sleep "))]
    assert len(lines) == 3
    answer = run("bash", "-c", "\n".join(lines), cwd=directory)
    decoder, documents, rest = json.JSONDecoder(), [], answer.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        documents.append(document)
        rest = rest[end:].strip()
    message, runs, inbox = documents
    assert message["template"] == "messaging.welcome"
    assert runs["items"][0]["status"] == "completed"
    assert inbox["unread"] == 1
    mails = [mail.read_bytes() for mail in (directory / "var" / "mail").iterdir()]
    assert sum(b"Subject: Welcome to RiverEdge" in mail for mail in mails) == 1


def test_everything_that_was_installed_is_active(installed: Path, tmp_path: Path) -> None:
    plugins = json.loads(run(installed / "riveredge", "plugin", "list", "--json", cwd=tmp_path))
    assert {plugin["id"]: plugin["state"] for plugin in plugins} == {
        "messaging": "active",
        "scheduling": "active",
        "approvals": "active",
        "directory": "active",
    }
    assert "riveredge" in run(installed / "riveredge", "--help", cwd=tmp_path)
