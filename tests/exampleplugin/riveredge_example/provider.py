"""A provider of its own for the e-mail channel: mails become lines in the log."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import structlog
from pydantic import Field, SecretStr

from riveredge_sdk.features.messaging import (
    CallbackRefusedError,
    CallbackRequest,
    ConfigurationFailure,
    DeliveryResult,
    MessageProvider,
    ProviderConfig,
    ProviderEvent,
    RenderedMessage,
)

log = structlog.get_logger(__name__)


class PaperMailConfig(ProviderConfig):
    """Its settings."""

    printer: Annotated[str, Field(title="Printer", description="Any name but `none`.", min_length=1)]
    signing_key: Annotated[SecretStr, Field(title="Signing key", description="Signs its call-backs.")]


class PaperMail(MessageProvider[PaperMailConfig]):
    """Mails on paper, as far as the log can be printed."""

    id = "example.paper_mail"
    channel = "messaging.email"
    title = "Paper mail"
    config = PaperMailConfig

    async def send(self, config: PaperMailConfig, message: RenderedMessage) -> DeliveryResult:
        if config.printer == "none":
            raise ConfigurationFailure("There is no printer.")
        log.info("paper_mail", printer=config.printer, subject=message.subject)
        return DeliveryResult("accepted", reference=str(message.delivery_id))

    async def receive(self, config: PaperMailConfig, request: CallbackRequest) -> Sequence[ProviderEvent]:
        key = config.signing_key.get_secret_value().encode()
        expected = hmac.new(key, request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("x-signature", "")):
            raise CallbackRefusedError("The signature is not right.")
        return [
            ProviderEvent(
                id=told["id"],
                kind=told["kind"],
                reference=told["mail"],
                at=datetime.fromisoformat(told["at"]),
            )
            for told in json.loads(request.body)
        ]
