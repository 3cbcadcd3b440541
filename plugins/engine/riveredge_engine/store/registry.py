"""Rows of apps and their functions."""

from __future__ import annotations

from typing import NamedTuple

from .base import Database, Tx


class AppRow(NamedTuple):
    id: str
    name: str
    url: str
    sdk: str
    framework: str
    checksum: str
    synced_at: int


class FunctionRow(NamedTuple):
    """`config` is the function's part of the registration payload, as JSON."""

    id: str
    app_id: str
    slug: str
    config: str
    version: int
    archived: int


def apps(db: Database | Tx) -> list[AppRow]:
    return [AppRow(*row) for row in db.rows("SELECT id, name, url, sdk, framework, checksum, synced_at FROM apps")]


def functions(db: Database | Tx) -> list[FunctionRow]:
    return [FunctionRow(*row) for row in db.rows("SELECT id, app_id, slug, config, version, archived FROM functions")]


def save_app(tx: Tx, app: AppRow) -> None:
    tx.run(
        "INSERT INTO apps (id, name, url, sdk, framework, checksum, synced_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET url = excluded.url, sdk = excluded.sdk, framework = excluded.framework,"
        " checksum = excluded.checksum, synced_at = excluded.synced_at",
        *app,
    )


def save_functions(tx: Tx, app_id: str, rows: list[FunctionRow]) -> None:
    """Replace an app's set: what is not in it any more is archived."""
    tx.run("UPDATE functions SET archived = 1 WHERE app_id = ?", app_id)
    tx.many(
        "INSERT INTO functions (id, app_id, slug, config, version, archived) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET config = excluded.config, version = excluded.version, archived = 0",
        [tuple(row) for row in rows],
    )
