"""Writes a complete new plugin: `riveredge new-plugin NAME`."""

import keyword
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
_RESERVED = frozenset({"kernel", "auth", "runs", "tenant", "plugins", "settings", "members", "roles", "permissions"})


class ScaffoldError(ValueError):
    """The plugin cannot be written; the message says why."""


def write_plugin(name: str, directory: Path) -> list[Path]:
    """Write the distribution `riveredge-<name>` into `directory`, which must be empty or not there.

    Args:
        name: the plugin's id: lower-case letters, digits and underscores.

    Returns:
        The files, in the order of their names.

    Raises:
        ScaffoldError: the name is none, or the directory is in use.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ScaffoldError(f"{name!r} is no plugin id: 2 to 41 lower-case letters, digits and underscores")
    if name in _RESERVED:
        raise ScaffoldError(f"{name!r} is the kernel's own; choose another name")
    if directory.exists() and any(directory.iterdir()):
        raise ScaffoldError(f"{directory} is not empty")
    words = {
        "PLUGIN": name,
        "DIST": name.replace("_", "-"),
        "TITLE": name.replace("_", " ").capitalize(),
        "CLASS": "".join(part.capitalize() for part in name.split("_")),
    }
    return sorted(_copy(files(__name__) / "template", directory, words))


def _copy(source: Traversable, target: Path, words: dict[str, str]) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for item in source.iterdir():
        if item.name == "__pycache__":
            continue
        place = target / _fill(item.name, words).removesuffix(".tmpl")
        if item.is_dir():
            written += _copy(item, place, words)
        else:
            place.write_text(_fill(item.read_text(encoding="utf-8"), words), encoding="utf-8")
            written.append(place)
    return written


def _fill(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"__{word}__", value)
    return text


__all__ = ["ScaffoldError", "write_plugin"]
