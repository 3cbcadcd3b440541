"""What an archive of an organisation says of itself, read without believing any of it."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from riveredge_kernel import __version__

FORMAT = "riveredge-tenant/1"
MANIFEST = "manifest.json"
PEOPLE = "people.ndjson"
MAX_PARTS = 200_000
MAX_MANIFEST = 50_000_000
_TABLE = re.compile(r"tables/([a-z][a-z0-9_]{0,62})/[0-9]{6}\.ndjson")
_FILE = re.compile(r"files(/[^/\\\x00-\x1f:]{1,255}){1,20}")


class ArchiveError(Exception):
    """An archive that cannot be taken; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an archive's file. Pieces of one name follow each other; `rows` says how many lines it holds."""

    name: str
    content: bytes
    rows: int = 0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """A file of the archive: bytes uncompressed, SHA-256 in hexadecimal, and lines where it holds rows."""

    name: Annotated[str, Field(max_length=500)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: Annotated[int, Field(ge=0)] = 0

    @field_validator("name")
    @classmethod
    def _expected(cls, name: str) -> str:
        """Only names of these forms: nothing that leads elsewhere."""
        inside = _FILE.fullmatch(name) and not {".", ".."} & set(name.split("/"))
        if not (inside or _TABLE.fullmatch(name) or name == PEOPLE):
            raise ValueError(f"{name[:100]!r} is no name of a part")
        return name

    @property
    def table(self) -> str | None:
        """The table whose rows it holds."""
        found = _TABLE.fullmatch(self.name)
        return found[1] if found else None


class Organisation(_Strict):
    """The organisation, as it was."""

    id: UUID
    slug: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    locale: Annotated[str, Field(max_length=35)]
    timezone: Annotated[str, Field(max_length=64)]


class Manifest(_Strict):
    """`revisions` are the schema's, by plugin; `left_out` says which columns are empty, because they hold secrets."""

    format: Literal["riveredge-tenant/1"]
    created_at: datetime
    version: Annotated[str, Field(max_length=100)]
    organisation: Organisation
    revisions: dict[str, str | None]
    left_out: dict[str, list[str]]
    parts: Annotated[list[Part], Field(max_length=MAX_PARTS)]

    @property
    def rows(self) -> dict[str, int]:
        """How many rows there are, by table."""
        counts: dict[str, int] = {}
        for part in self.parts:
            if part.table is not None:
                counts[part.table] = counts.get(part.table, 0) + part.rows
        return counts

    @property
    def size(self) -> int:
        """All parts together, in bytes."""
        return sum(part.size for part in self.parts)


@dataclass(slots=True)
class _Open:
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    rows: int = 0


class ManifestBuilder:
    """Looks at the chunks that go by, and says in the end what they were."""

    def __init__(self, organisation: Organisation, revisions: dict[str, str | None]) -> None:
        self._organisation = organisation
        self._revisions = revisions
        self._parts: dict[str, _Open] = {}

    def add(self, chunk: Chunk) -> None:
        """Take note of a chunk."""
        part = self._parts.setdefault(chunk.name, _Open())
        part.digest.update(chunk.content)
        part.size += len(chunk.content)
        part.rows += chunk.rows

    def done(self, left_out: dict[str, list[str]]) -> Chunk:
        """The manifest."""
        parts = [
            Part(name=name, size=part.size, sha256=part.digest.hexdigest(), rows=part.rows)
            for name, part in self._parts.items()
        ]
        manifest = Manifest(
            format=FORMAT,
            created_at=datetime.now(UTC),
            version=__version__,
            organisation=self._organisation,
            revisions=self._revisions,
            left_out=left_out,
            parts=parts,
        )
        return Chunk(MANIFEST, manifest.model_dump_json(indent=1).encode())


def decode(content: bytes) -> Manifest:
    """A manifest from a stranger.

    Raises:
        ArchiveError: it is none.
    """
    try:
        manifest = Manifest.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArchiveError(f"Its manifest is not right: {where[:100]}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise ArchiveError("Its manifest is no JSON.") from None
    names = [part.name for part in manifest.parts]
    if len(set(names)) != len(names):
        raise ArchiveError("Its manifest lists a part twice.")
    return manifest
