"""What lies in deploy/ and what docs/operations tells: complete, well-formed, and of settings that there are."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import PluginHostSettings, Settings
from riveredge_sdk.outbound import OutboundSettings
from riveredge_sdk.plugin import Plugin

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
_VARIABLE = re.compile(r"(?<![A-Z_])RIVEREDGE_[A-Z0-9_]*[A-Z0-9]")
# The set-up's and the tests' own.
_OTHERS = ("RIVEREDGE_SETUP", "RIVEREDGE_TEST_")


@pytest.fixture(scope="module")
def models() -> dict[str, type[BaseModel]]:
    """The models of settings: the kernel's under "", the others by their section."""
    contributed = PluginHost.load(PluginHostSettings()).collect(Plugin.settings)
    return {"": Settings, "outbound": OutboundSettings, **{c.plugin_id: c.item for c in contributed}}


def is_setting(variable: str, models: dict[str, type[BaseModel]]) -> bool:
    """Whether some model of settings reads it, by itself or as `…_FILE`."""
    path = variable.removeprefix("RIVEREDGE_").lower().split("__")
    model: Any = models[""]
    if path[0] in models:
        model = models[path.pop(0)]
        if not path:
            return True
    for index, part in enumerate(path):
        fields = getattr(model, "model_fields", {})
        name = part if part in fields else part.removesuffix("_file")
        if name not in fields:
            return False
        model = fields[name].annotation
        if index + 1 < len(path) and not hasattr(model, "model_fields"):
            return False
    return True


def texts() -> Iterator[tuple[Path, str]]:
    files = [ROOT / "README.md", ROOT / "THREAT_MODEL.md", *(ROOT / "docs").rglob("*.md"), *DEPLOY.rglob("*")]
    return ((file.relative_to(ROOT), file.read_text()) for file in files if file.is_file())


def test_every_variable_that_is_named_is_a_setting(models: dict[str, type[BaseModel]]) -> None:
    assert is_setting("RIVEREDGE_DATABASE__URL_FILE", models)
    assert not is_setting("RIVEREDGE_DATABASE__URI", models)
    wrong = {
        (str(file), variable)
        for file, text in texts()
        for variable in _VARIABLE.findall(text)
        if not variable.startswith(_OTHERS) and not is_setting(variable, models)
    }
    assert wrong == set()


def test_the_compose_file_hangs_together() -> None:
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    services: dict[str, Any] = compose["services"]
    made = set(re.findall(r"^make (\w+) ", (DEPLOY / "compose/secrets.sh").read_text(), re.MULTILINE))
    assert set(compose["secrets"]) == made
    for name, service in services.items():
        assert set(service.get("secrets", [])) <= made, name
        assert set(service.get("networks", [])) <= set(compose["networks"]), name
        assert set(service.get("depends_on", {})) <= set(services), name
        assert "latest" not in service["image"]
        assert ":" in service["image"], f"{name}: a version, not whatever there is"
        for mounted in service.get("volumes", []):
            source = mounted.split(":")[0]
            assert source in compose["volumes"] or source.startswith("${") or (DEPLOY / "compose" / source).is_file()
        used = re.findall(r"/run/secrets/(\w+)", str(service.get("environment", "")) + str(service.get("command", "")))
        assert set(used) <= set(service.get("secrets", [])), name
    assert services["redis"]["command"][1:3] == ["--appendonly", "yes"]
    # Only the proxy is reached from outside.
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    roles = (DEPLOY / "compose/roles.sh").read_text()
    assert set(re.findall(r"password (\w+)\)", roles)) <= set(services["database"]["secrets"])


