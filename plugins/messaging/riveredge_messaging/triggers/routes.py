"""`/api/v1/messaging/notification-rules`: messages that are sent by themselves."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlmodel import col

from riveredge_messaging.permissions import RULE_READ, RULE_WRITE, check_reach
from riveredge_messaging.sending import planning
from riveredge_messaging.triggers import firing
from riveredge_messaging.triggers.catalogue import events
from riveredge_messaging.triggers.checking import check
from riveredge_messaging.triggers.deciding import decide, notification_of
from riveredge_messaging.triggers.models import FiringState, NotificationRule, RuleFiring
from riveredge_messaging.triggers.repository import NotificationRules, RuleFirings
from riveredge_messaging.triggers.schemas import (
    EventOut,
    FieldOut,
    FiringOut,
    NotificationRuleIn,
    NotificationRuleOut,
    TryIn,
    TryOut,
    TryRuleIn,
)
from riveredge_messaging.triggers.watching import RULE_EVENTS
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router, utcnow
from riveredge_sdk.problems import Problem

router = Router(prefix="/notification-rules", tag="Messaging: notification rules", audit="messaging.notification_rule")
rules = NotificationRules()
firings = RuleFirings()


@router.get(require=RULE_READ, summary="List the notification rules")
async def list_notification_rules(query: Annotated[ListQuery, Query()]) -> Page[NotificationRuleOut]:
    return await rules.page(query, into=NotificationRuleOut)


@router.get("/events", require=RULE_READ, summary="The events that rules may be about")
async def list_rule_events() -> list[EventOut]:
    """Those of all plugins, with what is in them: conditions and variables name the fields as they are named here."""
    return [
        EventOut(
            name=name,
            title=known.type.title,
            description=known.type.description,
            plugin=known.type.plugin,
            fields=[FieldOut(name=field, type=kind) for field, kind in known.fields.items()],
            payload_schema=dict(known.schema),
        )
        for name, known in events().items()
    ]


@router.post("/try", require=RULE_WRITE, status=200, audit=False, summary="What would this rule do?")
async def try_new_notification_rule(body: TryRuleIn) -> TryOut:
    """For a rule that is not kept yet. Nothing is written or sent."""
    await check(body.rule)
    return await _try(_row(body.rule), body.data)


@router.get("/{rule_id}", require=RULE_READ, summary="One notification rule")
async def get_notification_rule(rule_id: UUID) -> NotificationRuleOut:
    return NotificationRuleOut.model_validate(await rules.get(rule_id))


@router.post(require=RULE_WRITE, summary="Make a notification rule")
async def create_notification_rule(body: NotificationRuleIn) -> NotificationRuleOut:
    """It holds for events from now on; other processes learn of it within seconds.

    One for `everyone` needs `messaging.message.broadcast` as well.
    """
    check_reach(everyone=body.recipients.everyone)
    await check(body)
    RULE_EVENTS.forget()
    return NotificationRuleOut.model_validate(await rules.add(_row(body)))


@router.put("/{rule_id}", require=RULE_WRITE, summary="Change a notification rule")
async def change_notification_rule(
    rule_id: UUID, body: NotificationRuleIn, version: ExpectedVersion
) -> NotificationRuleOut:
    """What is planned keeps its time, and goes by the new rule when that has come."""
    row = await rules.get(rule_id, version=version, lock=True)
    check_reach(everyone=body.recipients.everyone)
    await check(body)
    RULE_EVENTS.forget()
    return NotificationRuleOut.model_validate(await rules.change(row, _values(body)))


@router.post("/{rule_id}/enable", require=RULE_WRITE, status=200, summary="Let a rule hold")
async def enable_notification_rule(rule_id: UUID) -> NotificationRuleOut:
    RULE_EVENTS.forget()
    row = await rules.get(rule_id, lock=True)
    return NotificationRuleOut.model_validate(await rules.change(row, {"enabled": True}))


@router.post("/{rule_id}/disable", require=RULE_WRITE, status=200, summary="Let a rule hold no longer")
async def disable_notification_rule(rule_id: UUID) -> NotificationRuleOut:
    """What it has planned is not sent, unless the rule holds again by then."""
    RULE_EVENTS.forget()
    row = await rules.get(rule_id, lock=True)
    return NotificationRuleOut.model_validate(await rules.change(row, {"enabled": False}))


@router.delete("/{rule_id}", require=RULE_WRITE, summary="Delete a notification rule")
async def delete_notification_rule(rule_id: UUID, version: ExpectedVersion) -> None:
    """With what it has planned, and the list of what it did. Messages stay."""
    row = await rules.get(rule_id, version=version, lock=True)
    RULE_EVENTS.forget()
    await firing.forget(row)
    await rules.delete(row)


@router.get("/{rule_id}/firings", require=RULE_READ, summary="What a rule did, and what it has planned")
async def list_rule_firings(rule_id: UUID, query: Annotated[ListQuery, Query()]) -> Page[FiringOut]:
    await rules.get(rule_id)
    return await firings.page(query, col(RuleFiring.rule_id) == rule_id, into=FiringOut)


@router.post("/{rule_id}/try", require=RULE_WRITE, status=200, audit=False, summary="What would it do?")
async def try_notification_rule(rule_id: UUID, body: TryIn) -> TryOut:
    """What the rule would do if this event happened now. Nothing is written or sent."""
    return await _try(await rules.get(rule_id), body.data)


def _values(body: NotificationRuleIn) -> dict[str, Any]:
    kept = body.model_dump(mode="json", exclude={"recipients", "data"})
    kept["recipients"] = body.recipients.model_dump(mode="json", exclude_defaults=True)
    kept["data"] = {name: source.model_dump(mode="json", exclude_unset=True) for name, source in body.data.items()}
    return kept


def _row(body: NotificationRuleIn) -> NotificationRule:
    return NotificationRule(**_values(body))


async def _try(rule: NotificationRule, data: Mapping[str, Any]) -> TryOut:
    now = utcnow()
    decided = decide(rule, data, now, now, firing.kinds_of(rule.event))
    if decided.state is None:
        return TryOut(outcome="no_match", words=decided.words, read=dict(decided.read))
    if decided.state not in {FiringState.SENT, FiringState.PLANNED}:
        outcome = "skip" if decided.state == FiringState.SKIPPED else "fail"
        return TryOut(outcome=outcome, words=decided.words, read=dict(decided.read))
    notification, gone = await notification_of(rule, data, f"try:{now.isoformat()}")
    if notification is None:
        words = f"No active members: {', '.join(gone)}." if gone else "The event names nobody."
        return TryOut(outcome="skip", words=words, read=dict(decided.read))
    try:
        message = await planning.dry_run(notification)
    except Problem as problem:
        fields = "; ".join(f"{each.field}: {each.message}" for each in getattr(problem, "errors", ()))
        return TryOut(outcome="fail", words=f"{problem.detail} {fields}".strip(), read=dict(decided.read))
    return TryOut(
        outcome="plan" if decided.state == FiringState.PLANNED else "send",
        words=decided.words,
        read=dict(decided.read),
        due_at=decided.due_at,
        message=message,
    )
