"""`riveredge new-plugin` writes a plugin whose own tests pass at once, built and installed as anybody would."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from riveredge_sdk.scaffold import ScaffoldError, write_plugin

BIN = Path(sys.executable).parent


@pytest.mark.parametrize("name", ["x", "Invoices", "a-b", "class", "kernel", "../evil", ""])
def test_names_that_are_none_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError):
        write_plugin(name, tmp_path / "new")


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ScaffoldError, match="not empty"):
        write_plugin("invoices", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_a_new_plugin_builds_installs_and_passes_its_own_tests(tmp_path: Path) -> None:
    def run(*command: str | Path, cwd: Path = tmp_path) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("RIVEREDGE_VAR", "PYTEST"))}
        # The build backend looks for its program there.
        clean["PATH"] = f"{BIN}{os.pathsep}{clean['PATH']}"
        done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(BIN / "riveredge", "new-plugin", "sales_orders")
    project = tmp_path / "riveredge-sales-orders"
    run(BIN / "python", "-m", "build", "--wheel", "--no-isolation", project)
    (wheel,) = (project / "dist").glob("*.whl")
    # An environment of its own that sees the distributions installed here.
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    site = run(python, "-c", "import site; print(site.getsitepackages()[0])").strip()
    here = run(BIN / "python", "-c", "import site; print(site.getsitepackages()[0])").strip()
    (Path(site) / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    assert "sales_orders" in run(python, "-m", "riveredge_kernel", "plugin", "list", "--json")
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert "passed" in said
    assert "failed" not in said
