"""Which passwords people may choose: judged by how many guesses they take, not by kinds of characters.

NIST SP 800-63B-4 §3.1.1.2 asks for that, and for a list of breached ones.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

from riveredge_kernel.auth.passwords import MAX_LENGTH, MIN_LENGTH, hash_password
from riveredge_kernel.settings import AuthSettings
from riveredge_sdk.problems import invalid_field

# Longer ones are strong enough, and judging them takes quadratic time.
_JUDGED = 72
_DIGEST = 40
_OWN_WORDS = ("riveredge", "river edge")


class PasswordPolicy:
    """Judges new passwords."""

    def __init__(self, settings: AuthSettings) -> None:
        self._min_score = settings.password_min_score
        self._breached = settings.breached_passwords_file

    async def hash(self, password: str, *, about: Sequence[str] = (), field: str = "password") -> str:
        """The hash of a password that is good enough.

        Args:
            about: what the password must not be made of: the person's name and address.

        Raises:
            Invalid: it is too short, too long, guessed quickly, or known from a breach; the problem says which.
        """
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            raise invalid_field(field, f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.", "password_length")
        weakness = await asyncio.to_thread(self._weakness, password, about)
        if weakness:
            raise invalid_field(field, f"This password would be guessed quickly. {weakness}".strip(), "password_weak")
        if await asyncio.to_thread(self._is_breached, password):
            message = "This password is known from a breach of another service; attackers try it first. Choose another."
            raise invalid_field(field, message, "password_breached")
        return await hash_password(password, field=field)

    def _weakness(self, password: str, about: Sequence[str]) -> str:
        if len(password) > _JUDGED:
            return ""
        from zxcvbn import zxcvbn

        words = [part for text in about for part in (text, *text.replace("@", " ").replace(".", " ").split())]
        judged = zxcvbn(password, user_inputs=[*_OWN_WORDS, *words], max_length=_JUDGED)
        if judged["score"] >= self._min_score:
            return ""
        feedback = judged["feedback"]
        hints = [feedback["warning"], *feedback["suggestions"]]
        return " ".join(hint.rstrip(".") + "." for hint in hints if hint) or "Add another word or two."

    def _is_breached(self, password: str) -> bool:
        return self._breached is not None and is_listed(self._breached, password)


def is_listed(path: Path, password: str) -> bool:
    """Whether a sorted file of upper-case SHA-1 digests, one a line, has the password's.

    That is the format of Have I Been Pwned's download, `DIGEST:count`. It is searched where it lies, by halving.
    """
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with path.open("rb") as file:
        low, high = 0, file.seek(0, 2)
        while low < high:
            middle = (low + high) // 2
            file.seek(middle)
            if middle:
                file.readline()  # the rest of the line that we have landed in
            place = file.tell()
            digest = file.readline()[:_DIGEST].upper()
            if digest == wanted:
                return True
            if digest and digest < wanted:
                low = max(place, middle + 1)
            else:
                high = middle
        file.seek(0)
        return file.readline()[:_DIGEST].upper() == wanted
