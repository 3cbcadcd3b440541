"""Real installed distributions with one plugin each, and a process of its own that loads them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from riveredge_sdk.testing.commands import run_command

# What the platform does with its plugins when it starts, and what it then knows of them.
PROBE = """
import asyncio, json
from riveredge_kernel.cli.plugin import CONTRIBUTIONS
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_sdk.plugin import Plugin

host = PluginHost.load(Settings().plugins)
given = {}
for hook in CONTRIBUTIONS:
    given[hook.__name__] = [(c.plugin_id, str(getattr(c.item, "id", ""))) for c in host.collect(hook)]
results = asyncio.run(host.call(Plugin.startup))
reports = {r.id: {"state": r.state, "reason": r.reason, "version": r.version} for r in host.report()}
print(json.dumps({"order": [p.id for p in host.active], "reports": reports, "given": given, "started": list(results)}))
"""

Install = Callable[..., None]
Load = Callable[..., dict[str, Any]]


def install_plugin(site: Path, name: str, body: str = "", *, source: str | None = None) -> None:
    """Lay a distribution out as pip would.

    Args:
        body: of the plugin's class, after its id and title.
        source: the whole module instead.
    """
    module = (
        source
        if source is not None
        else (
            "from riveredge_sdk import *\n"
            "from riveredge_sdk.plugin import Plugin\n"
            "class ThePlugin(Plugin):\n"
            f"    id = {name!r}\n"
            f"    title = {name.title()!r}\n"
            f"{indent(dedent(body), '    ')}\n"
            "plugin = ThePlugin()\n"
        )
    )
    (site / f"{name}.py").write_text(module)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[riveredge.plugins]\n{name} = {name}:plugin\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n{name}-1.0.dist-info/RECORD,,\n")


def run(site: Path, *command: str, settings: dict[str, str], whole: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run a command with the distributions of `site` installed. `whole`: with an interpreter's own start."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RIVEREDGE_")}
    # The platform's own plugins take time to load and add nothing here.
    settings = {"deny": '["example", "messaging"]'} | settings
    environment |= {f"RIVEREDGE_PLUGINS__{key.upper()}": value for key, value in settings.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    if not whole:
        return run_command(*command, env=environment, timeout=60, cwd=site)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=site)


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install a plugin for this test."""

    def do(name: str, body: str = "", **options: Any) -> None:
        install_plugin(tmp_path, name, body, **options)

    return do


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load this test's plugins as the platform does; what became of them."""

    def do(**settings: str) -> dict[str, Any]:
        done = run(tmp_path, "-c", PROBE, settings=settings)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return do


@pytest.fixture
def fail_to_load(tmp_path: Path) -> Callable[..., str]:
    """Load this test's plugins where that must fail; the error."""

    def do(**settings: str) -> str:
        done = run(tmp_path, "-c", PROBE, settings=settings)
        assert done.returncode == 1, done.stdout
        return done.stderr

    return do


@pytest.fixture
def list_plugins(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What `riveredge plugin list --json` tells, by id."""

    def do(**settings: str) -> dict[str, Any]:
        command = str(Path(sys.executable).parent / "riveredge")
        done = run(tmp_path, command, "plugin", "list", "--json", settings=settings, whole=True)
        assert done.returncode == 0, done.stderr
        return {line["id"]: line for line in json.loads(done.stdout[done.stdout.index("[\n") :])}

    return do