def test_compose_reads_the_file(tmp_path: Path) -> None:
    client = compose_client()
    if client is None:
        assert not os.environ.get("CI"), "CI needs docker compose"
        pytest.skip("no docker compose here")
    text = (DEPLOY / "compose/compose.yaml").read_text()
    if client == ["docker-compose"]:
        # The first one, which some distributions still have, gives projects no names.
        text = text.replace("name: riveredge\n", "", 1)
    (tmp_path / "compose.yaml").write_text(text)
    (tmp_path / "secrets").mkdir()
    for name in yaml.safe_load(text)["secrets"]:
        (tmp_path / "secrets" / name).touch()

    def read(**environment: str) -> "subprocess.CompletedProcess[str]":
        given = {**os.environ, **environment}
        command = [*client, "-f", "compose.yaml", "config"]
        return subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)

    assert "RIVEREDGE_PUBLIC_URL" in read(RIVEREDGE_PUBLIC_URL="").stderr
    done = read(RIVEREDGE_PUBLIC_URL="https://riveredge.example.com")
    assert (done.returncode, done.stderr) == (0, "")
    services = yaml.safe_load(done.stdout)["services"]
    assert services["platform-1"] == services["platform-2"]
    assert services["platform-1"]["environment"]["RIVEREDGE_PUBLIC_URL"] == "https://riveredge.example.com"
    assert set(services["migrate"]["environment"]) == {
        "RIVEREDGE_DATABASE__URL_FILE",
        "RIVEREDGE_DATABASE__OWNER_URL_FILE",
    }


def compose_client() -> list[str] | None:
    """The command that reads compose files, if there is one."""
    if shutil.which("docker"):
        found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if found.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def test_the_inngest_server_is_started_as_its_documentation_says(tmp_path: Path) -> None:
    """See https://www.inngest.com/docs/self-hosting: the keys and the database by environment, the rest by flags."""
    inngest = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]["inngest"]
    place = shutil.copytree(DEPLOY / "compose", tmp_path / "compose")
    subprocess.run([place / "secrets.sh"], check=True)
    program = tmp_path / "inngest"
    program.write_text('#!/bin/sh\necho "$@"\nenv | grep ^INNGEST_\n')
    program.chmod(0o700)
    (script,) = inngest["command"]
    script = script.replace("$$", "$").replace("/run/secrets", str(place / "secrets"))
    command = [*inngest["entrypoint"], script]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].split() == [
        *("start", "--host", "0.0.0.0", "--redis-uri", "redis://redis:6379", "--postgres-max-open-conns", "20")
    ]
    secrets = {name: (place / "secrets" / f"inngest_{name}").read_text() for name in ("event_key", "signing_key")}
    assert dict(line.split("=", 1) for line in said[1:]) == {
        "INNGEST_EVENT_KEY": secrets["event_key"],
        "INNGEST_SIGNING_KEY": secrets["signing_key"],
        "INNGEST_POSTGRES_URI": (place / "secrets/inngest_database_url").read_text(),
    }
    # It takes both keys as hexadecimal numbers only.
    assert all(len(bytes.fromhex(key)) >= 16 for key in secrets.values())


def test_scripts_are_well_formed(tmp_path: Path) -> None:
    for script in (UNITS / "riveredge-admin", *(DEPLOY / "compose").glob("*.sh")):
        assert os.access(script, os.X_OK)
        subprocess.run(["sh", "-n", script], check=True)
    # The secrets are made once, closed to others, and of the form that the platform reads.
    place = shutil.copytree(DEPLOY / "compose", tmp_path / "compose")
    subprocess.run([place / "secrets.sh"], check=True)
    first = {file.name: file.read_text() for file in (place / "secrets").iterdir()}
    assert (place / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run([place / "secrets.sh"], check=True)
    assert first == {file.name: file.read_text() for file in (place / "secrets").iterdir()}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")},
        "RIVEREDGE_VAR_DIR": str(tmp_path),
        "RIVEREDGE_SECRET_KEYS_FILE": str(place / "secrets/secret_keys"),
        "RIVEREDGE_AUTH__TOKEN_KEY_FILE": str(place / "secrets/token_key"),
    }
    read = (
        "from riveredge_kernel import secrets, settings as s; x = s.Settings(); secrets.vault(x); secrets.token_key(x)"
    )
    subprocess.run([sys.executable, "-c", read], env=environment, check=True)


def test_the_units_are_well_formed_and_closed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert not os.environ.get("CI"), "CI needs systemd-analyze"
        pytest.skip("no systemd here")
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket")):
        text = unit.read_text().replace("/opt/riveredge/bin/riveredge", str(Path(sys.executable).parent / "riveredge"))
        (tmp_path / unit.name).write_text(text)
    units = [str(unit) for unit in sorted(tmp_path.iterdir())]
    checked = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    # How much of the machine a process that was taken over could reach: 10 is all, the default of a service 9.6.
    closed = [analyze, "security", "--offline=yes", "--threshold=20", str(tmp_path / "riveredge@.service")]
    assert subprocess.run(closed, capture_output=True, check=False).returncode == 0
