"""HTTP calls of providers, and what their failures mean: whether anything was sent, and whose fault it is."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from riveredge_sdk.features.messaging import ConfigurationFailure, TemporaryFailure, UnknownOutcome
from riveredge_sdk.outbound import OutboundRefusedError, outbound_client

MAX_ANSWER = 100_000
# Nobody is asked to wait for longer; a longer wait is cut.
MAX_WAIT = 24 * 3600.0
_BUSY = 30.0


async def call(
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    auth: tuple[str, str] | None = None,
    client: httpx2.AsyncClient | None = None,
) -> httpx2.Response:
    """POST to an address that somebody has configured, past the guard of `riveredge_sdk.outbound`.

    Args:
        client: a guarded client that keeps its connection; None: one for this call.

    Raises:
        ConfigurationFailure: the address is not one to be reached.
        TemporaryFailure: the peer was not reached, asks to wait, or is not well. Whoever brings a client reads the
            latter two from the answer: see `check_busy`.
        UnknownOutcome: it was reached, and gave no answer.
    """
    try:
        signs_in = httpx2.BasicAuth(*auth) if auth is not None else httpx2.USE_CLIENT_DEFAULT
        async with outbound_client(max_bytes=MAX_ANSWER) if client is None else nullcontext(client) as used:
            answer = await used.post(url, headers=dict(headers), content=content, auth=signs_in)
    except OutboundRefusedError as error:
        raise ConfigurationFailure(f"The address cannot be used: {error}.") from None
    except httpx2.InvalidURL as error:
        raise ConfigurationFailure(f"The address is none: {error}.") from None
    except (
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.PoolTimeout,
        httpx2.WriteError,
        httpx2.WriteTimeout,
    ) as e:
        raise TemporaryFailure(f"Not reached: {type(e).__name__}: {e}"[:300]) from None
    except httpx2.HTTPError as error:
        raise UnknownOutcome(f"No answer: {type(error).__name__}: {error}"[:300]) from None
    if client is None:
        check_busy(answer)
    return answer


def check_busy(answer: httpx2.Response) -> None:
    """What the statuses mean that mean the same everywhere.

    Raises:
        TemporaryFailure: the peer asks to wait, or is not well.
    """
    if answer.status_code == 429 or (answer.status_code == 503 and "retry-after" in answer.headers):
        raise TemporaryFailure(f"The peer asks to wait ({answer.status_code}).", retry_after=wait_of(answer))
    if answer.status_code >= 500:
        raise TemporaryFailure(f"The peer answers {answer.status_code}.")


def json_of(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON object that was answered; empty if it is none."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def wait_of(answer: httpx2.Response) -> float:
    """The seconds of `Retry-After` (RFC 9110 §10.2.3: seconds, or a date), within bounds."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isdecimal():
        return min(float(given), MAX_WAIT)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return _BUSY
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), MAX_WAIT)
