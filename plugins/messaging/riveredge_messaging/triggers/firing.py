"""What rules do when events happen, in the running unit of work: send, plan, move and cancel, once for each event."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_messaging.events import RULE_DUE, RuleDue
from riveredge_messaging.models import Verdict
from riveredge_messaging.service import Messaging
from riveredge_messaging.timeline.decisions import note
from riveredge_messaging.triggers.catalogue import events
from riveredge_messaging.triggers.deciding import Decided, decide, notification_of, subject_of
from riveredge_messaging.triggers.models import FiringState, NotificationRule, RuleFiring
from riveredge_messaging.triggers.repository import NotificationRules, RuleFirings
from riveredge_sdk import savepoint, session, timers, utcnow
from riveredge_sdk.problems import Problem
from riveredge_sdk.watching import WatchedEvent

_OWNER = "messaging.notification_rule"


async def rules_about(name: str) -> list[UUID]:
    """The enabled rules that an event concerns, because they are about it, or are cancelled by it."""
    query = select(NotificationRule.id, NotificationRule.event, NotificationRule.timing)
    rows = (await session().exec(query.where(col(NotificationRule.enabled)).order_by(col(NotificationRule.id)))).all()
    return [id_ for id_, event, timing in rows if name == event or name in (timing or {}).get("cancel_on", ())]


async def apply(rule_id: UUID, event: WatchedEvent) -> str:
    """Do what a rule says about an event; what it did, in a word."""
    # Locked, so that two events of one subject do not both plan.
    rule = await NotificationRules().find(col(NotificationRule.id) == rule_id)
    if rule is None:
        return "gone"
    if rule.timing is not None:
        rule = await NotificationRules().get(rule_id, lock=True)
    subject = subject_of(rule, event.data)
    if event.name != rule.event:
        return await _cancel(rule, subject, event.event_id, f"{event.name} has happened.")
    if await RuleFirings().count(col(RuleFiring.rule_id) == rule.id, col(RuleFiring.event_id) == event.event_id):
        return "known"
    decided = decide(rule, event.data, event.at, utcnow(), kinds_of(rule.event))
    if subject:
        if await _has_later(rule, subject, event.event_id):
            return "overtaken"
        await _cancel(rule, subject, event.event_id, "A later event has taken its place.")
    if decided.state is None:
        return "no match"
    firing = RuleFiring(rule_id=rule.id, event_id=event.event_id, subject=subject, state=decided.state)
    firing.detail, firing.due_at = decided.words, decided.due_at
    await RuleFirings().add(firing)
    if decided.state == FiringState.PLANNED and decided.due_at is not None:
        firing.data = {"event": event.data, "at": event.at.isoformat()}
        await timers.set(_owner(firing), "due", decided.due_at, RULE_DUE, RuleDue(firing_id=firing.id))
    elif decided.state == FiringState.SENT:
        await _send(rule, firing, event.data)
    else:
        _end(firing, FiringState(decided.state), decided.words)
    await session().flush()
    return firing.state


async def fire(firing_id: UUID) -> str:
    """The time of what was planned has come. What was moved or cancelled meanwhile is nothing any more."""
    found = await RuleFirings().find(col(RuleFiring.id) == firing_id)
    if found is None:
        return "gone"
    firing = await RuleFirings().get(firing_id, lock=True)
    rule = await NotificationRules().get(firing.rule_id)
    if firing.state != FiringState.PLANNED:
        return firing.state
    data: dict[str, Any] = firing.data["event"]
    # By the rule as it is now; its time has come, so that is not asked again.
    untimed = rule.model_copy(update={"timing": None})
    decided = decide(untimed, data, datetime.fromisoformat(firing.data["at"]), utcnow(), kinds_of(rule.event))
    if not rule.enabled:
        _end(firing, FiringState.CANCELLED, "The rule is switched off.")
    elif decided.state == FiringState.SENT:
        await _send(rule, firing, data)
    else:
        _end(firing, decided.state or FiringState.CANCELLED, decided.words)
    await session().flush()
    return firing.state


async def forget(rule: NotificationRule) -> None:
    """Nothing of what it has planned happens. For a rule that is deleted."""
    planned = await RuleFirings().all(col(RuleFiring.rule_id) == rule.id, col(RuleFiring.state) == FiringState.PLANNED)
    for firing in planned:
        await timers.cancel(_owner(firing))


def kinds_of(name: str) -> Mapping[str, str]:
    """The types of an event's fields; none are known of one that is not there any more."""
    event = events().get(name)
    return event.fields if event is not None else {}


async def _send(rule: NotificationRule, firing: RuleFiring, data: Mapping[str, Any]) -> None:
    key = "rule:" + hashlib.sha256(f"{rule.id}\n{firing.event_id}".encode()).hexdigest()
    notification, gone = await notification_of(rule, data, key)
    left_out = f"No active members any more: {', '.join(gone)}." if gone else ""
    if notification is None:
        _end(firing, FiringState.SKIPPED, left_out or "The event names nobody.")
        return
    try:
        async with savepoint():
            message = await Messaging().send(notification)
            by = {"title": rule.title, "event": rule.event}
            note(message.id, rule="notification_rule", verdict=Verdict.INFO, reason="by_rule", detail=by)
    except Problem as problem:
        fields = "; ".join(f"{each.field}: {each.message}" for each in getattr(problem, "errors", ()))
        _end(firing, FiringState.FAILED, f"{problem.detail} {fields}")
        return
    firing.message_id = message.id
    _end(firing, FiringState.SENT, left_out)


async def _has_later(rule: NotificationRule, subject: str, event_id: UUID) -> bool:
    """Whether a later event of the subject was there first. Ids of events are in the order in which they happened."""
    rows = await RuleFirings().all(*_planned(rule, subject))
    return any(row.event_id > event_id for row in rows)


async def _cancel(rule: NotificationRule, subject: str, event_id: UUID, why: str) -> str:
    cancelled = 0
    for firing in await RuleFirings().all(*_planned(rule, subject)) if subject else ():
        if firing.event_id < event_id:
            await timers.cancel(_owner(firing))
            _end(firing, FiringState.CANCELLED, why)
            cancelled += 1
    return f"cancelled {cancelled}"


def _planned(rule: NotificationRule, subject: str) -> tuple[Any, ...]:
    own = col(RuleFiring.rule_id) == rule.id
    return own, col(RuleFiring.subject) == subject, col(RuleFiring.state) == FiringState.PLANNED


def _end(firing: RuleFiring, state: FiringState, detail: str) -> None:
    firing.state, firing.detail, firing.ended_at, firing.data = state, detail.strip()[:2000], utcnow(), {}


def _owner(firing: RuleFiring) -> timers.Owner:
    return timers.Owner(_OWNER, firing.id)


__all__ = ["Decided", "apply", "fire", "forget", "kinds_of", "rules_about"]
