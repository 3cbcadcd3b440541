"""Passwords: argon2id, in threads, because one hash costs about 200 ms of CPU."""

import asyncio
import functools

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from riveredge_sdk.problems import invalid_field

MIN_LENGTH = 10
# A long password costs hashing time that anybody could make us spend.
MAX_LENGTH = 256

_hasher = PasswordHash((Argon2Hasher(),))
_at_once = asyncio.Semaphore(4)


async def hash_password(password: str, *, field: str = "password") -> str:
    """The hash to store.

    Raises:
        Invalid: the password is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise invalid_field(field, f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.", "password_length")
    async with _at_once:
        return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password fits. Takes as long when there is nothing to compare with."""
    if len(password) > MAX_LENGTH:
        return False
    async with _at_once:
        fits = await asyncio.to_thread(_hasher.verify, password, stored or _dummy())
    return fits and stored is not None


@functools.cache
def _dummy() -> str:
    return _hasher.hash("nobody's password")
