"""Call a webhook: signed, bounded, and never into the operator's network."""

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from riveredge_scheduling.settings import SchedulingTenantSettings
from riveredge_sdk import Body, tenant_settings, utcnow
from riveredge_sdk.features.scheduling import ActionError, FireContext, TaskAction
from riveredge_sdk.problems import invalid_field
from riveredge_sdk.webhooks import CallFailedError, call_out, check_headers, shown, signature

MAX_ANSWER = 64_000
_MAX_BODY = 64_000


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
        check_headers(value)
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
            answer = await call_out(
                params.method, params.url, headers=headers, content=body, seconds=self.timeout_s, max_bytes=MAX_ANSWER
            )
        except CallFailedError as failed:
            raise ActionError(str(failed), retry=failed.retry, retry_after=failed.retry_after) from None
        return {"status": answer.status_code, "answer": shown(answer)}
