"""Finds the migration directories of installed plugins, without importing the plugins' code."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

GROUP = "riveredge.migrations"


class MissingDirectoryError(LookupError):
    """An entry point names a package that is not there."""


@dataclass(frozen=True, slots=True)
class MigrationDirectory:
    """Where the revisions of one plugin lie."""

    plugin: str
    path: Path


def find_directories() -> dict[str, MigrationDirectory]:
    """The directories of all installed plugins, by plugin id.

    Entry points are `<plugin id> = <package>.<subpackage>`. Only the top package is looked up, and looking up does
    not import: a plugin whose code is broken can still be migrated.

    Raises:
        MissingDirectoryError: a named package does not exist.
    """
    found: dict[str, MigrationDirectory] = {}
    for entry in entry_points(group=GROUP):
        top, *rest = entry.value.split(".")
        spec = find_spec(top)
        places = [Path(place, *rest) for place in (spec.submodule_search_locations or ())] if spec else []
        path = next((place for place in places if place.is_dir()), None)
        if path is None:
            raise MissingDirectoryError(f"the entry point {entry.name!r} names {entry.value}, which is not there")
        found[entry.name] = MigrationDirectory(entry.name, path)
    return found
