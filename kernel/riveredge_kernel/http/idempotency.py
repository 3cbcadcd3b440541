"""`Idempotency-Key`: a repeated POST gets the first one's answer instead of being done again.

The record is inserted before the work and completed in the same transaction, so N simultaneous requests do the work
once: the others wait at the unique key and then replay. A request that failed left nothing and may be sent again, and a
record that has expired counts for nothing, whether it was swept away yet or not.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from riveredge_kernel.http.models import IdempotencyRecord
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import BadRequest, Invalid

HEADER = "idempotency-key"
LIFETIME = timedelta(hours=24)
MAX_KEY = 255
_UNSTORED_HEADERS = frozenset({"content-length", "date", "x-request-id"})


def key_of(request: Request) -> str | None:
    """The request's key, if it has one.

    Raises:
        BadRequest: it is empty, too long or not printable ASCII.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not key or len(key) > MAX_KEY or not (key.isascii() and key.isprintable()):
        raise BadRequest(f"Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters.")
    return key


async def answer_once(
    session: AsyncSession,
    request: Request,
    principal_id: UUID,
    key: str,
    do: Callable[[], Awaitable[Response]],
) -> Response:
    """Do it, or replay the stored answer, within the running transaction.

    Raises:
        Invalid: the key was used for another request.
    """
    fingerprint = await _fingerprint(request)
    record = await _claim(session, principal_id, key, fingerprint)
    if record.status:
        return _replay(record, fingerprint)
    response = await do()
    # What is not to be kept anywhere, such as a token, is not kept here either.
    if isinstance(response, StreamingResponse) or response.headers.get("cache-control") == "no-store":
        await session.delete(record)
        return response
    record.status = response.status_code
    record.headers = {k: v for k, v in response.headers.items() if k not in _UNSTORED_HEADERS}
    record.body = bytes(response.body)
    return response


async def _claim(session: AsyncSession, principal_id: UUID, key: str, fingerprint: str) -> IdempotencyRecord:
    """A new record (status 0), or the one with the answer."""
    while True:
        record = IdempotencyRecord(
            principal_id=principal_id,
            key=key,
            fingerprint=fingerprint,
            status=0,
            body=b"",
            expires_at=utcnow() + LIFETIME,
        )
        try:
            async with session.begin_nested():
                session.add(record)
        except IntegrityError:
            query = select(IdempotencyRecord).where(
                col(IdempotencyRecord.principal_id) == principal_id, col(IdempotencyRecord.key) == key
            )
            found = (await session.exec(query.with_for_update())).one_or_none()
            if found is not None and found.expires_at > utcnow():
                return found
            if found is not None:
                await session.delete(found)
                await session.flush()
            # Else somebody else has just removed it.
        else:
            return record


async def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    return digest.hexdigest()


def _replay(record: IdempotencyRecord, fingerprint: str) -> Response:
    if record.fingerprint != fingerprint:
        raise Invalid(
            "This Idempotency-Key was used for a different request. Use a new key for a new request.",
            extensions={"idempotency_key": record.key},
        )
    headers = {str(k): str(v) for k, v in record.headers.items()}
    return Response(record.body, status_code=record.status, headers={**headers, "Idempotency-Replayed": "true"})
