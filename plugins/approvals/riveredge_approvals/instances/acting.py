"""What is done with requests as a whole: withdraw, submit again, revoke; terminate, suspend, move and mend."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.effects import subjects
from riveredge_approvals.engine import returning
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.compensating import undo_all
from riveredge_approvals.engine.ending import end
from riveredge_approvals.engine.inputs import put
from riveredge_approvals.engine.orders import Closed
from riveredge_approvals.engine.store import load, save
from riveredge_approvals.engine.undoing import RECALLED
from riveredge_approvals.files.using import use_in_form
from riveredge_approvals.instances.access import must_see
from riveredge_approvals.instances.forms import checked_form
from riveredge_approvals.models import ENDED, Decision, InstanceStatus, ProcessVersion, Task, VisitStatus
from riveredge_approvals.people.choosing import check_choices
from riveredge_approvals.problems import NotAllowedHere, WithdrawTooLate
from riveredge_approvals.speech import told
from riveredge_sdk import current_principal, session
from riveredge_sdk.problems import Forbidden, invalid_field

_UNDER_WAY = (InstanceStatus.RUNNING, InstanceStatus.SUSPENDED, InstanceStatus.DRAFT)


async def withdraw(instance_id: UUID, reason: str) -> Case:
    """Its submitter takes it back.

    Raises:
        NotFound: it is not there for the current user.
        Forbidden: it is somebody else's.
        WithdrawTooLate: the process does not allow it any more.
    """
    return await take_back(await _own(instance_id), reason)


async def take_back(case: Case, reason: str) -> Case:
    """The same for whoever knows that it may be.

    Raises:
        WithdrawTooLate: the process does not allow it any more.
    """
    _must_be(case, *_UNDER_WAY, error=WithdrawTooLate)
    rule = case.flow.settings.withdraw
    if rule == "never":
        raise WithdrawTooLate(told("Requests of this process cannot be withdrawn.", "该流程的申请不能撤回。"))
    if rule == "until_first_decision" and await _is_decided_on(case):
        raise WithdrawTooLate(told("Somebody has decided on it already.", "已有人处理，不能撤回。"))
    end(case, InstanceStatus.WITHDRAWN, reason)
    return await _write(case)


async def resubmit(
    instance_id: UUID, form: Mapping[str, Any] | None, choices: Mapping[str, Sequence[UUID]] = {}
) -> Case:
    """Its submitter sends it on its way again, perhaps changed, and perhaps to others than she chose before.

    Raises:
        NotFound, Forbidden: as in `withdraw`.
        NotAllowedHere: it did not come back to her.
        Invalid: the form does not fit, or somebody cannot be chosen, or has to be chosen anew.
    """
    case = await _own(instance_id)
    _must_be(case, InstanceStatus.DRAFT)
    chosen = await check_choices(case.flow, choices, before=case.instance.choices)
    rechosen = {node for node, users in chosen.items() if users != case.instance.choices.get(node)}
    case.instance.choices = chosen
    version = await _version(case)
    values = checked_form(version.form_schema, case.flow, form or {}, before=case.instance.form)
    before = case.instance.form
    case.instance.form, case.instance.form_rev = values, case.instance.form_rev + 1
    await use_in_form(case.instance, version.form_schema, before, by=case.actor)
    case.instance.status = InstanceStatus.RUNNING
    changed = {node: chosen[node] for node in sorted(rechosen)}
    case.note("instance.resubmitted", form_rev=case.instance.form_rev, choices=changed or None)
    # Whoever was chosen instead of somebody who has decided already is to be asked: then it does not go straight back.
    anew = any(v.node in rechosen and v.node != case.instance.resubmit_to for v in case.visits)
    put(case.instance, "instance.submitted", {"again": True, "anew": anew, "by": str(case.actor)})
    return await _write(case)


async def revoke(instance_id: UUID, reason: str) -> Case:
    """Take an approval back, within the minutes that the process allows.

    Raises:
        NotFound, Forbidden: as in `withdraw`.
        WithdrawTooLate: the time is over, or it is not approved.
        Conflict: what was approved has been used already.
    """
    case = await _own(instance_id)
    _must_be(case, InstanceStatus.APPROVED, error=WithdrawTooLate)
    minutes, finished = case.flow.settings.revoke_minutes, case.instance.finished_at
    if finished is None or case.now > finished + timedelta(minutes=minutes):
        raise WithdrawTooLate(
            told(f"An approval can be revoked for {minutes} minutes.", f"审批通过后 {minutes} 分钟内可以撤销。")
        )
    await subjects.revoked(case.request())
    before = case.instance.status
    case.instance.status, case.instance.outcome_note = InstanceStatus.REVOKED, reason
    undo_all(case, "revoked")
    case.orders.append(Closed(before))
    case.note("instance.revoked", note=reason or None)
    return await _write(case)


async def terminate(instance_id: UUID, reason: str) -> Case:
    """An administrator ends it.

    Raises:
        NotAllowedHere: it has ended.
    """
    case = await _any(instance_id)
    _must_be(case, *_UNDER_WAY)
    end(case, InstanceStatus.TERMINATED, reason)
    return await _write(case)


async def suspend(instance_id: UUID, reason: str) -> Case:
    """Nothing moves and nobody decides until it is resumed; what happens meanwhile is kept.

    Raises:
        NotAllowedHere: it is not running.
    """
    case = await _any(instance_id)
    _must_be(case, InstanceStatus.RUNNING)
    case.instance.status = InstanceStatus.SUSPENDED
    case.note("instance.suspended", note=reason or None)
    return await _write(case)


async def resume(instance_id: UUID, reason: str) -> Case:
    """Go on, and take in what has happened meanwhile.

    Raises:
        NotAllowedHere: it is not suspended.
    """
    case = await _any(instance_id)
    _must_be(case, InstanceStatus.SUSPENDED)
    case.instance.status = InstanceStatus.RUNNING
    case.note("instance.resumed", note=reason or None)
    put(case.instance, "nudge", {})
    return await _write(case)


async def jump(instance_id: UUID, target: str, reason: str) -> Case:
    """Move it to a node. Inside a parallel region only nodes of a branch that is open can be reached.

    Raises:
        NotAllowedHere: it is not running.
        Invalid: there is no such node, or it cannot be reached from where the tokens stand.
    """
    case = await _any(instance_id)
    _must_be(case, InstanceStatus.RUNNING)
    if target not in case.flow.nodes or target == case.flow.entry:
        raise invalid_field(
            "to", told(f"There is no node {target!r} to move to.", f"没有可以跳转的节点 {target}。"), "unknown"
        )
    if returning.jump_scope(case, target) is None:
        raise invalid_field(
            "to",
            told(f"{target!r} lies in a branch that is not open.", f"节点 {target} 所在的分支没有打开。"),
            "closed-branch",
        )
    case.note("instance.jump_asked", to=target, note=reason or None)
    put(case.instance, "instance.jumped", {"to": target, "by": str(case.actor)})
    return await _write(case)


async def mend(instance_id: UUID, node: str | None, *, skip: bool, reason: str) -> Case:
    """Have incidents tried again, or passed over.

    Raises:
        NotAllowedHere: there is none, or nothing to pass to.
    """
    case = await _any(instance_id)
    _must_be(case, InstanceStatus.RUNNING)
    broken = [v for v in case.open_visits if v.status == VisitStatus.INCIDENT and node in {None, v.node}]
    if not broken:
        raise NotAllowedHere(told("Nothing of it is an incident.", "申请没有异常。"))
    for visit in broken:
        if skip and "passed" not in case.node(visit.node).next:
            raise NotAllowedHere(
                told(
                    f"{visit.node!r} decides which way to go; it cannot be passed over.",
                    f"节点 {visit.node} 决定流向，不能跳过。",
                )
            )
        put(case.instance, "incident.mended", {"visit": str(visit.id), "skip": skip, "by": str(case.actor)})
    case.note("instance.mended", note=reason or None, skip=skip or None)
    return await _write(case)


async def _own(instance_id: UUID) -> Case:
    await must_see(instance_id)
    case = await _any(instance_id)
    if case.instance.submitter_id != case.actor:
        raise Forbidden(told("Only its submitter can do this.", "只有提交人可以操作。"))
    return case


async def _any(instance_id: UUID) -> Case:
    case = await load(instance_id)
    case.actor = current_principal().id
    return case


async def _is_decided_on(case: Case) -> bool:
    query = (
        select(Decision.id)
        .join(Task, col(Task.id) == col(Decision.task_id))
        .where(
            col(Decision.instance_id) == case.instance.id,
            col(Decision.decided_by).is_not(None),
            col(Task.reason).is_distinct_from(RECALLED),
        )
    )
    return (await session().exec(query.limit(1))).first() is not None


async def _version(case: Case) -> ProcessVersion:
    return (
        await session().exec(select(ProcessVersion).where(col(ProcessVersion.id) == case.instance.version_id))
    ).one()


def _must_be(case: Case, *statuses: InstanceStatus, error: Callable[[str], Exception] = NotAllowedHere) -> None:
    if case.instance.status not in statuses:
        over = " and cannot be changed any more" if case.instance.status in ENDED else ""
        raise error(f"The request is {case.instance.status}{over}.")


async def _write(case: Case) -> Case:
    case.instance.rev += 1
    await save(case)
    return case
