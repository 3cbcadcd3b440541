"""The process that commands of tests are forked from: everything that they import, it has imported.

It knows no settings, opens nothing and has one thread, so that a child finds what a new interpreter finds. `commands`
talks to it: each request comes with the four descriptors of a command, the last of which is told of the process id, and
then of the exit code.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

NUMBER = struct.Struct("!q")
# What commands import late.
_LATE = (
    "aiosqlite",
    "asyncpg",
    "httpcore",
    "pydantic.v1",
    "rich.table",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)


def main() -> None:
    """Serve requests until the other end closes; in a child, become the command."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _preload()
    assert threading.active_count() == 1, "no process with threads can be forked"
    # What is here stays: children's collectors need not look at it, and copy none of its pages.
    gc.collect()
    gc.freeze()
    request = _serve(control)
    if request is not None:
        _become(request)


def _preload() -> None:
    for group in ("riveredge.testing", "riveredge.plugins"):
        for entry in entry_points(group=group):
            entry.load()
    for script in entry_points(group="console_scripts"):
        if script.name.startswith("riveredge"):
            script.load()
    for name in _LATE:
        with contextlib.suppress(ImportError):
            import_module(name)


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. In the parent it returns None at the end, in a child what to become."""
    asked, wake = socket.socketpair()
    for end in (asked, wake):
        end.setblocking(False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(asked, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if asked in ready:
                asked.recv(4096)
                _reap(running)
            if control not in ready:
                continue
            head, descriptors, _, _ = socket.recv_fds(control, NUMBER.size, 4)
            if not head:
                return None
            request: dict[str, Any] = json.loads(_exactly(control, NUMBER.unpack(head)[0]))
            *streams, report = descriptors
            child = os.fork()
            if child == 0:
                break
            for descriptor in streams:
                os.close(descriptor)
            running[child] = socket.socket(fileno=report)
            running[child].sendall(NUMBER.pack(child))
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in (*descriptors, *(one.detach() for one in (control, asked, wake, *running.values()))):
        os.close(descriptor)
    return request


def _reap(running: dict[int, socket.socket]) -> None:
    for child, report in list(running.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with contextlib.suppress(OSError):
                report.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
            report.close()
            del running[child]


def _exactly(control: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = control.recv(size - len(found))
        if not part:
            raise EOFError("the tests ended within a request")
        found += part
    return bytes(found)


def _become(request: Mapping[str, Any]) -> None:
    """What an interpreter does before it runs a script, and then the script. The caller returns: it ends alike, too."""
    os.chdir(request["cwd"])
    known = _search_path()
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    place = "" if sys.argv[0] == "-c" else str(Path(sys.argv[0]).parent)
    sys.path[:] = [place, *_search_path(), *(one for one in sys.path[1:] if one not in known)]
    if request["code"] is not None:
        exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  (the test's own)
        return
    (script,) = entry_points(group="console_scripts", name=Path(sys.argv[0]).name)
    sys.exit(script.load()())


def _search_path() -> list[str]:
    return [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
