"""Making a back-up of an installation, and putting one back."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from riveredge_kernel import __version__
from riveredge_kernel.backup import stores
from riveredge_kernel.backup.archive import BackupError, Manifest, describe, read, write
from riveredge_kernel.schema import owner_url, runner_for
from riveredge_kernel.settings import Settings

DATABASE = "database"
ENGINE = "engine"
KEYS = "keys"
FILES = "files"
_KEY_FILES = ("secret_key", "token_key.pem")


def create(settings: Settings, target: Path, *, with_keys: bool = False) -> Manifest:
    """Copy everything that the installation keeps into one file, while it goes on serving.

    The database comes before the engine's store: what the engine knows beyond it is harmless, because each event is
    taken once; what it did not know any more would be lost.

    Args:
        with_keys: include the keys that lie in the var directory; who has the file can then read all secrets.

    Raises:
        BackupError: something cannot be copied.
    """
    if not target.parent.is_dir():
        raise BackupError(f"There is no directory {target.parent}.")
    with TemporaryDirectory(dir=target.parent, prefix=".riveredge-backup-") as scratch:
        revisions = {status.plugin: status.current for status in runner_for(settings).status()}
        sources = dict(_copies(settings, Path(scratch)))
        if with_keys:
            sources |= {f"{KEYS}/{name}": path for name in _KEY_FILES if (path := settings.var_dir / name).exists()}
        sources |= dict(_files(settings.var_dir / FILES))
        engine = engine_url(settings)
        manifest = Manifest(
            created_at=datetime.now(UTC),
            version=__version__,
            database=stores.kind_of(settings.database_url),
            engine=stores.kind_of(engine) if engine is not None and ENGINE in sources else None,
            revisions=revisions,
            parts=[describe(name, path) for name, path in sources.items()],
        )
        write(target, manifest, sources)
    return manifest


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Manifest:
    """Put a back-up back; the platform must not be running.

    Args:
        replace: on SQLite, take the place of a database that is there; it is kept beside the new one.

    Raises:
        BackupError: the back-up does not fit this installation, or there are data already. Nothing was changed.
    """
    with TemporaryDirectory(prefix="riveredge-restore-") as scratch:
        manifest = read(source, Path(scratch))
        _check(settings, manifest, replace=replace)
        aside = f"before-restore-{datetime.now(UTC):%Y%m%d%H%M%S}"
        _load(Path(scratch) / DATABASE, owner_url(settings), aside)
        engine = engine_url(settings)
        if manifest.engine is not None and engine is not None:
            _load(Path(scratch) / ENGINE, engine, aside)
        for folder, place in ((KEYS, settings.var_dir), (FILES, settings.var_dir / FILES)):
            for part in manifest.below(folder):
                path = place / part.name.removeprefix(f"{folder}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path(scratch) / part.name, path)
                path.chmod(0o600)
    return manifest


def engine_url(settings: Settings) -> str | None:
    """Where the embedded engine keeps its state; None where Inngest is elsewhere."""
    if settings.inngest.base_url is not None:
        return None
    named = settings.inngest.engine_store
    place = named.get_secret_value() if named else str(settings.var_dir / "engine.db")
    return place if "://" in place else f"sqlite:///{place}"


def _copies(settings: Settings, scratch: Path) -> Iterator[tuple[str, Path]]:
    database, engine = settings.database_url, engine_url(settings)
    seeing = settings.database.system_url or owner_url(settings)
    yield DATABASE, _copy(database if stores.kind_of(database) == "sqlite" else seeing, settings, scratch / DATABASE)
    if engine is None:
        return
    if stores.kind_of(engine) == "sqlite" and not stores.sqlite_file(engine).exists():
        return
    yield ENGINE, _copy(engine, None, scratch / ENGINE)


def _copy(url: str, settings: Settings | None, target: Path) -> Path:
    if stores.kind_of(url) == "sqlite":
        stores.copy_sqlite(stores.sqlite_file(url), target)
    else:
        stores.dump_postgresql(url, owner_url(settings) if settings else None, target)
    return target


def _load(source: Path, url: str, aside: str) -> None:
    if stores.kind_of(url) == "sqlite":
        stores.place_sqlite(source, stores.sqlite_file(url), aside=aside)
    else:
        stores.load_postgresql(source, url)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            yield f"{FILES}/{path.relative_to(folder).as_posix()}", path


def _check(settings: Settings, manifest: Manifest, *, replace: bool) -> None:
    kind = stores.kind_of(settings.database_url)
    if manifest.database != kind:
        raise BackupError(f"It is of a {manifest.database} database, and this installation's is {kind}.")
    engine = engine_url(settings)
    if manifest.engine is not None and engine is not None and stores.kind_of(engine) != manifest.engine:
        raise BackupError(
            f"Its engine's store is {manifest.engine}; set RIVEREDGE_INNGEST__ENGINE_STORE to such a one."
        )
    _check_revisions(settings, manifest)
    occupied = stores.tables(owner_url(settings))
    if occupied and not (replace and kind == "sqlite"):
        hint = "use --replace, which keeps it beside" if kind == "sqlite" else "name an empty one"
        raise BackupError(f"The database has {len(occupied)} tables already: {hint}.")
    if manifest.engine == "postgresql" and engine is not None and stores.tables(engine):
        raise BackupError("The engine's database has tables already: name an empty one.")


def _check_revisions(settings: Settings, manifest: Manifest) -> None:
    """A schema from the future cannot be served by this code."""
    known = runner_for(settings).revisions()
    for plugin, revision in manifest.revisions.items():
        if plugin in known and revision is not None and revision not in known[plugin]:
            raise BackupError(
                f"It has {plugin} at revision {revision}, which this version does not know: install a newer one."
            )
