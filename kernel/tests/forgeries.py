"""Archives of organisations that somebody has tampered with."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from riveredge_sdk.testing.platform import TestTenant

Files = dict[str, bytes]


def unpacked(content: bytes) -> Files:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files, **manifest: Any) -> bytes:
    """An archive of these files, with a manifest that fits them, apart from what is given."""
    told = json.loads(files["manifest.json"])
    told["parts"] = [
        {
            "name": name,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": content.count(b"\n") if name.endswith(".ndjson") else 0,
        }
        for name, content in files.items()
        if name != "manifest.json"
    ]
    told |= manifest
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, "manifest.json": json.dumps(told).encode()}.items():
            archive.writestr(name, content)
    return made.getvalue()


def changed(content: bytes, change: Callable[[Files], Files]) -> bytes:
    """The archive with other files."""
    return packed(change(unpacked(content)))


def renamed(files: Files, tenant: TestTenant, fresh: UUID) -> Files:
    """The files as those of another organisation."""
    return {name: content.replace(str(tenant.id).encode(), str(fresh).encode()) for name, content in files.items()}


def moved(content: bytes, tenant: TestTenant, fresh: UUID) -> Files:
    """The files as those of another organisation, with rows that have other ids."""
    files = renamed(unpacked(content), tenant, fresh)
    notes = next(name for name in files if "example_note/" in name)
    kept = {name: files[name] for name in ("manifest.json", "people.ndjson", notes)}
    row = json.loads(kept[notes].splitlines()[0])
    row["id"], row["author_id"] = str(UUID(int=fresh.int ^ 2)), None
    return {**kept, "people.ndjson": b"", notes: json.dumps(row).encode() + b"\n"}


def row(files: Files, **values: Any) -> Files:
    """The files with a note that has these values."""
    notes = next(name for name in files if "example_note/" in name)
    return {**files, notes: json.dumps({**json.loads(files[notes]), **values}).encode() + b"\n"}


def _bomb(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = moved(content, tenant, fresh)
    return packed({**files, "files/bomb": b"\0" * 60_000_000})


def _liar(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    """A part that says it is small, and is not."""
    files = moved(content, tenant, fresh)
    honest = unpacked(packed({**files, "files/liar": b"\0" * 10}))
    told = json.loads(honest["manifest.json"])
    return packed({**files, "files/liar": b"\0" * 5_000_000}, parts=told["parts"])


def _checksum(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = moved(content, tenant, fresh)
    told = json.loads(unpacked(packed(files))["manifest.json"])
    return packed(row(files, title="Forged"), parts=told["parts"])


def _unlisted(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = moved(content, tenant, fresh)
    told = json.loads(unpacked(packed(files))["manifest.json"])
    return packed({**files, "files/more": b"x"}, parts=told["parts"])


def _twice(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    made = io.BytesIO(packed(moved(content, tenant, fresh)))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(made, "a") as archive:
        archive.writestr("people.ndjson", b"")
    return made.getvalue()


def _link(content: bytes, tenant: TestTenant, fresh: UUID) -> bytes:
    files = moved(content, tenant, fresh)
    told = json.loads(unpacked(packed({**files, "files/link": b"/etc/passwd"}))["manifest.json"])
    made = io.BytesIO(packed(files, parts=told["parts"]))
    with zipfile.ZipFile(made, "a") as archive:
        info = zipfile.ZipInfo("files/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return made.getvalue()


# Of an innocent archive, its organisation, and the id of the one that it is to become.
ATTACKS: dict[str, Callable[[bytes, TestTenant, UUID], bytes]] = {
    "checksum": _checksum,
    "traversal": lambda c, t, f: packed({**moved(c, t, f), "files/../../evil": b"x"}),
    "unlisted": _unlisted,
    "twice": _twice,
    "bomb": _bomb,
    "liar": _liar,
    "no-zip": lambda _c, _t, _f: b"PK\x03\x04 this is none",
    "future": lambda c, t, f: packed(moved(c, t, f), revisions={"kernel": "9999"}),
    "column": lambda c, t, f: packed(row(moved(c, t, f), is_admin=True)),
    "value": lambda c, t, f: packed(row(moved(c, t, f), title=["no", "text"])),
    # The row of another organisation, under its own id.
    "tenant": lambda c, t, f: packed(
        row(moved(c, t, f), id=json.loads(unpacked(c)[_notes(c)].splitlines()[0])["id"], tenant_id=str(t.id))
    ),
    "link": _link,
}


def _notes(content: bytes) -> str:
    return next(name for name in unpacked(content) if "example_note/" in name)
