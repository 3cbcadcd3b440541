"""Forked commands are processes like any other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from riveredge_sdk.testing.commands import run_command, start_command

# What a process sees of where it is.
LOOK = """
import json, os, signal, sys, threading
print(json.dumps([
    sys.argv, os.getcwd(), os.environ["RIVEREDGE_ANY"], "HOME" in os.environ, sys.path[:2], sys.stdin.read(),
    signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    threading.active_count(), [number for number in range(3, 200) if os.path.exists(f"/dev/fd/{number}")],
]))
"""


def test_a_command_finds_what_a_new_interpreter_finds(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "RIVEREDGE_ANY": "1", "PYTHONPATH": str(tmp_path)}
    forked = run_command("-c", LOOK, "word", env=environment, cwd=tmp_path, input="said")
    command = [sys.executable, "-c", LOOK, "word"]
    new = subprocess.run(
        command, env=environment, cwd=tmp_path, input="said", capture_output=True, text=True, check=True
    )
    assert (forked.returncode, forked.stderr) == (0, "")
    assert forked.stdout == new.stdout


def test_a_command_ends_as_it_wants_to(tmp_path: Path) -> None:
    ends = {
        "import sys; sys.exit(3)": (3, ""),
        "import os; os._exit(4)": (4, ""),
        "raise SystemExit('no')": (1, "no\n"),
        "1 / 0": (1, "ZeroDivisionError: division by zero\n"),
        "import os; os.kill(os.getpid(), 9)": (-signal.SIGKILL, ""),
    }
    for code, (status, said) in ends.items():
        done = run_command("-c", code, env={}, cwd=tmp_path)
        assert (done.returncode, done.stderr[-len(said) or len(done.stderr) :]) == (status, said), code
    late = "import atexit, threading; atexit.register(print, 2); threading.Thread(target=print, args=[1]).start()"
    assert run_command("-c", late, env={}).stdout == "1\n2\n"
    helped = run_command("riveredge", "--help", env={"PATH": os.environ["PATH"]})
    assert helped.returncode == 0
    assert "Usage: riveredge " in helped.stdout


def test_a_command_is_sent_signals(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with (tmp_path / "out").open("wb") as out:
        code = "import time; print('here', flush=True); time.sleep(60)"
        commands = [start_command("-c", code, env={}, stdout=out, stderr=out) for _ in range(2)]
    while (tmp_path / "out").read_text().count("here") < 2:
        assert [command.poll() for command in commands] == [None, None]
        time.sleep(0.01)
    with pytest.raises(subprocess.TimeoutExpired):
        commands[0].wait(0.01)
    commands[1].kill()
    assert commands[1].wait(30) == -signal.SIGKILL
    commands[0].terminate()
    assert commands[0].wait(30) == commands[0].poll() == -signal.SIGTERM
    commands[0].terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        run_command("-c", "import time; time.sleep(60)", env={}, timeout=0.5)
