"""Passwords: argon2id, in threads, because one hash costs about 200 ms of CPU."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from riveredge_kernel.metrics import PASSWORD_HASHES
from riveredge_sdk.problems import invalid_field

MIN_LENGTH = 10
# A long password costs hashing time that anybody could make us spend.
MAX_LENGTH = 256

_hasher = PasswordHash((Argon2Hasher(),))
_workers = ThreadPoolExecutor(4, thread_name_prefix="passwords")


def use(hasher: PasswordHash) -> None:
    """Hash with this from now on. What was hashed before keeps its own parameters."""
    global _hasher  # noqa: PLW0603  (one for the process, like the threads)
    _hasher = hasher


async def hash_password(password: str, *, field: str = "password") -> str:
    """The hash to store.

    Raises:
        Invalid: the password is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise invalid_field(field, f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.", "password_length")
    PASSWORD_HASHES.inc()
    return await asyncio.get_running_loop().run_in_executor(_workers, _hasher.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password fits. Takes as long when there is nothing to compare with."""
    if len(password) > MAX_LENGTH:
        return False
    PASSWORD_HASHES.inc()
    compared = stored or _dummy(_hasher)
    fits = await asyncio.get_running_loop().run_in_executor(_workers, _hasher.verify, password, compared)
    return fits and stored is not None


@functools.cache
def _dummy(hasher: PasswordHash) -> str:
    """What costs as much to compare with as somebody's hash."""
    return hasher.hash("nobody's password")
