"""Encrypts stored secrets anew, so that an old key can be taken out of use."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken, MultiFernet
from sqlalchemy import inspect
from sqlmodel import select

from riveredge_kernel.auth.oidc.models import IdentityProvider
from riveredge_kernel.auth.second_factor import Totp
from riveredge_kernel.db.database import Database
from riveredge_kernel.tenancy.models import TenantSettingsRow
from riveredge_sdk.models import mapped_models
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.secrets import SealedText

# Where the kernel's secrets lie for longer than minutes: settings, clients' secrets of identity providers,
# authenticators. Those of plugins are found by the type of their columns.
_PLACES: tuple[tuple[Any, str], ...] = (
    (TenantSettingsRow, "secrets"),
    (IdentityProvider, "client_secret"),
    (Totp, "secret"),
)
_BATCH = 200


@dataclass(slots=True)
class Rotation:
    """How many secrets were encrypted anew, and where those lie that no key opens: `<table> <id>`."""

    rotated: int = 0
    unreadable: list[str] = field(default_factory=list)


async def rotate(database: Database, runtime: Runtime, vault: MultiFernet) -> Rotation:
    """Encrypt everything with the vault's first key; what cannot be read stays as it is.

    Each batch is a transaction, so it may be interrupted and repeated while the platform serves.
    """
    done = Rotation()
    for model, column in (*_PLACES, *_places_of_plugins()):
        last: UUID | None = UUID(int=0)
        while last is not None:
            query = select(model).where(model.id > last, getattr(model, column).is_not(None)).order_by(model.id)
            async with database.system("rotate secrets", runtime) as session:
                rows = (await session.exec(query.limit(_BATCH).with_for_update())).all()
                for row in rows:
                    _rotate(row, column, vault, done)
            last = rows[-1].id if rows else None
    return done


def _places_of_plugins() -> Iterator[tuple[Any, str]]:
    for model in sorted(mapped_models(), key=lambda model: model.__name__):
        for column in inspect(model).column_attrs:
            if isinstance(column.columns[0].type, SealedText):
                yield model, column.key


def _rotate(row: Any, column: str, vault: MultiFernet, done: Rotation) -> None:
    try:
        setattr(row, column, vault.rotate(getattr(row, column).encode()).decode())
    except InvalidToken:
        done.unreadable.append(f"{row.__tablename__} {row.id}")
    else:
        done.rotated += 1
