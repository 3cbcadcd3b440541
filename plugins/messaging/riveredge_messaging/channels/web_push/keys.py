"""The key by which push services know this installation: a setting, or made once and kept in the database, sealed."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from riveredge_messaging.channels.web_push.encryption import CURVE
from riveredge_messaging.channels.web_push.vapid import read_key
from riveredge_messaging.reach.models import PushKey
from riveredge_messaging.settings import MessagingSettings
from riveredge_sdk import session, unit_of_work, utcnow
from riveredge_sdk.models import uuid7
from riveredge_sdk.secrets import seal, unseal

_NAME = "vapid"


async def installation_key() -> ec.EllipticCurvePrivateKey:
    """The installation's key. Outside of units of work that write: it may have to be made, in one of its own.

    Raises:
        ValueError: the setting is no key.
    """
    given = MessagingSettings().web_push.private_key
    if given is not None:
        return read_key(given.get_secret_value())
    query = select(PushKey.private_key).where(col(PushKey.name) == _NAME)
    async with unit_of_work(independent=True, read_only=True) as reading:
        sealed = (await reading.exec(query)).one_or_none()
    if sealed is None:
        async with unit_of_work(independent=True) as writing:
            await _make()
            sealed = (await writing.exec(query)).one()
    return read_key(unseal(sealed))


async def _make() -> None:
    """Two processes may do so at once; the first key counts."""
    now = utcnow()
    pem = ec.generate_private_key(CURVE).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    row = {"id": uuid7(), "created_at": now, "updated_at": now, "version": 1, "name": _NAME, "private_key": seal(pem)}
    dialect: Any = postgresql if session().get_bind().dialect.name == "postgresql" else sqlite
    await session().exec(dialect.insert(PushKey).values(**row).on_conflict_do_nothing(index_elements=["name"]))
