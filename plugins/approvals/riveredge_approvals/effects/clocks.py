"""Timers of visits: reminders, deadlines and delays. They end with their visit, so that none comes for what is over."""

from datetime import datetime

from riveredge_approvals.effects.working_time import due_at
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.delays import instant_of
from riveredge_approvals.events import VISIT_DUE, VisitDue
from riveredge_approvals.ir.document import Deadline, DelayNode, EffectNode, HumanNode, SubflowNode
from riveredge_approvals.models import Visit
from riveredge_sdk import current_context, timers


def owner_of(visit: Visit) -> timers.Owner:
    """Whose timers a visit's are."""
    return timers.Owner("approvals.visit", visit.id)


async def start(case: Case, visit: Visit) -> None:
    """Somebody is asked on the visit: its reminder and its deadline begin to run, once for each visit."""
    node = case.node(visit.node)
    if not isinstance(node, HumanNode) or not node.deadlines or visit.data.get("timed"):
        return
    case.keep(visit, timed=True)
    for rule in node.deadlines:
        at = await _after(case, rule)
        if rule.name == "deadline":
            visit.due_at = at
        await _set(case, visit, rule.name, at)


async def remind_again(case: Case, visit: Visit, count: int) -> None:
    """The reminder has come `count` times; if it is to come again, that time begins to run."""
    rules = case.human(visit).deadlines
    rule = next((each for each in rules if each.name == "remind"), None)
    if rule is not None and count < rule.repeat:
        await _set(case, visit, "remind", await _after(case, rule), count + 1)


async def delay(case: Case, visit: Visit) -> None:
    """The visit waits for its time, which is remembered."""
    node = case.node(visit.node)
    if not isinstance(node, DelayNode):
        raise TypeError(f"{visit.node!r} is no delay")
    if node.until is not None:
        at = instant_of(node.until, case.values(), current_context().timezone)
    else:
        at = await due_at(case.now, node.for_s or 0, node.clock, case.flow.settings.calendar)
    visit.due_at = at
    await _set(case, visit, "delay", at)


async def stop(case: Case, visit: Visit) -> None:
    """The visit is over; its timers are void."""
    node = case.node(visit.node)
    if isinstance(node, HumanNode) and not node.deadlines:
        return
    if isinstance(node, HumanNode | DelayNode | EffectNode | SubflowNode):
        await timers.cancel(owner_of(visit))


async def _after(case: Case, rule: Deadline) -> datetime:
    return await due_at(case.now, rule.after_s, rule.clock, case.flow.settings.calendar)


async def _set(case: Case, visit: Visit, name: str, at: datetime, count: int = 1) -> None:
    due = VisitDue(instance_id=case.instance.id, visit_id=visit.id, name=name, count=count)
    await timers.set(owner_of(visit), name, at, VISIT_DUE, due)
