"""Commands as processes of their own, quickly: forked from one that has imported everything (`nursery`).

They are as real as `subprocess` has them: a process with its own environment, directory, streams, signals and exit
code. Only the two seconds that a new interpreter spends on importing the platform are gone. What tests that itself
starts the script with `subprocess`.

    done = run_command("riveredge", "db", "upgrade", env=environment)
    assert done.returncode == 0, done.stderr
"""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from riveredge_sdk.testing.nursery import NUMBER

BIN = Path(sys.executable).parent
_lock = threading.Lock()


class Command:
    """A process that was started; the methods are those of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], report: socket.socket) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._report = report
        self.pid = self._told()

    def _told(self) -> int:
        found = self._report.recv(NUMBER.size, socket.MSG_WAITALL)
        if len(found) < NUMBER.size:
            raise RuntimeError("the process that commands are forked from has ended")
        number: int = NUMBER.unpack(found)[0]
        return number

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code, or the negative number of the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: it has not ended in so many seconds.
        """
        if self.returncode is None:
            self._report.settimeout(timeout)
            try:
                self.returncode = self._told()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._report.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit code, or None if it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start_command(
    *arguments: str | os.PathLike[str],
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None = None,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> Command:
    """Start a script of an installed distribution, such as `riveredge`, or Python code (`-c`, the code).

    Args:
        arguments: the name of the script and what it is given.
        env: the whole environment.
        stdin: None: nothing to read. The other streams: None: those of the tests.
    """
    first, *others = (os.fspath(one) for one in arguments)
    code = others.pop(0) if first == "-c" else None
    argv = [first if code is not None else str(BIN / first), *others]
    request = json.dumps({"argv": argv, "code": code, "env": dict(env), "cwd": os.fspath(cwd or Path.cwd())}).encode()
    mine, its = socket.socketpair()
    with its, _lock, Path(os.devnull).open("rb") as nothing:
        control = _nursery()
        streams = (stdin or nothing, stdout or 1, stderr or 2, its)
        numbers = [one if isinstance(one, int) else one.fileno() for one in streams]
        socket.send_fds(control, [NUMBER.pack(len(request))], numbers)
        control.sendall(request)
    return Command([first, *others], mine)


def run_command(
    *arguments: str | os.PathLike[str],
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None = None,
    input: str = "",  # noqa: A002  (as `subprocess.run` has it)
    timeout: float = 120,
) -> "subprocess.CompletedProcess[str]":
    """The same to its end, with what it has written.

    Raises:
        subprocess.TimeoutExpired: it took too long, and was killed.
    """
    with contextlib.ExitStack() as stack:
        stdin, stdout, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        stdin.write(input.encode())
        stdin.seek(0)
        command = start_command(*arguments, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            code = command.wait(timeout)
        except subprocess.TimeoutExpired:
            command.kill()
            command.wait()
            raise
        said = []
        for stream in (stdout, stderr):
            stream.seek(0)
            said.append(stream.read().decode())
    return subprocess.CompletedProcess(command.args, code, *said)


@functools.cache
def _nursery() -> socket.socket:
    """Started with the first command; it ends when this process does."""
    mine, its = socket.socketpair()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")}
    with its:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", "from riveredge_sdk.testing.nursery import main; main()", str(its.fileno())],
            env=environment,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        mine.close()
        process.wait()

    atexit.register(end)
    return mine
