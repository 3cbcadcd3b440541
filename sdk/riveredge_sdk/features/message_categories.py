"""Categories of messages: what people choose by, and the rules that hold for all messages of one kind.

    REMINDERS = MessageCategory(
        id="approvals.reminder",
        title="Reminders of approvals",
        digest=DigestRule(window_s=900),
        escalation=(EscalationStep(channel="messaging.email", after_s=3600),),
    )

Plugins contribute them by the hook `message_categories`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# transactional: about something that the person did or has to do, so it cannot be switched off. critical: neither that,
# nor can it wait (a code, an alarm): quiet hours, digests and throttles do not hold it.
CategoryKind = Literal["ordinary", "transactional", "critical"]
# What becomes of a message of which nobody knows whether it was sent: once more (somebody may get it twice), or not
# without a person's word (money, one-time codes).
Duplicates = Literal["retry", "hold"]

_WALL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _wall_time(text: str) -> str:
    if not _WALL_TIME.fullmatch(text):
        raise ValueError("expected a time of the day with hours and minutes, such as 07:30")
    return text


WallTime = Annotated[str, AfterValidator(_wall_time), Field(json_schema_extra={"pattern": f"^{_WALL_TIME.pattern}$"})]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DigestRule(_Rule):
    """Many messages to a person become one."""

    window_s: Annotated[int, Field(ge=1, le=604_800, description="How long to gather, from the first message.")] = 300
    at: Annotated[
        tuple[WallTime, ...], Field(max_length=24, description="Instead: send at these times of the reader's day.")
    ] = ()
    extend: Annotated[bool, Field(description="Each further message begins the window anew.")] = False
    max_wait_s: Annotated[int, Field(ge=1, le=2_592_000, description="But no longer than this.")] = 86_400
    max_items: Annotated[int, Field(ge=2, le=500, description="Send at once when there are so many.")] = 500
    leading: Annotated[bool, Field(description="The first one goes at once; those after it are gathered.")] = False
    template: Annotated[str, Field(max_length=100, description="Gets `count` and `items`.")] = "messaging.digest"


class ThrottleRule(_Rule):
    """At most so many messages to a person on a channel; further ones wait for their turn."""

    messages: Annotated[int, Field(ge=1, le=10_000)]
    per_s: Annotated[int, Field(ge=1, le=2_592_000)]


class EscalationStep(_Rule):
    """A channel that is used only if the person has not read the message in the inbox by then."""

    channel: Annotated[str, Field(max_length=100)]
    after_s: Annotated[int, Field(ge=1, le=2_592_000, description="Seconds after the message.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCategory:
    """A kind of messages.

    Args:
        id: `<plugin>.<name>`.
        kind: how far people may choose, and whether it may wait.
        mandatory: people cannot switch it off.
        channels: those that messages use which name none; empty: every channel the template has a text for.
        digest, throttle, escalation: the rules; none: it is not gathered, bounded or escalated.
    """

    id: str
    title: str
    description: str = ""
    kind: CategoryKind = "ordinary"
    mandatory: bool = False
    channels: Sequence[str] = ()
    duplicates: Duplicates = "retry"
    digest: DigestRule | None = None
    throttle: ThrottleRule | None = None
    escalation: Sequence[EscalationStep] = ()


__all__ = [
    "CategoryKind",
    "DigestRule",
    "Duplicates",
    "EscalationStep",
    "MessageCategory",
    "ThrottleRule",
    "WallTime",
]
