"""The durable state: a database that commits in groups, and one module of statements for each kind of row.

The statements are plain SQL that SQLite and PostgreSQL both read; only `sqlite.py` knows which database it is.
"""

from pathlib import Path

from .base import Database, Tx
from .sqlite import SqliteDatabase


def open_database(location: str, *, create: bool = True) -> Database:
    """The database for a location: a file, `:memory:`, or a URL. With `create` false the file must be there.

    Raises ValueError for a URL without a driver here, or for a file that is missing.
    """
    path = location.removeprefix("sqlite:///")
    if "://" in path:
        raise ValueError(f"no store for {path.partition('://')[0]!r}: give a file or :memory:")
    if not create and not Path(path).is_file():
        raise ValueError(f"there is no store {path}")
    return SqliteDatabase(path)


__all__ = ["Database", "SqliteDatabase", "Tx", "open_database"]
