"""Connections: how other systems are reached. What is secret of them is sealed, and never returned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlmodel import col, select

from riveredge_approvals.effects.connection_schemas import ConnectionChange, ConnectionIn, ConnectionOut
from riveredge_approvals.models import Connection, Process, ProcessVersion
from riveredge_sdk import FilterField, Repository, session
from riveredge_sdk.problems import Conflict, FieldError, Invalid, taken_field
from riveredge_sdk.secrets import seal, unseal


class Connections(Repository[Connection]):
    """Access to connections."""

    model = Connection
    fields = (FilterField("key", "text", Connection.key), FilterField("title", "text", Connection.title))
    default_sort = "key"


@dataclass(frozen=True, slots=True)
class Reached:
    """A connection, opened: for the call that uses it."""

    base_url: str
    headers: Mapping[str, str]
    signing_secret: str | None

    def url(self, path: str) -> str:
        """A path below the connection's address."""
        return self.base_url.rstrip("/") + ("/" + path.lstrip("/") if path else "")


def show(row: Connection) -> ConnectionOut:
    """A connection as its readers see it."""
    return ConnectionOut.model_validate(row, from_attributes=True)


def open_up(row: Connection) -> Reached:
    """What a call needs of a connection."""
    headers = json.loads(unseal(row.headers)) if row.headers is not None else {}
    return Reached(row.base_url, headers, unseal(row.signing_secret) if row.signing_secret is not None else None)


async def find(key: str) -> Connection | None:
    """The connection of this key."""
    return await Connections().find(col(Connection.key) == key)


async def create(body: ConnectionIn) -> Connection:
    """A new connection.

    Raises:
        Conflict: the key is taken.
    """
    if await find(body.key) is not None:
        raise taken_field("connection", "key", body.key)
    row = Connection(key=body.key, title=body.title, base_url=body.base_url, header_names=[])
    _keep(row, body)
    return await Connections().add(row)


async def change(row: Connection, body: ConnectionChange) -> Connection:
    """Change a connection.

    Raises:
        Invalid: a stored secret would be sent to another place than it was given for.
    """
    moved = body.base_url is not None and _origin(body.base_url) != _origin(row.base_url)
    missing = [
        FieldError(name, "Give it anew: the stored one was given for another address.", "required")
        for name, stored in (("headers", row.headers), ("signing_secret", row.signing_secret))
        if moved and stored is not None and name not in body.model_fields_set
    ]
    if missing:
        raise Invalid("Whoever changes the address gives the secrets anew.", errors=missing)
    row.title = body.title if body.title is not None else row.title
    row.base_url = body.base_url if body.base_url is not None else row.base_url
    _keep(row, body)
    await session().flush()
    return row


async def delete(row: Connection) -> None:
    """Delete a connection that no process calls.

    Raises:
        Conflict: some do.
    """
    query = select(Process.title, ProcessVersion.compiled).join(
        ProcessVersion,
        (col(ProcessVersion.process_id) == col(Process.id)) & (col(ProcessVersion.number) == col(Process.published)),
    )
    published = (await session().exec(query.where(col(Process.archived_at).is_(None)))).all()
    users = sorted(title for title, compiled in published if row.key in compiled["needs"]["connections"])
    if users:
        raise Conflict(
            f"{len(users)} published process(es) call it: {', '.join(users[:5])}. Publish them without it first."
        )
    await Connections().delete(row)


def _keep(row: Connection, body: ConnectionIn | ConnectionChange) -> None:
    """Seal what was given."""
    if body.headers is not None:
        given = {name: value.get_secret_value() for name, value in body.headers.items()}
        row.headers = seal(json.dumps(given)) if given else None
        row.header_names = sorted(given)
    if "signing_secret" in body.model_fields_set:
        secret = body.signing_secret
        row.signing_secret = seal(secret.get_secret_value()) if secret is not None else None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
