"""Push to Android and to whatever else Firebase Cloud Messaging reaches (HTTP v1)."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, ValidationError, field_validator

from riveredge_messaging.channels.cutting import fit, packed
from riveredge_messaging.channels.web_push.sending import kept_for
from riveredge_messaging.inbox.options import read_options
from riveredge_messaging.providers.calls import call, json_of
from riveredge_messaging.providers.google import ServiceAccount, access_token, project_of
from riveredge_messaging.reach.models import PUSH
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
from riveredge_sdk.problems import field_errors

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
# Of `notification` and `data` together; what FCM adds is not counted by it, and is ours to leave room for.
MAX_CONTENT = 4000
_TOKEN = re.compile(r"[A-Za-z0-9_:.\-]{20,4000}")


class FcmConfig(ProviderConfig):
    """A Firebase project."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"api_url"})

    service_account: Annotated[
        SecretStr,
        Field(
            title="Service account",
            description="The whole JSON file; the account has the role Firebase Cloud Messaging API Admin.",
            max_length=20_000,
        ),
    ]
    api_url: Annotated[str, Field(title="API", description="Google's, or a proxy to it.", max_length=200)] = (
        "https://fcm.googleapis.com"
    )

    @field_validator("service_account")
    @classmethod
    def _is_account(cls, given: SecretStr) -> SecretStr:
        try:
            ServiceAccount.model_validate_json(given.get_secret_value())
        except ValidationError as error:
            first = field_errors(error.errors(), {})[0]
            where = f"{first.field}: " if first.field else ""
            raise ValueError(f"not the JSON of a service account: {where}{first.message}") from None
        return given


class Fcm(MessageProvider[FcmConfig]):
    """Apps that have registered with a Firebase project."""

    id = "messaging.fcm"
    channel = PUSH
    title = "Firebase Cloud Messaging"
    description = "Push to Android, and to other apps that register with Firebase."
    config = FcmConfig

    def check_address(self, address: str) -> str:
        if not _TOKEN.fullmatch(address):
            raise ValueError("expected the token that FirebaseMessaging.getToken() gives")
        return address

    def reaches(self, config: FcmConfig, app: str, environment: str) -> bool:
        # Tokens are of one project.
        return app in {"", project_of(config.service_account.get_secret_value())}

    async def send(self, config: FcmConfig, message: RenderedMessage) -> DeliveryResult:
        account = config.service_account.get_secret_value()
        url = f"{config.api_url.rstrip('/')}/v1/projects/{project_of(account)}/messages:send"
        content = packed({"message": _message(message)})
        token = await access_token(account, _SCOPE)
        answer = await call(url, headers=_headers(token), content=content)
        if answer.status_code == 401:
            # Tokens can be called back before their time.
            token = await access_token(account, _SCOPE, refused=token)
            answer = await call(url, headers=_headers(token), content=content)
        body = json_of(answer)
        if answer.status_code == 200 and body.get("name"):
            return DeliveryResult("accepted", reference=str(body["name"])[:500])
        raise _failure(answer.status_code, body)


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"}


def _message(message: RenderedMessage) -> Mapping[str, Any]:
    options = read_options(message)
    delivery, kept = str(message.delivery_id), kept_for(message)
    # Values of data are texts.
    data = {"delivery": delivery, "link": options.link or ""}
    data["actions"] = json.dumps([action.model_dump() for action in options.actions], ensure_ascii=False)
    content = fit(
        message.text,
        MAX_CONTENT,
        lambda text: {"notification": {"title": message.subject, "body": text}, "data": data},
    )
    # What replaces a notification that is shown already by its repetition, on each system. No collapse key on Android:
    # devices keep four of them, and every message would use one.
    until = str(int((utcnow() + kept).timestamp()))
    return {
        "token": message.address,
        **content,
        "android": {
            "priority": "HIGH",
            "ttl": f"{int(kept.total_seconds())}s",
            "notification": {"tag": delivery},
        },
        "apns": {"headers": {"apns-priority": "10", "apns-collapse-id": delivery, "apns-expiration": until}},
        "webpush": {"headers": {"TTL": str(int(kept.total_seconds()))}, "notification": {"tag": delivery}},
    }


def _failure(status: int, body: Mapping[str, Any]) -> Exception:
    """What an answer means (https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode)."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    details = [each for each in error.get("details") or () if isinstance(each, dict)]
    code = next((str(each["errorCode"]) for each in details if "errorCode" in each), "") or str(error.get("status", ""))
    text = f"{code or status}: {error.get('message', '')}"[:300]
    if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and _is_about_token(error, details)):
        return PermanentFailure(text, bad_address=True)
    if code in {"INVALID_ARGUMENT", "SENDER_ID_MISMATCH"}:
        return PermanentFailure(text)
    # The project is gone, the account may not send, or Firebase itself is not let in by Apple's service.
    if status < 500 and status not in {408, 409}:
        return ConfigurationFailure(text)
    return TemporaryFailure(text)


def _is_about_token(error: Mapping[str, Any], details: list[dict[str, Any]]) -> bool:
    fields = [violation.get("field") for each in details for violation in each.get("fieldViolations") or ()]
    return "message.token" in fields or "registration token" in str(error.get("message", "")).lower()
