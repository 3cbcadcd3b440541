"""Call a webhook: signed, bounded, and never into the operator's network."""

import base64
import hashlib
import hmac
import json
import re
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx2
from pydantic import Field, field_validator

from riveredge_scheduling.settings import SchedulingTenantSettings
from riveredge_sdk import Body, tenant_settings, utcnow
from riveredge_sdk.features.scheduling import ActionError, FireContext, TaskAction
from riveredge_sdk.outbound import OutboundRefusedError, outbound_client
from riveredge_sdk.problems import invalid_field

MAX_ANSWER = 64_000
_MAX_BODY = 64_000
_SHOWN = 500
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VISIBLE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]{0,998}[\x21-\x7e])?")
# Set by the platform, or by HTTP itself.
_OURS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)
_AGAIN = frozenset({408, 425, 429})


class WebhookParams(Body):
    """What to call."""

    url: Annotated[str, Field(title="URL", description="An https address.", max_length=2000)]
    method: Annotated[Literal["POST", "PUT"], Field(title="Method")] = "POST"
    headers: Annotated[
        dict[str, str],
        Field(
            default_factory=dict,
            title="Headers",
            description="Sent along; not for secrets, which anybody who may read schedules sees.",
            max_length=20,
        ),
    ]
    data: Annotated[Any, Field(title="Data", description="Any JSON; it is sent as `data`.")] = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"https", "http"} or not parts.hostname or not value.isprintable() or " " in value:
            raise ValueError("expected an address such as https://example.com/hook")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address has no user name in it; the signature shows who calls")
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, content in value.items():
            if not _TOKEN.fullmatch(name) or not _VISIBLE.fullmatch(content):
                raise ValueError(f"{name[:64]!r} is no header, or has characters that none may have")
            if name.lower() in _OURS or name.lower().startswith("webhook-"):
                raise ValueError(f"the header {name!r} is set by the platform")
        return value

    @field_validator("data")
    @classmethod
    def _is_small(cls, value: Any) -> Any:
        if len(json.dumps(value)) > _MAX_BODY:
            raise ValueError(f"at most {_MAX_BODY} bytes of data are sent")
        return value


class Webhook(TaskAction[WebhookParams]):
    """Sends `{"type", "timestamp", "data", …}`, signed as Standard Webhooks describes (standardwebhooks.com)."""

    id = "scheduling.webhook"
    title = "Call a webhook"
    description = "Sends a signed HTTPS request. Answers 2xx are success; 408, 425, 429 and 5xx are tried again."
    params = WebhookParams
    idempotency = "It may be called twice for one fire; the header webhook-id is the same then."
    retries = 5
    timeout_s = 30

    async def check(self, params: WebhookParams) -> None:
        if (await tenant_settings(SchedulingTenantSettings)).webhook_secret is None:
            raise invalid_field(
                "url", "Set a signing key first: webhook_secret under /api/v1/settings/scheduling.", "no_secret"
            )

    async def run(self, ctx: FireContext, params: WebhookParams) -> dict[str, Any]:
        secret = (await tenant_settings(SchedulingTenantSettings)).webhook_secret
        if secret is None:
            raise ActionError("The organisation has no signing key of webhooks any more.", retry=False)
        body = json.dumps(
            {
                "type": "scheduling.fire",
                "timestamp": ctx.nominal_at.isoformat(),
                "key": ctx.task_key,
                "kind": ctx.kind,
                "missed_count": ctx.missed_count,
                "data": params.data,
            },
            separators=(",", ":"),
        ).encode()
        headers = params.headers | signature(
            secret.get_secret_value(), str(ctx.fire_id), int(utcnow().timestamp()), body
        )
        headers["Content-Type"] = "application/json"
        try:
            async with outbound_client(seconds=self.timeout_s, max_bytes=MAX_ANSWER) as client:
                answer = await client.request(params.method, params.url, headers=headers, content=body)
        except OutboundRefusedError as refused:
            raise ActionError(f"The address is not to be called: {refused}", retry=False) from None
        except httpx2.InvalidURL as wrong:
            raise ActionError(f"The address is none: {wrong}", retry=False) from None
        except (TimeoutError, httpx2.HTTPError) as error:
            raise ActionError(f"No answer: {type(error).__name__}: {error}"[:500]) from None
        return _judge(answer)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that let a receiver verify who calls, and tell repetitions (Standard Webhooks, version 1)."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _judge(answer: httpx2.Response) -> dict[str, Any]:
    shown = answer.text[:_SHOWN].replace("\x00", "")
    if answer.is_success:
        return {"status": answer.status_code, "answer": shown}
    again = answer.status_code in _AGAIN or answer.status_code >= 500
    raise ActionError(
        f"The receiver answered {answer.status_code}: {shown}", retry=again, retry_after=_retry_after(answer)
    )


def _retry_after(answer: httpx2.Response) -> float | None:
    """RFC 9110 §10.2.3: seconds, or a date."""
    wanted = answer.headers.get("Retry-After", "")
    if wanted.isascii() and wanted.isdigit():
        return float(min(int(wanted[:9]), 3600))
    try:
        return max((parsedate_to_datetime(wanted) - utcnow()).total_seconds(), 1) if wanted else None
    except (ValueError, TypeError):
        return None
