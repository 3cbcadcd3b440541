"""One decision on one task: the row, and the task's state. Whether it suffices is `settle`'s."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from riveredge_approvals.engine.case import Case
from riveredge_approvals.models import Decision, Task, TaskState
from riveredge_sdk import uuid7


def vote(
    case: Case,
    task: Task,
    outcome: TaskState,
    *,
    via: str,
    comment: str = "",
    signature: dict[str, Any] | None = None,
) -> Decision:
    """Decide on a task. `case.actor` decides; nobody if a policy or a deadline does."""
    by_itself = via in {"auto", "timeout"}
    decision = Decision(
        id=uuid7(),
        instance_id=case.instance.id,
        visit_id=task.visit_id,
        task_id=task.id,
        decided_by=None if by_itself else case.actor,
        outcome=outcome,
        comment=comment,
        form_rev=case.instance.form_rev,
        via=via,
        signature=signature,
        at=case.now,
    )
    case.decisions.append(decision)
    case.added.append(decision)
    case.close_task(task, outcome, via if by_itself else None)
    signed = under_the_chain(signature) if signature is not None else None
    case.note("task.decided", task=task, outcome=outcome, via=via, comment=comment or None, signature=signed)
    return decision


def under_the_chain(signature: Mapping[str, Any]) -> dict[str, str]:
    """What a history's line says of a signature: enough to tell whether it, or what it is under, was changed."""
    text = json.dumps(signature, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"kind": signature["kind"], "content_hash": signature["content_hash"], "digest": f"sha256:{digest}"}
