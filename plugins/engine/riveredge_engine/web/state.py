"""What the routes share."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from ..core import Core
from ..errors import EngineError
from ..signing import bearers

if TYPE_CHECKING:
    from ..engine import Engine


# A web page that a developer looks at can reach what listens on the same machine; it says where it comes from.
_LOCAL = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


@dataclass(slots=True)
class WebState:
    """The engine's parts behind the routes; `open` between start and stop."""

    engine: Engine
    event_keys: frozenset[str]
    open: bool = False

    @property
    def core(self) -> Core:
        return self.engine.core


def state_of(request: Request) -> WebState:
    """The state behind a request. Raises EngineError while the engine is not running, or for a foreign page."""
    state: WebState = request.app.state.engine
    if not state.open:
        raise EngineError("the engine is not running", 503)
    origin = request.headers.get("origin")
    if origin is not None and state.core.options.signing_key is None and not _LOCAL.fullmatch(origin):
        raise EngineError("without keys, no page of another host may use the engine", 403)
    return state


def authorised(request: Request) -> WebState:
    """The state, for a caller that has the signing key or its hash as a bearer. Raises EngineError."""
    state = state_of(request)
    key = state.core.options.signing_key
    if key is None:
        return state
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode()
    accepted = any(hmac.compare_digest(given, known.encode()) for known in bearers(key))
    if scheme.lower() != "bearer" or not accepted:
        raise EngineError("the signing key is missing or wrong", 401)
    return state
