"""The durable function that sends the codes by which people prove their addresses."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.configs.catalog import configs_of
from riveredge_messaging.events import ADDRESS_CLAIMED, AddressClaimed
from riveredge_messaging.reach.models import Address
from riveredge_messaging.reach.proving import CODE_GOOD_FOR, digest_of, new_code
from riveredge_messaging.reach.repository import Addresses
from riveredge_sdk import FunctionContext, FunctionSpec, Subject, get_service, unit_of_work, utcnow
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    PermanentFailure,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.functions import Failure
from riveredge_sdk.models import uuid7

TEXTS = {
    "en": "{code} proves that this number is yours. It is good for {minutes} minutes. Tell it to nobody.",
    "zh": "验证码 {code},{minutes} 分钟内有效,用于确认此号码属于您。请勿告诉他人。",
}


@dataclass(frozen=True, slots=True)
class _Sent:
    """What has been made known before it is sent. The code itself is kept nowhere."""

    message: RenderedMessage
    channel: str


async def send_code(ctx: FunctionContext, event: AddressClaimed) -> str:
    """Send a code to an address that somebody says is theirs."""

    async def send() -> str:
        made = await _make(event)
        if made is None:
            return "replaced"
        error = await _hand_over(made)
        await _note(event, error)
        return error or "sent"

    return await ctx.step.run("send", send)


@unit_of_work()
async def _make(event: AddressClaimed) -> _Sent | None:
    row = await Addresses().find(col(Address.id) == event.address_id, col(Address.pending) == event.pending)
    if row is None:
        return None
    code = new_code()
    good = {"code_digest": digest_of(row, code), "code_until": utcnow() + CODE_GOOD_FOR}
    await Addresses().change(row, good)
    person = (await get_service(PEOPLE).find([row.user_id])).get(row.user_id)
    locale = person.locale if person is not None else "en"
    text = TEXTS.get(locale.partition("-")[0], TEXTS["en"])
    return _Sent(
        RenderedMessage(
            delivery_id=uuid7(),
            recipient_id=row.user_id,
            address=event.pending,
            subject="",
            text=text.format(code=code, minutes=int(CODE_GOOD_FOR.total_seconds() / 60)),
            locale=locale,
            data={"code": code},
        ),
        row.channel,
    )


async def _hand_over(made: _Sent) -> str | None:
    """Through the first configuration that takes it; else why not.

    Raises:
        TemporaryFailure: none took it, and later one may.
    """
    async with unit_of_work(read_only=True):
        usable, _ = await configs_of(made.channel)
    error: str | None = "The organisation has no provider for this channel."
    later: TemporaryFailure | None = None
    for config in usable:
        try:
            await config.provider.send(config.settings, made.message)
        except (PermanentFailure, UnknownOutcome) as failure:
            return str(failure)
        except ConfigurationFailure as failure:
            error = str(failure)
        except TemporaryFailure as failure:
            later = failure
        else:
            return None
    if later is not None:
        raise later
    return error


@unit_of_work()
async def _note(event: AddressClaimed, error: str | None) -> None:
    row = await Addresses().find(col(Address.id) == event.address_id, col(Address.pending) == event.pending)
    if row is not None and row.error != error:
        await Addresses().change(row, {"error": error and error[:500]})


async def give_up(_ctx: FunctionContext, failure: Failure) -> None:
    """The last attempt has failed."""
    event = AddressClaimed(address_id=UUID(str(failure.data["address_id"])), pending=str(failure.data["pending"]))
    await _note(event, failure.message)


SEND_CODE = FunctionSpec(
    id="messaging.send_code",
    title="Send a code that proves an address",
    trigger=ADDRESS_CLAIMED,
    handler=send_code,
    on_failure=give_up,
    subject=lambda event: Subject("messaging.address", event.address_id),
    # Who waits for a code does not wait long.
    retries=3,
)
