"""Secrets that are good once: in links of mails, between the two steps of a sign-in, as proof of who is there now.

Kept as hashes. Functions take the database session that they work in.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.sessions import hashed
from riveredge_kernel.db.base import KernelPlatformModel
from riveredge_kernel.db.database import Database
from riveredge_sdk.models import JsonType, UtcDateTime, utcnow
from riveredge_sdk.runtime import Runtime


class Purpose(StrEnum):
    """What a token is for; it is good for nothing else."""

    RESET_PASSWORD = "reset_password"  # noqa: S105
    VERIFY_EMAIL = "verify_email"
    SECOND_FACTOR = "second_factor"
    TICKET = "ticket"


class OneTimeToken(KernelPlatformModel, table=True):
    """A token of one user."""

    __tablename__ = "kernel_one_time_token"

    user_id: UUID = Field(foreign_key="kernel_user.id", ondelete="CASCADE", index=True)
    purpose: str = Field(max_length=40)
    token_hash: str = Field(max_length=64, unique=True)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType, nullable=False)
    expires_at: datetime = Field(sa_type=UtcDateTime, nullable=False, index=True)


class OneTimeTokens:
    """Issues and takes them."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self._runtime = runtime

    @staticmethod
    async def issue(
        db: AsyncSession,
        user_id: UUID,
        purpose: Purpose,
        life: timedelta,
        data: Mapping[str, Any] | None = None,
        *,
        replace: bool = True,
    ) -> str:
        """A new token.

        Args:
            replace: earlier ones of the user for this purpose are good no more.
        """
        if replace:
            await OneTimeTokens.cancel(db, user_id, purpose)
        token = secrets.token_urlsafe(32)
        row = OneTimeToken(
            user_id=user_id,
            purpose=purpose,
            token_hash=hashed(token),
            data=dict(data or {}),
            expires_at=utcnow() + life,
        )
        db.add(row)
        await db.flush()
        return token

    @staticmethod
    async def find(db: AsyncSession, token: str, purpose: Purpose, *, lock: bool = False) -> OneTimeToken | None:
        """The token's row if it is good, without taking it."""
        query = select(OneTimeToken).where(
            col(OneTimeToken.token_hash) == hashed(token),
            col(OneTimeToken.purpose) == purpose,
            col(OneTimeToken.expires_at) > utcnow(),
        )
        return (await db.exec(query.with_for_update() if lock else query)).one_or_none()

    @staticmethod
    async def take(db: AsyncSession, token: str, purpose: Purpose) -> OneTimeToken | None:
        """The token's row if it is good; it is good no more once the transaction commits. One of several wins."""
        row = await OneTimeTokens.find(db, token, purpose, lock=True)
        if row is not None:
            await db.exec(delete(OneTimeToken).where(col(OneTimeToken.id) == row.id))
        return row

    @staticmethod
    async def cancel(db: AsyncSession, user_id: UUID, *purposes: Purpose) -> None:
        """Make the user's tokens good for nothing: of these purposes, or all."""
        own = delete(OneTimeToken).where(col(OneTimeToken.user_id) == user_id)
        await db.exec(own.where(col(OneTimeToken.purpose).in_(purposes)) if purposes else own)

    async def prune(self) -> int:
        """Delete those that have expired; their number."""
        async with self._database.system("prune tokens", self._runtime) as db:
            return (await db.exec(delete(OneTimeToken).where(col(OneTimeToken.expires_at) < utcnow()))).rowcount
