"""Bodies and answers of the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from riveredge_messaging.template_schemas import Key
from riveredge_sdk import Body, Resource


class MessageIn(Body):
    """A message to people of this organisation."""

    template: Key
    to: Annotated[list[UUID], Field(min_length=1, max_length=1000, description="User ids.")]
    data: Annotated[dict[str, Any], Field(default_factory=dict, description="Values of the template's variables.")]
    channels: Annotated[
        list[str],
        Field(default_factory=list, max_length=20, description="Channel ids; empty: every channel there is."),
    ]
    correlation: Annotated[
        str | None, Field(max_length=200, description="What it is about, for example invoices.invoice:0199…")
    ] = None


class DeliveryOut(Resource):
    """One message to one person over one channel."""

    message_id: UUID
    recipient_id: UUID
    channel: str
    status: str
    attempts: int
    address: str | None
    reference: str | None
    error: str | None
    ended_at: datetime | None


class MessageOut(Resource):
    """A message."""

    template: str
    template_version_id: Annotated[UUID | None, Field(description="Null: a plugin's template.")]
    data: dict[str, Any]
    sender_id: UUID | None
    correlation: str | None


class MessageDetail(MessageOut):
    """A message with its deliveries (the first 1000)."""

    deliveries: Annotated[list[DeliveryOut], Field(default_factory=list)]
