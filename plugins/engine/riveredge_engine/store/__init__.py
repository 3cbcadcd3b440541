"""The durable state: a database that commits in groups, and one module of statements for each kind of row.

The statements are plain SQL that SQLite and PostgreSQL both read; only the modules of these names know which it is.
"""

from pathlib import Path

from .base import Database, Tx
from .sqlite import SqliteDatabase


def open_database(location: str, *, create: bool = True) -> Database:
    """The database for a location: a file that must be there without `create`, `:memory:`, or a `postgresql://` URL.

    Raises ValueError for another URL, for a driver that is not installed, or for a file that is missing.
    """
    path = location.removeprefix("sqlite:///")
    scheme, is_url, _ = path.partition("://")
    if is_url and scheme in {"postgresql", "postgres"}:
        try:
            from .postgresql import PostgresqlDatabase
        except ImportError as error:
            raise ValueError('PostgreSQL needs a driver: pip install "riveredge-engine[postgresql]"') from error
        return PostgresqlDatabase(path)
    if is_url:
        raise ValueError(f"no store for {scheme!r}: give a file, :memory: or a postgresql:// URL")
    if not create and not Path(path).is_file():
        raise ValueError(f"there is no store {path}")
    return SqliteDatabase(path)


__all__ = ["Database", "SqliteDatabase", "Tx", "open_database"]
