"""`/api/v1/messaging/callbacks`: where providers report what became of messages. Signed, so open to the outside."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel

from riveredge_messaging.feedback import callbacks
from riveredge_sdk import Router
from riveredge_sdk.features.messaging import CallbackRequest
from riveredge_sdk.runtime import public_url

router = Router(prefix="/callbacks", tag="Messaging: call-backs")

# Reports bring mails back, with all that was attached.
MAX_BYTES = 2_000_000


class Received(BaseModel):
    """What was taken of a call."""

    new: int
    # What Alibaba Cloud takes for a receipt; without it, it reports again.
    code: int = 0


def _tenant(path: Mapping[str, Any]) -> UUID | None:
    try:
        return UUID(path["tenant_id"])
    except ValueError:
        return None


@router.post(
    "/{tenant_id}/{config_id}",
    public=True,
    serves=_tenant,
    status=200,
    max_body_size=MAX_BYTES,
    summary="What a provider reports",
    responses={403: {"description": "The signature is missing, wrong or too old."}},
)
async def receive_callback(tenant_id: UUID, config_id: UUID, request: Request) -> Received:  # noqa: ARG001
    """The provider of the configuration checks the signature. Reports that come again are taken once. For a mail server
    the body is a raw mail (a report by RFC 3464 or RFC 5965), signed by `X-RiverEdge-Signature`."""
    told = CallbackRequest(
        method=request.method,
        url=public_url(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        query=dict(request.query_params),
        body=await request.body(),
    )
    return Received(new=await callbacks.receive(config_id, told))
