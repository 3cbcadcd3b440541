"""Back-ups that are made while the platform is in use, and what is there once they were put back."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from riveredge_kernel.testing import start
from riveredge_sdk.testing.commands import run_command
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind
from riveredge_sdk.testing.postgres import find_postgres

NOTES = "/api/v1/example/notes"


def run(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """What the command printed, on both streams; it must end with `code`."""
    done = run_command("riveredge", *arguments, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def environment(directory: Path, **database: str) -> dict[str, str]:
    """An installation whose data lies there."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RIVEREDGE_")}
    return {
        **inherited,
        "RIVEREDGE_VAR_DIR": str(directory),
        **{f"RIVEREDGE_DATABASE__{name.upper()}": value for name, value in database.items()},
    }


@pytest.fixture
def elsewhere(tmp_path: Path, database_kind: DatabaseKind) -> Iterator[dict[str, str]]:
    """Another machine's empty database: the three addresses of the settings."""
    if database_kind == "sqlite":
        yield {"url": f"sqlite+aiosqlite:///{tmp_path / 'other' / 'riveredge.db'}"}
        return
    server = find_postgres()
    assert server is not None
    database = server.create_database()
    yield {"url": database.app, "owner_url": database.owner, "system_url": database.system}
    server.drop_database(database.name)


def addresses(platform_settings: object) -> dict[str, str]:
    """The addresses that a running platform uses."""
    found = {name: getattr(platform_settings, name) for name in ("url", "owner_url", "system_url")}
    return {name: str(value) for name, value in found.items() if value}


@pytest.mark.database
def test_what_was_backed_up_is_there_again(
    tmp_path: Path, database_kind: DatabaseKind, elsewhere: dict[str, str]
) -> None:
    var = tmp_path / "one"
    var.mkdir()
    archive = tmp_path / "backup.tar.gz"
    with start(database_kind, var) as platform:
        tenant = platform.create_tenant("acme")
        with ApiClient(platform, platform.create_user(tenant, platform.permissions)) as client:
            notes = [client.post(NOTES, json={"title": f"note {n}"}).json()["id"] for n in range(20)]
            here = environment(var, **addresses(platform.platform.settings.database))
            said = run(here, "backup", "create", str(archive), "--with-keys")
            assert "keys/token_key.pem" in said
            # What comes after the back-up is not in it.
            client.post(NOTES, json={"title": "late"})
            token = client.headers["Authorization"]
    assert archive.stat().st_mode & 0o077 == 0
    assert "database" in run(here, "backup", "show", str(archive))

    other = tmp_path / "other"
    there = environment(other, **elsewhere)
    assert "restored" in run(there, "backup", "restore", str(archive))
    assert "tables already" in run(there, "backup", "restore", str(archive), code=1)
    assert (other / "token_key.pem").read_bytes() == (var / "token_key.pem").read_bytes()
    run(there, "db", "upgrade")
    run(there, "db", "check")
    with start(database_kind, other, database=elsewhere) as platform, ApiClient(platform) as client:
        # The keys came along, so who was signed in still is.
        client.headers["Authorization"] = token
        found = client.get(NOTES, params={"limit": "100"}).json()["items"]
        assert sorted(note["id"] for note in found) == sorted(notes)
        assert client.post(NOTES, json={"title": "new"}).status_code == 201
        stranger = platform.create_user(platform.create_tenant("other"), platform.permissions)
        with ApiClient(platform, stranger) as outside:
            assert outside.get(NOTES).json()["items"] == []
        platform.settle()


def test_a_database_that_is_there_is_kept_beside(tmp_path: Path) -> None:
    here = environment(tmp_path)
    run(here, "db", "upgrade")
    run(here, "tenant", "create", "before")
    run(here, "backup", "create", str(tmp_path / "b.tar.gz"))
    run(here, "tenant", "create", "after")
    run(here, "backup", "restore", str(tmp_path / "b.tar.gz"), "--replace")
    listed = run(here, "tenant", "list")
    assert "before" in listed
    assert "after" not in listed
    (kept,) = tmp_path.glob("riveredge.db.before-restore-*[0-9]")
    assert kept.stat().st_size > 0


def test_what_is_no_back_up_changes_nothing(tmp_path: Path) -> None:
    here = environment(tmp_path / "var")
    run(here, "db", "upgrade")
    good = tmp_path / "good.tar.gz"
    run(here, "backup", "create", str(good))
    assert "no directory" in run(here, "backup", "create", str(tmp_path / "nowhere" / "b"), code=1)
    content = good.read_bytes()
    empty = environment(tmp_path / "empty")

    def refused(name: str, written: bytes, reason: str) -> None:
        path = tmp_path / name
        path.write_bytes(written)
        assert reason in run(empty, "backup", "restore", str(path), code=1)
        assert not (tmp_path / "empty" / "riveredge.db").exists()

    refused("cut", content[: len(content) // 2], "cannot be read")
    refused("text", b"hello", "cannot be read")
    refused("renamed", _changed(good, lambda m: m | {"format": "riveredge-backup/9"}), "format")
    refused("future", _changed(good, lambda m: m | {"revisions": {"kernel": "9999"}}), "install a newer one")
    refused("foreign", _changed(good, lambda m: m | {"database": "postgresql"}), "this installation's is sqlite")
    bad = {"name": "../../outside", "size": 1, "sha256": "0" * 64}
    refused("outside", _changed(good, lambda m: m | {"parts": [*m["parts"], bad]}), "leads out")
    other = {"name": "database", "size": 1, "sha256": "0" * 64}
    refused("damaged", _changed(good, lambda m: m | {"parts": [other]}), "damaged")
    refused("stowaway", _changed(good, lambda m: m, extra="files/evil"), "does not list")


def _changed(source: Path, change: object, extra: str | None = None) -> bytes:
    """The archive with another manifest, or with a file more."""
    assert callable(change)
    made = io.BytesIO()
    with tarfile.open(source) as old, tarfile.open(fileobj=made, mode="w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == "manifest.json":
                data = json.dumps(change(json.loads(data))).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
        if extra:
            member = tarfile.TarInfo(extra)
            new.addfile(member, io.BytesIO(b""))
    return made.getvalue()
