"""What a rule says about an event: nothing, a message now, or one later."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from riveredge_messaging.triggers.catalogue import value_of
from riveredge_messaging.triggers.models import FiringState, NotificationRule
from riveredge_messaging.triggers.schemas import Recipients, Source, Timing
from riveredge_sdk import current_context, get_service
from riveredge_sdk.conditions import ConditionError, Group, compile_group, evaluate, look_in
from riveredge_sdk.features.messaging import Notification
from riveredge_sdk.features.people import PEOPLE

MAX_AHEAD = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Decided:
    """`state` None: the condition does not hold, which leaves no trace. `words` say why, or what was left out."""

    state: FiringState | None
    words: str
    read: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None


def decide(
    rule: NotificationRule, data: Mapping[str, Any], at: datetime, now: datetime, kinds: Mapping[str, str]
) -> Decided:
    """What the rule says.

    Args:
        at: when the event happened.
        kinds: the types of the event's fields, by full name.
    """
    read: Mapping[str, Any] = {}
    if rule.condition is not None:
        condition = compile_group(Group.model_validate(rule.condition), kinds.get)
        try:
            verdict = evaluate(condition, look_in({"event": data}), kinds.get)
        except ConditionError as error:
            return Decided(FiringState.FAILED, f"The condition cannot be decided: {error}")
        read = verdict.read
        if not verdict.holds:
            return Decided(None, "The condition does not hold.", read)
    if rule.timing is None:
        return Decided(FiringState.SENT, "It is sent at once.", read)
    return replace(_when(Timing.model_validate(rule.timing), data, at, now), read=read)


def _when(timing: Timing, data: Mapping[str, Any], at: datetime, now: datetime) -> Decided:
    anchor = at if timing.field is None else _moment(value_of(timing.field, data), timing.at)
    if anchor is None:
        return Decided(FiringState.SKIPPED, f"{timing.field} holds no date.")
    offset = timedelta(days=timing.days, hours=timing.hours)
    try:
        due_at = anchor - offset if timing.direction == "before" else anchor + offset
        is_far = due_at - now > MAX_AHEAD
    except OverflowError:
        is_far, due_at = True, anchor
    if is_far:
        return Decided(FiringState.SKIPPED, f"Its time, about {due_at.date()}, is too far away.")
    if due_at > now:
        return Decided(FiringState.PLANNED, f"It is sent at {due_at.isoformat()}.", due_at=due_at)
    if timing.direction == "before" and anchor > now:
        return Decided(FiringState.SENT, "Less time is left than it was to be sent ahead: it is sent at once.")
    if timing.field is None:
        return Decided(FiringState.SENT, "It is sent at once.")
    return Decided(FiringState.SKIPPED, f"Its time, {due_at.isoformat()}, is over.")


def _moment(value: Any, day_time: str) -> datetime | None:
    """A date as the organisation's clock has it, or an instant; None if it is neither."""
    if not isinstance(value, str):
        return None
    zone = ZoneInfo(current_context().timezone)
    try:
        if len(value) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(value), time.fromisoformat(day_time), zone)
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def subject_of(rule: NotificationRule, data: Mapping[str, Any]) -> str:
    """What an event is about, by which later ones find what is planned; empty if the rule does not say, or it does."""
    name = (rule.timing or {}).get("subject")
    value = value_of(name, data) if name is not None else None
    return str(value)[:200] if isinstance(value, str | int) else ""


async def notification_of(
    rule: NotificationRule, data: Mapping[str, Any], key: str
) -> tuple[Notification | None, list[str]]:
    """The message; None if there is nobody. And who of those that the rule names is not there any more."""
    given = Recipients.model_validate(rule.recipients)
    named = [*given.to, *(user for name in given.fields for user in _people(value_of(name, data)))]
    found = await get_service(PEOPLE).find(list(dict.fromkeys(named))) if named else {}
    to = [user for user in dict.fromkeys(named) if user in found and found[user].active]
    gone = [str(user) for user in dict.fromkeys(named) if user not in to]
    if not (to or given.roles or given.groups or given.topics or given.everyone):
        return None, gone
    sources = {name: Source.model_validate(source) for name, source in rule.data.items()}
    values = {
        name: source.value if source.field is None else value_of(source.field, data) for name, source in sources.items()
    }
    made = Notification(
        template=rule.template,
        to=to,
        roles=given.roles,
        groups=given.groups,
        topics=given.topics,
        everyone=given.everyone,
        data=values,
        channels=rule.channels,
        category=rule.category,
        idempotency_key=key,
        correlation=f"messaging.notification_rule:{rule.id}",
    )
    return made, gone


def _people(value: Any) -> list[UUID]:
    """The ids of people in a field: one, or a list of them. What is no id is nobody's."""
    found = []
    for each in value if isinstance(value, list) else [value]:
        try:
            found.append(UUID(str(each)))
        except ValueError:
            continue
    return found
