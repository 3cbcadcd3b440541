"""Start-up time: without plugins, and with fifty."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

PLUGINS = 50
ROUNDS = 5

_MODULE = """
from pydantic import BaseModel
from riveredge_sdk import EventType, FunctionContext, FunctionSpec, Permission, Plugin, Router

class Payload(BaseModel):
    name: str

router = Router(prefix="/things", tag="{name}")

@router.get(require="{name}.thing.read")
async def list_things() -> list[Payload]:
    return []

@router.post(require="{name}.thing.read")
async def create_thing(body: Payload) -> Payload:
    return body

HAPPENED = EventType("{name}/thing.happened", Payload, "Something happened")

async def react(ctx: FunctionContext, event: Payload) -> None: ...

class P(Plugin):
    id, title = "{name}", "{name}"
    def routers(self): return [router]
    def permissions(self): return [Permission("{name}.thing.read", "Read")]
    def event_types(self): return [HAPPENED]
    def functions(self): return [FunctionSpec(id="{name}.react", title="React", trigger=HAPPENED, handler=react)]

plugin = P()
"""
_START = (
    "from riveredge_kernel.app import create_app; from riveredge_kernel.settings import Settings; "
    "app = create_app(Settings(), check_schema=False); app.openapi"
)


def write_plugins(directory: Path) -> None:
    """Fifty installed distributions, each with routes, an event and a function."""
    for number in range(PLUGINS):
        name = f"bench{number:02d}"
        package, info = directory / f"riveredge_{name}", directory / f"riveredge_{name}-1.0.dist-info"
        package.mkdir(parents=True)
        info.mkdir()
        (package / "__init__.py").write_text(_MODULE.replace("{name}", name))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: riveredge-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[riveredge.plugins]\n{name} = riveredge_{name}:plugin\n")


def start_seconds(environment: dict[str, str]) -> float:
    """From the start of Python to an assembled platform."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", _START], env={**os.environ, **environment}, check=True)  # noqa: S603
    return time.perf_counter() - started


def run(directory: Path) -> tuple[float, float]:
    """Seconds with no plugin and with fifty: the best of several, in turns."""
    write_plugins(directory / "site")
    var = {"RIVEREDGE_VAR_DIR": str(directory), "RIVEREDGE_LOG_LEVEL": "error"}
    # Neither with the plugins that happen to be installed here: what is compared is none and exactly fifty.
    with_none = {**var, "RIVEREDGE_PLUGINS__SAFE_MODE": "true"}
    fifty = json.dumps([f"bench{number:02d}" for number in range(PLUGINS)])
    with_fifty = {**var, "PYTHONPATH": str(directory / "site"), "RIVEREDGE_PLUGINS__ALLOW": fifty}
    times = [(start_seconds(with_none), start_seconds(with_fifty)) for _ in range(ROUNDS)]
    return min(none for none, _ in times), min(fifty for _, fifty in times)
