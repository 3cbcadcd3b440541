"""SMS through Alibaba Cloud (Aliyun) Dysmsapi: SendSms, signed by ACS3-HMAC-SHA256, and its status reports."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr

from riveredge_messaging.channels.sms import SMS
from riveredge_messaging.providers.calls import call, json_of
from riveredge_sdk.features.messaging import (
    CallbackRefusedError,
    CallbackRequest,
    ConfigurationFailure,
    DeliveryResult,
    MessageProvider,
    PermanentFailure,
    ProviderConfig,
    ProviderEvent,
    RenderedMessage,
    TemporaryFailure,
)

VERSION = "2017-05-25"
_SHANGHAI = ZoneInfo("Asia/Shanghai")
_BAD_NUMBER = frozenset({"isv.MOBILE_NUMBER_ILLEGAL"})
# The message, or what the recipient is allowed: another try cannot help.
_REFUSED = frozenset(
    {
        "isv.BLACK_KEY_CONTROL_LIMIT",
        "isv.INVALID_JSON_PARAM",
        "isv.INVALID_PARAMETERS",
        "isv.PARAM_LENGTH_LIMIT",
        "isv.PARAM_NOT_SUPPORT_URL",
        "isv.SMS_TEMPLATE_ILLEGAL",
        "isv.TEMPLATE_MISSING_PARAMETERS",
        "isv.TEMPLATE_PARAMS_ILLEGAL",
    }
)
_TEMPORARY = ("isp.", "isv.DENY_IP_RANGE", "ServiceUnavailable", "InternalError")


class AliyunSmsConfig(ProviderConfig):
    """An access key, and the signature under which messages go out."""

    secrets_sent_to: ClassVar[frozenset[str]] = frozenset({"api_url", "access_key_id"})

    access_key_id: Annotated[str, Field(title="AccessKey ID", max_length=128)]
    access_key_secret: Annotated[SecretStr, Field(title="AccessKey secret")]
    sign_name: Annotated[str, Field(title="Signature", description="As it was approved.", min_length=1, max_length=50)]
    code_template: Annotated[
        str | None,
        Field(title="Template for codes", description="SMS_…, with the parameter code: proves numbers.", max_length=50),
    ] = None
    report_token: Annotated[
        SecretStr | None,
        Field(
            title="Token of reports",
            description="Status reports carry no signature. Give Aliyun the call-back address with ?token=… behind it.",
            min_length=16,
        ),
    ] = None
    api_url: Annotated[str, Field(title="API", description="Of another region, for example.", max_length=200)] = (
        "https://dysmsapi.aliyuncs.com"
    )


class AliyunSms(MessageProvider[AliyunSmsConfig]):
    """Needs a template code for each message: providers in China send approved templates only."""

    id = "messaging.aliyun_sms"
    channel = SMS
    title = "Alibaba Cloud SMS"
    description = "SMS by approved templates; status reports."
    config = AliyunSmsConfig

    async def send(self, config: AliyunSmsConfig, message: RenderedMessage) -> DeliveryResult:
        code, values = _template(config, message)
        parameters = {
            "PhoneNumbers": message.address.removeprefix("+"),
            "SignName": config.sign_name,
            "TemplateCode": code,
            "TemplateParam": json.dumps(values, ensure_ascii=False),
            "OutId": str(message.delivery_id),
        }
        url, headers = signed(config, "SendSms", parameters, at=datetime.now(UTC), nonce=secrets.token_hex(16))
        answer = await call(url, headers=headers, content=b"")
        body = json_of(answer)
        if body.get("Code") == "OK":
            return DeliveryResult("accepted", reference=str(body.get("BizId", "")))
        raise _failure(answer.status_code, str(body.get("Code", "")), str(body.get("Message", "")))

    async def receive(self, config: AliyunSmsConfig, request: CallbackRequest) -> Sequence[ProviderEvent]:
        expected = config.report_token.get_secret_value() if config.report_token is not None else None
        if expected is None or not hmac.compare_digest(request.query.get("token", "").encode(), expected.encode()):
            raise CallbackRefusedError("The address needs the right token.")
        reports = json.loads(request.body)
        if not isinstance(reports, list):
            raise ValueError("expected a list of reports")
        return [_event(report) for report in reports]


def signed(
    config: AliyunSmsConfig, action: str, parameters: Mapping[str, str], *, at: datetime, nonce: str
) -> tuple[str, dict[str, str]]:
    """Address and headers of a call without a body, by signature method V3."""
    query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(parameters.items()))
    digest = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": urlsplit(config.api_url).netloc,
        "x-acs-action": action,
        "x-acs-content-sha256": digest,
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": VERSION,
    }
    names = ";".join(headers)
    canonical = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n{query}\n{canonical}\n{names}\n{digest}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = config.access_key_secret.get_secret_value().encode()
    made = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = f"ACS3-HMAC-SHA256 Credential={config.access_key_id},SignedHeaders={names},Signature={made}"
    return f"{config.api_url.rstrip('/')}/?{query}", {**headers, "Authorization": authorization}


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _template(config: AliyunSmsConfig, message: RenderedMessage) -> tuple[str, Mapping[str, Any]]:
    code = message.options.get("provider_template_code")
    if code:
        return str(code), message.options.get("parameters", {})
    if config.code_template is not None and set(message.data) == {"code"}:
        return config.code_template, message.data
    raise PermanentFailure("The message's template names no provider_template_code, which this provider needs.")


def _failure(status: int, code: str, words: str) -> Exception:
    text = f"{code or status}: {words}"[:300]
    if code.startswith("Throttling"):
        return TemporaryFailure(text, retry_after=1.0)
    if code == "isv.BUSINESS_LIMIT_CONTROL":
        # So many messages to one number in a minute, an hour and a day.
        return TemporaryFailure(text, of_recipient=True)
    if code in _BAD_NUMBER:
        return PermanentFailure(text, bad_address=True)
    if code in _REFUSED:
        return PermanentFailure(text)
    is_temporary = code.startswith(_TEMPORARY) if code else status not in {401, 403}
    return TemporaryFailure(text) if is_temporary else ConfigurationFailure(text)


def _event(report: Mapping[str, Any]) -> ProviderEvent:
    code = str(report.get("err_code", ""))
    reference = str(report.get("out_id") or report["biz_id"])
    return ProviderEvent(
        id=f"{report['biz_id']}:{report['phone_number']}:{code}",
        kind="delivered" if report["success"] is True else "failed",
        reference=reference,
        at=datetime.strptime(report["report_time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=_SHANGHAI).astimezone(UTC),
        detail=f"{code} {report.get('err_msg', '')}".strip(),
    )
