"""SMS through Twilio: the Messages resource, and its signed status call-backs."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, SecretStr, model_validator

from riveredge_messaging.channels.sms import SMS, whole_text
from riveredge_messaging.providers.calls import call, json_of
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import (
    CallbackRefusedError,
    CallbackRequest,
    ConfigurationFailure,
    DeliveryResult,
    MessageProvider,
    PermanentFailure,
    ProviderConfig,
    ProviderEvent,
    ProviderEventKind,
    RenderedMessage,
    TemporaryFailure,
)

# https://www.twilio.com/docs/api/errors: numbers that take no SMS; senders and accounts that cannot send.
_BAD_NUMBER = frozenset({21211, 21214, 21217, 21265, 21610, 21614, 21635})
_BAD_CONFIGURATION = frozenset({20003, 20404, 21212, 21603, 21606, 21659, 21660, 21701, 21703, 30002})
# In reports: the number is unknown, or a landline.
_GONE = frozenset({"30005", "30006", "21610", "21614"})
_KINDS: dict[str, ProviderEventKind] = {
    "delivered": "delivered",
    "read": "opened",
    "undelivered": "failed",
    "failed": "failed",
}


class TwilioConfig(ProviderConfig):
    """An account, and who its messages come from."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"api_url", "account_sid"})

    account_sid: Annotated[str, Field(title="Account SID", description="AC…, from the Twilio console.", max_length=64)]
    auth_token: Annotated[SecretStr, Field(title="Auth token", description="Signs call-backs as well.")]
    sender: Annotated[
        str | None, Field(title="From", description="A number of yours, or an alphanumeric sender.", max_length=20)
    ] = None
    messaging_service_sid: Annotated[
        str | None, Field(title="Messaging service SID", description="MG…; instead of From.", max_length=64)
    ] = None
    api_url: Annotated[str, Field(title="API", description="Of another region, for example.", max_length=200)] = (
        "https://api.twilio.com"
    )

    @model_validator(mode="after")
    def _has_sender(self) -> "TwilioConfig":
        if (self.sender is None) == (self.messaging_service_sid is None):
            raise ValueError("give either a sender or a messaging service")
        return self


class Twilio(MessageProvider[TwilioConfig]):
    """Programmable Messaging."""

    id = "messaging.twilio"
    channel = SMS
    title = "Twilio"
    description = "SMS to all countries; status reports."
    config = TwilioConfig

    async def send(self, config: TwilioConfig, message: RenderedMessage) -> DeliveryResult:
        form = {"To": message.address, "Body": whole_text(message)}
        if config.messaging_service_sid is not None:
            form["MessagingServiceSid"] = config.messaging_service_sid
        elif config.sender is not None:
            form["From"] = config.sender
        # Twilio refuses messages with an address that it cannot reach.
        if message.callback_url.startswith("https://"):
            form["StatusCallback"] = message.callback_url
        answer = await call(
            f"{config.api_url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}/Messages.json",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            content=urlencode(form).encode(),
            auth=(config.account_sid, config.auth_token.get_secret_value()),
        )
        body = json_of(answer)
        if answer.status_code in {200, 201} and body.get("sid"):
            return DeliveryResult("accepted", reference=str(body["sid"]))
        raise _failure(answer.status_code, body)

    async def receive(self, config: TwilioConfig, request: CallbackRequest) -> Sequence[ProviderEvent]:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
        expected = signature(config.auth_token.get_secret_value(), request.url, pairs)
        if not hmac.compare_digest(request.headers.get("x-twilio-signature", "").encode(), expected.encode()):
            raise CallbackRefusedError("X-Twilio-Signature is missing or wrong.")
        form = dict(pairs)
        sid, status, code = form["MessageSid"], form["MessageStatus"], form.get("ErrorCode", "")
        kind = _KINDS.get(status)
        if kind is None:
            return []
        if kind == "failed" and code in _GONE:
            kind = "bounced"
        detail = f"{status}, error {code}" if code else status
        return [ProviderEvent(id=f"{sid}:{status}", kind=kind, reference=sid, at=utcnow(), detail=detail)]


def signature(token: str, url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """What Twilio sends as `X-Twilio-Signature`: over the address, and each parameter in the order of the names."""
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _failure(status: int, body: dict[str, Any]) -> Exception:
    code = body.get("code")
    text = f"{code or status}: {body.get('message', '')}"[:300]
    if status in {401, 403} or code in _BAD_CONFIGURATION:
        return ConfigurationFailure(text)
    if code in _BAD_NUMBER:
        return PermanentFailure(text, bad_address=True)
    if status == 400:
        return PermanentFailure(text)
    return TemporaryFailure(text)
