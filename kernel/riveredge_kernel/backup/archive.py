"""The file of a back-up: a gzipped tar of a manifest and the parts that it lists, each with its checksum."""

import hashlib
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Literal

FORMAT = "riveredge-backup/1"
MANIFEST = "manifest.json"
_MAX_MANIFEST = 10_000_000
_CHUNK = 1 << 20

Kind = Literal["sqlite", "postgresql"]


class BackupError(Exception):
    """It cannot be done as asked; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file in the archive: its size in bytes and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a back-up holds. `revisions` are the schema's, by plugin; `engine` is None where Inngest is elsewhere."""

    created_at: datetime
    version: str
    database: Kind
    engine: Kind | None
    revisions: dict[str, str | None]
    parts: Sequence[Part]

    def part(self, name: str) -> Part | None:
        """The part of this name."""
        return next((part for part in self.parts if part.name == name), None)

    def below(self, folder: str) -> list[Part]:
        """The parts in a folder."""
        return [part for part in self.parts if part.name.startswith(f"{folder}/")]


def write(target: Path, manifest: Manifest, sources: dict[str, Path]) -> None:
    """Make the archive from files. It appears under its name when it is whole, readable by nobody else.

    Args:
        sources: by part name, where its content lies.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
                content = _encode(manifest)
                tar.addfile(_member(MANIFEST, len(content)), BytesIO(content))
                for part in manifest.parts:
                    with sources[part.name].open("rb") as source:
                        tar.addfile(_member(part.name, part.size), source)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def read(source: Path, into: Path | None = None) -> Manifest:
    """The archive's manifest, once every part was found whole.

    Args:
        into: also unpack the parts below this folder.

    Raises:
        BackupError: it is no back-up, or a part is missing or damaged.
    """
    try:
        with tarfile.open(source, mode="r:gz") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or first.size > _MAX_MANIFEST:
                raise BackupError(f"{source} is no back-up of RiverEdge: it does not begin with a manifest.")
            manifest = _decode(_content(tar, first).read())
            missing = {part.name: part for part in manifest.parts}
            while (member := tar.next()) is not None:
                part = missing.pop(member.name, None)
                if part is None or not member.isfile():
                    raise BackupError(f"{source} holds {member.name!r}, which its manifest does not list.")
                _unpack(_content(tar, member), part, into)
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{source} cannot be read as a back-up: {error}") from None
    if missing:
        raise BackupError(f"{source} lacks {', '.join(sorted(missing))}.")
    return manifest


def describe(name: str, source: Path) -> Part:
    """The part that a file becomes."""
    digest = hashlib.sha256()
    size = 0
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Part(name=name, size=size, sha256=digest.hexdigest())


def _unpack(content: Any, part: Part, into: Path | None) -> None:
    digest = hashlib.sha256()
    path = into / part.name if into is not None else None
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    with open(path or os.devnull, "wb") as file:  # noqa: PTH123  (one of them is no path)
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != part.sha256:
        raise BackupError(f"The part {part.name} is damaged: its checksum is another.")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    content = tar.extractfile(member)
    if content is None:
        raise BackupError(f"{member.name!r} is not a file.")
    return content


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = int(datetime.now(UTC).timestamp())
    return member


def _encode(manifest: Manifest) -> bytes:
    parts = [{"name": part.name, "size": part.size, "sha256": part.sha256} for part in manifest.parts]
    return json.dumps(
        {
            "format": FORMAT,
            "created_at": manifest.created_at.isoformat(),
            "version": manifest.version,
            "database": manifest.database,
            "engine": manifest.engine,
            "revisions": manifest.revisions,
            "parts": parts,
        },
        indent=2,
    ).encode()


def _decode(content: bytes) -> Manifest:
    found = json.loads(content)
    if found["format"] != FORMAT:
        raise BackupError(f"It has the format {found['format']!r}; this version reads {FORMAT!r}.")
    parts = [Part(name=part["name"], size=part["size"], sha256=part["sha256"]) for part in found["parts"]]
    for part in parts:
        path = PurePosixPath(part.name)
        if path.is_absolute() or ".." in path.parts or "\\" in part.name or part.name == MANIFEST:
            raise BackupError(f"The name {part.name!r} leads out of the back-up.")
    return Manifest(
        created_at=datetime.fromisoformat(found["created_at"]),
        version=found["version"],
        database=found["database"],
        engine=found["engine"],
        revisions=found["revisions"],
        parts=parts,
    )
