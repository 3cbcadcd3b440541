"""Who may let the functions be registered: the platform's own processes.

The SDK answers every PUT by registering all functions with Inngest, whoever asks: a stranger could keep both busy with
it. The platform registers by itself, so it alone is let through, by a word that its processes can all compute. What
Inngest asks for in its own name is signed, and the SDK verifies that.
"""

import hashlib
import hmac
from collections.abc import Sequence

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from riveredge_kernel.functions.client import PATH
from riveredge_kernel.http import problems
from riveredge_kernel.settings import InngestSettings
from riveredge_sdk.problems import Forbidden

HEADER = "X-RiverEdge-Register"
_SIGNED = ("x-inngest-sync-kind", "in_band")


def words(settings: InngestSettings) -> Sequence[str]:
    """What the header may say, the own word first: while keys are changed, other processes have the other one.

    Empty without a signing key, when everybody may do everything here.
    """
    keys = [key for key in (settings.signing_key, settings.signing_key_fallback) if key is not None]
    return [_word(key) for key in keys]


def _word(key: SecretStr) -> str:
    return hmac.new(key.get_secret_value().encode(), b"register functions", hashlib.sha256).hexdigest()


class RegistrationDoor:
    """Pure ASGI."""

    def __init__(self, app: ASGIApp, *, words: Sequence[str]) -> None:
        self.app = app
        self._words = words

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "PUT" and not self._opens(scope):
            problem = Forbidden("The platform registers its functions by itself.")
            await problems.render(problem, Request(scope))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _opens(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get(_SIGNED[0]) == _SIGNED[1]:
            return True
        given = headers.get(HEADER, "").encode()
        return any(hmac.compare_digest(given, word.encode()) for word in self._words)
