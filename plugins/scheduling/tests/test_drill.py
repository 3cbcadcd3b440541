"""The drill runs where an operator would run it, and leaves nothing behind."""

import os
import re
from pathlib import Path

from riveredge_sdk.testing.commands import run_command


def test_the_drill_reports_what_was_armed_again(tmp_path: Path) -> None:
    # What would lead a careless drill to somebody's database and engine.
    real = {
        "RIVEREDGE_DATABASE__SYSTEM_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
        "RIVEREDGE_INNGEST__BASE_URL": "http://127.0.0.1:1",
    }
    environment = {**os.environ, **real, "TMPDIR": str(tmp_path)}
    command = ["riveredge", "scheduling", "drill", "--schedules", "3", "--minutes", "3"]
    done = run_command(*command, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the engine has lost its memory" in done.stdout
    # How many are about to start depends on the second of the minute.
    again = re.search(r"re-armed: (\d+) of (\d+)", done.stdout)
    assert again is not None
    assert again[1] == again[2] in {"3", "6"}
    assert done.stdout.strip().endswith("passed")
    assert list(tmp_path.iterdir()) == []
