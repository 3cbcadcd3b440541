"""`/api/v1/approvals/callbacks`: where other systems say what came of a call. The address proves it, once."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Query
from pydantic import BaseModel

from riveredge_approvals.effects import links, running
from riveredge_approvals.models import Visit
from riveredge_sdk import Router, current_context, session
from riveredge_sdk.limits import Limit, count_hit
from riveredge_sdk.problems import Conflict, NotFound

router = Router(prefix="/callbacks", tag="Approvals: call-backs")
_LIMIT = Limit("approvals.callback", hits=120, seconds=60)


class Received(BaseModel):
    """What was taken."""

    taken: bool = True


def _tenant(path: Mapping[str, Any]) -> UUID | None:
    return links.tenant_of(path["token"])


@router.post(
    "/{token}",
    public=True,
    serves=_tenant,
    status=200,
    max_body_size=running.MAX_RESULT,
    summary="Say what came of a call",
    responses={404: {"description": "The address is none of ours, or too old."}, 409: {"description": "Used already."}},
)
async def call_back(
    token: str,
    result: Annotated[Any, Body(description="The result, any JSON; the node saves parts of it into the form.")] = None,
    failed: Annotated[
        str | None, Query(max_length=1000, description="It came to nothing: what people are to read.")
    ] = None,
) -> Received:
    await count_hit(_LIMIT, current_context().address or "")
    link = await links.read(token, "callback")
    visit = await session().get(Visit, link.visit_id) if link is not None else None
    if link is None or visit is None:
        raise NotFound("There is nothing at this address.")
    if not await running.called_back(visit, link.round, result, error=failed):
        raise Conflict("The call has a result already, or is not waited for any more.")
    return Received()
