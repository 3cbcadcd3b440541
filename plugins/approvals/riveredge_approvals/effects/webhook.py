"""The node `webhook`: calls another system over a connection, and may wait for it to call back."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from riveredge_approvals.effects import calling, connections
from riveredge_approvals.effects.filling import fill, fill_path, fill_text, values_of
from riveredge_sdk import Body, unit_of_work, utcnow
from riveredge_sdk.features.approvals import ApprovalNode, EffectError, Request
from riveredge_sdk.webhooks import CallFailedError, shown


class WebhookConfig(Body):
    """What to call. Path, headers and body may hold `{{ form.amount }}` and the like."""

    connection: Annotated[str, Field(title="Connection", min_length=1, max_length=100)]
    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Field(title="Method")] = "POST"
    path: Annotated[str, Field(title="Path", max_length=2000)] = ""
    headers: Annotated[dict[str, str], Field(title="Headers", default_factory=dict, max_length=20)]
    body: Annotated[Any, Field(title="Body", description="Any JSON; none: the request with its whole form.")] = None


class Webhook(ApprovalNode[WebhookConfig]):
    """Answers 2xx are success; 408, 425, 429 and 5xx are tried again."""

    id = "approvals.webhook"
    title = "Webhook"
    description = "Calls another system. It may be called twice for one visit: Idempotency-Key is the same then."
    config = WebhookConfig
    timeout_s = 30
    waits = True

    async def check(self, config: WebhookConfig) -> Sequence[str]:
        if await connections.find(config.connection) is None:
            return [f"There is no connection {config.connection!r}."]
        return []

    async def run(self, request: Request, config: WebhookConfig) -> Mapping[str, Any]:
        async with unit_of_work(read_only=True):
            row = await connections.find(config.connection)
            if row is None:
                raise EffectError(f"The connection {config.connection!r} is gone.", retry=False)
            reached = connections.open_up(row)
        values = values_of(request)
        body = fill(config.body, values) if config.body is not None else _whole(request, config)
        try:
            answer = await calling.call(
                reached,
                config.method,
                fill_path(config.path, values),
                key=str(request.visit),
                headers={name: fill_text(value, values) for name, value in config.headers.items()},
                body=body,
                seconds=self.timeout_s,
            )
        except CallFailedError as failed:
            raise EffectError(str(failed), retry=failed.retry, retry_after=failed.retry_after) from None
        try:
            said = answer.json()
        except ValueError:
            said = None
        return said if isinstance(said, dict) else {"status": answer.status_code, "body": said or shown(answer)}


def _whole(request: Request, config: WebhookConfig) -> dict[str, Any] | None:
    """What is sent where the drawing says nothing."""
    if config.method in {"GET", "DELETE"}:
        return None
    subject = request.subject
    return {
        "type": "approvals.request",
        "timestamp": utcnow().isoformat(),
        "data": {
            "id": str(request.id),
            "process": request.process,
            "version": request.version,
            "number": request.number,
            "title": request.title,
            "submitter": str(request.submitter),
            "department": str(request.department) if request.department is not None else None,
            "subject": {"type": subject.type, "id": str(subject.id)} if subject is not None else None,
            "node": request.node,
            "visit": str(request.visit),
            "form": dict(request.form),
            **({"callback_url": request.callback_url} if request.callback_url is not None else {}),
        },
    }
