"""Calls another system, signed as Standard Webhooks says (https://www.standardwebhooks.com), version 1."""

import base64
import json
from binascii import Error as Base64Error
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator

from riveredge_messaging.channels.rooms import WEBHOOK
from riveredge_messaging.providers.calls import call
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    DeliveryResult,
    MessageProvider,
    PermanentFailure,
    ProviderConfig,
    RenderedMessage,
    TemporaryFailure,
)
from riveredge_sdk.webhooks import PREFIX, signature

_TRY_AGAIN = frozenset({408, 409, 425})
# Nobody is there, or the call is not let in; redirects are not followed.
_MISCONFIGURED = frozenset({401, 403, 404, 405, 410})


class WebhookConfig(ProviderConfig):
    """Where the calls go, and what signs them."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"url"})

    url: Annotated[str, Field(title="Address", description="https://…", min_length=1, max_length=2000)]
    secret: Annotated[
        SecretStr, Field(title="Secret", description="whsec_ and 24 to 64 bytes in base64; the receiver has it too.")
    ]
    former_secret: Annotated[
        SecretStr | None,
        Field(title="Former secret", description="Signs as well, until the receiver knows the new one."),
    ] = None

    @field_validator("url")
    @classmethod
    def _is_https(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise ValueError("expected an https address")
        return url

    @field_validator("secret", "former_secret")
    @classmethod
    def _is_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            key_of(secret)
        return secret


class Webhook(MessageProvider[WebhookConfig]):
    """One call for each message, with the same `webhook-id` each time it is tried."""

    id = "messaging.webhook"
    channel = WEBHOOK
    title = "Webhook"
    description = "Signed calls (Standard Webhooks) with the message as JSON."
    config = WebhookConfig
    supports_idempotency = True

    async def send(self, config: WebhookConfig, message: RenderedMessage) -> DeliveryResult:
        body = json.dumps(
            {
                "type": "message",
                "timestamp": utcnow().isoformat(),
                "data": {
                    "delivery": str(message.delivery_id),
                    "recipient": str(message.recipient_id),
                    "subject": message.subject,
                    "text": message.text,
                    "html": message.html,
                    "locale": message.locale,
                    "category": message.category,
                    "variables": dict(message.data),
                    "options": dict(message.options),
                },
            },
            ensure_ascii=False,
        ).encode()
        stamp = int(utcnow().timestamp())
        further = [config.former_secret.get_secret_value()] if config.former_secret is not None else []
        secret = config.secret.get_secret_value()
        headers = signature(secret, str(message.delivery_id), stamp, body, *further)
        headers["Content-Type"] = "application/json"
        answer = await call(config.url, headers=headers, content=body)
        status = answer.status_code
        if 200 <= status < 300:
            return DeliveryResult("delivered", reference=answer.headers.get("x-request-id", "")[:200])
        if status in _TRY_AGAIN:
            raise TemporaryFailure(f"The receiver answers {status}.")
        if status < 400 or status in _MISCONFIGURED:
            raise ConfigurationFailure(f"The receiver answers {status}.")
        raise PermanentFailure(f"The receiver answers {status}: {answer.text[:200]}")


def key_of(secret: SecretStr) -> bytes:
    """The bytes of a secret in its written form.

    Raises:
        ValueError: it has another form, or another length than 24 to 64 bytes.
    """
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except Base64Error:
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"expected {PREFIX} and 24 to 64 bytes in base64")
    return key
