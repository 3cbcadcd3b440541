"""What the engine itself says of a run, by its REST API: the same on the embedded engine, a server and Inngest's cloud.

A server answers from a cache: errors come as HTTP 200 with `{"error", "status"}`, and what was just cancelled is shown
as running for some seconds. So an answer is believed when it is final, and asked for again when it is not.
"""

import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
from pydantic import SecretStr

from riveredge_kernel.functions.models import RunStatus
from riveredge_kernel.settings import InngestSettings

_PREFIX = re.compile(r"^signkey-\w+-")
_TIMEOUT = 10.0


class EngineAwayError(Exception):
    """The engine does not answer, or not as it should; the message says how."""


@dataclass(frozen=True, slots=True)
class EngineRun:
    """A run as the engine knows it. `error` is set for failed ones, where the engine tells it."""

    status: RunStatus
    error: str | None = None


class EngineApi:
    """Asks the engine."""

    def __init__(self, settings: InngestSettings) -> None:
        self._headers: dict[str, str] = {}
        keys = [key for key in (settings.signing_key, settings.signing_key_fallback) if key is not None]
        # While keys are changed, the engine has one of the two.
        self._bearers = [_bearer(key) for key in keys] or [None]
        if settings.env is not None:
            self._headers["X-Inngest-Env"] = settings.env
        self._base = settings.base_url or ""
        self._http: httpx2.AsyncClient | None = None

    async def run(self, run_id: str) -> EngineRun | None:
        """The run; None if the engine does not know it.

        Raises:
            EngineAwayError: the engine could not be asked.
        """
        data = await self._ask("GET", run_id)
        return None if data is None else _read(data)

    async def cancel(self, run_id: str) -> bool:
        """Stop the run before its next step; False if the engine does not know it. Repeating it does no harm.

        Raises:
            EngineAwayError: the engine could not be asked.
        """
        return await self._ask("DELETE", run_id) is not None

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _ask(self, method: str, run_id: str) -> dict[str, Any] | None:
        if self._http is None:
            self._http = httpx2.AsyncClient(base_url=self._base, headers=self._headers, timeout=_TIMEOUT)
        try:
            answer = await self._send(self._http, method, f"/v1/runs/{run_id}")
            if answer.status_code == HTTPStatus.UNAUTHORIZED and len(self._bearers) > 1:
                self._bearers.reverse()
                answer = await self._send(self._http, method, f"/v1/runs/{run_id}")
            body = answer.json() if answer.content else {}
        except (httpx2.HTTPError, ValueError) as error:
            raise EngineAwayError(f"{type(error).__name__}: {error}"[:200]) from None
        if not isinstance(body, dict):
            raise EngineAwayError(f"{answer.status_code}: no JSON object")
        status = answer.status_code
        if body.get("error"):
            status = body["status"] if isinstance(body.get("status"), int) else status
            if status < HTTPStatus.BAD_REQUEST:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status >= HTTPStatus.BAD_REQUEST:
            raise EngineAwayError(f"{status}: {str(body.get('error'))[:200]}")
        data = body.get("data")
        return data if isinstance(data, dict) else {}

    async def _send(self, http: httpx2.AsyncClient, method: str, path: str) -> httpx2.Response:
        bearer = self._bearers[0]
        return await http.request(method, path, headers={"Authorization": bearer} if bearer else None)


def _bearer(key: SecretStr) -> str | None:
    # The hash travels, as the SDK sends it, and not the key.
    bare = _PREFIX.sub("", key.get_secret_value())
    return f"Bearer {hashlib.sha256(bytes.fromhex(bare)).hexdigest()}"


def _read(data: dict[str, Any]) -> EngineRun:
    try:
        status = RunStatus(str(data.get("status")).lower())
    except ValueError:
        # Queued, scheduled: whatever has not ended is still to come.
        return EngineRun(RunStatus.RUNNING)
    if not data.get("ended_at"):
        # A run that sleeps after a step has been seen as "Completed".
        return EngineRun(RunStatus.RUNNING)
    return EngineRun(status, _error(data) if status == RunStatus.FAILED else None)


def _error(data: dict[str, Any]) -> str | None:
    for found in (data.get("last_error"), data.get("output")):
        if isinstance(found, dict):
            inner = found.get("error") if isinstance(found.get("error"), dict) else found
            assert isinstance(inner, dict)  # noqa: S101  (one of two dictionaries)
            if inner.get("message"):
                return f"{inner.get('name') or 'Error'}: {inner['message']}"
        elif isinstance(found, str) and found:
            return found
    return None
