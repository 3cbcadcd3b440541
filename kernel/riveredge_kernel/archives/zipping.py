"""Archives as ZIP files: written while they are sent, and read with nothing taken on trust."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from riveredge_kernel.archives.manifest import MANIFEST, MAX_MANIFEST, ArchiveError, Chunk, Manifest, Part, decode

_READ = 1 << 20
MAX_LINE = 20_000_000
# DEFLATE makes at most about 1032 of 1; texts come to 50.
_MAX_RATIO = 500
# ZIP64 and encryption aside, nothing that we would write.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_SYMLINK = 0o120000


class _Sink(io.RawIOBase):
    """Where the writer leaves what is ready to be sent. It cannot be gone back in, so sizes follow the contents."""

    def __init__(self) -> None:
        self._ready = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._ready += data
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        """What has been written since."""
        ready, self._ready = bytes(self._ready), bytearray()
        return ready


class ZipStream:
    """Writes chunks into a ZIP file; `add` and `close` give what can be sent by now."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._name = ""
        self._member: IO[bytes] | None = None

    def add(self, chunk: Chunk) -> bytes:
        """Write a chunk; those of one name follow each other."""
        if chunk.name != self._name:
            self._end_member()
            self._name = chunk.name
            info = zipfile.ZipInfo(chunk.name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            self._member = self._zip.open(info, "w", force_zip64=True)
        assert self._member is not None  # noqa: S101  (opened above)
        self._member.write(chunk.content)
        return self._sink.take()

    def close(self) -> bytes:
        """The end of the file."""
        self._end_member()
        self._zip.close()
        return self._sink.take()

    def _end_member(self) -> None:
        if self._member is not None:
            self._member.close()
            self._member = None


class ArchiveFile:
    """An archive of an organisation that a stranger has made. Opening it looks at every byte once.

    Args:
        path: the file.
        max_bytes: how large all parts may be together, unpacked.

    Raises:
        ArchiveError: it is none, or not what its manifest says.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ArchiveError(f"It is no ZIP file: {error}") from None
        try:
            self.manifest = self._checked(path.stat().st_size, max_bytes)
        except BaseException:
            self._zip.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def lines(self, part: Part) -> Iterator[bytes]:
        """The lines of a part that holds rows.

        Raises:
            ArchiveError: one is too long.
        """
        with self._zip.open(part.name) as file:
            while line := file.readline(MAX_LINE + 1):
                if len(line) > MAX_LINE:
                    raise ArchiveError(f"{part.name}: a line is longer than {MAX_LINE} bytes.")
                yield line

    def pieces(self, part: Part) -> Iterator[bytes]:
        """The content of a part."""
        with self._zip.open(part.name) as file:
            while piece := file.read(_READ):
                yield piece

    def _checked(self, packed: int, max_bytes: int) -> Manifest:
        members = self._zip.infolist()
        by_name = {member.filename: member for member in members}
        if len(by_name) != len(members):
            raise ArchiveError("It holds two files of one name.")
        for member in members:
            _refuse_odd(member)
        described = by_name.pop(MANIFEST, None)
        if described is None or described.file_size > MAX_MANIFEST:
            raise ArchiveError("It is no archive of an organisation: it has no manifest.json.")
        manifest = decode(self._read(described))
        if manifest.size > max_bytes or manifest.size > max(packed, 1000) * _MAX_RATIO:
            raise ArchiveError(f"Unpacked it would be {manifest.size:,} bytes: more than is taken.")
        if by_name.keys() != {part.name for part in manifest.parts}:
            odd = sorted(by_name.keys() ^ {part.name for part in manifest.parts})
            raise ArchiveError(f"Its files are not those that its manifest lists: {', '.join(odd[:5])[:300]}")
        for part in manifest.parts:
            self._check(part)
        return manifest

    def _read(self, member: zipfile.ZipInfo) -> bytes:
        """The manifest; never more than may be, whatever its head says."""
        try:
            with self._zip.open(member) as file:
                content = file.read(MAX_MANIFEST + 1)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
            raise ArchiveError(f"Its manifest is damaged: {error}") from None
        if len(content) > MAX_MANIFEST:
            raise ArchiveError("Its manifest is too large.")
        return content

    def _check(self, part: Part) -> None:
        digest, size, rows = hashlib.sha256(), 0, 0
        try:
            for piece in self.pieces(part):
                digest.update(piece)
                size += len(piece)
                rows += piece.count(b"\n")
                if size > part.size:
                    # Before the next piece: what unpacks to more than it says is not unpacked to its end.
                    break
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
            raise ArchiveError(f"{part.name} is damaged: {error}"[:300]) from None
        if size != part.size or digest.hexdigest() != part.sha256:
            raise ArchiveError(f"{part.name} is not what the manifest says: size or checksum differ.")
        if part.table is not None and rows != part.rows:
            raise ArchiveError(f"{part.name} has {rows} rows, and the manifest says {part.rows}.")


def _refuse_odd(member: zipfile.ZipInfo) -> None:
    """Raise `ArchiveError` over what we never write: encrypted, linked, or packed in another way."""
    linked = (member.external_attr >> 16) & 0o170000 == _SYMLINK
    if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED or linked or member.is_dir():
        raise ArchiveError(f"{member.filename[:100]!r} is packed in a way that is not taken.")
