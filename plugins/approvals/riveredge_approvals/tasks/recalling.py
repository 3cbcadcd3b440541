"""Take one's decision back, until somebody acts on it."""

from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.store import save
from riveredge_approvals.engine.undoing import since, undo
from riveredge_approvals.ir.document import HumanNode
from riveredge_approvals.models import Task, TaskState
from riveredge_approvals.problems import NotAllowedHere, RecallTooLate
from riveredge_approvals.speech import told
from riveredge_approvals.tasks.deciding import must_be_mine, open_case

_RECALLABLE = frozenset({TaskState.APPROVED, TaskState.REJECTED, TaskState.ABSTAINED, TaskState.RETURNED})


async def recall(task_id: UUID, reason: str) -> Task:
    """The decision, or return, or opinion, counts no more, and stays in the history; the task that asks for it anew.

    What was written into the form with it stays there.

    Raises:
        NotFound, NotAssignee: as `deciding.decide`.
        NotAllowedHere: the node does not allow it, or it was not decided by her.
        RecallTooLate: somebody has acted on it, an effect has begun, or the request has ended.
    """
    case, task, visit = await open_case(task_id)
    must_be_mine(task)
    node = case.flow.nodes.get(task.node)
    if not isinstance(node, HumanNode) or "recall" not in node.allow:
        raise NotAllowedHere(told("On this node nobody can take a decision back.", "该节点不允许拿回。"))
    if not _is_own_decision(task):
        raise NotAllowedHere(
            told(
                f"There is no decision of yours to take back: the task is {task.state}.",
                f"没有可以拿回的处理：任务的状态为 {task.state}。",
            )
        )
    if kept := since(case, visit, task):
        raise RecallTooLate(kept)
    again = undo(case, visit, task, reason)
    case.instance.rev += 1
    await save(case)
    return again


def can_be_recalled(case: Case, task: Task) -> bool:
    """Whether its assignee could take the decision back now."""
    node, visit = case.flow.nodes.get(task.node), case.visit(task.visit_id)
    if not isinstance(node, HumanNode) or visit is None or "recall" not in node.allow:
        return False
    return _is_own_decision(task) and not since(case, visit, task)


def _is_own_decision(task: Task) -> bool:
    # A rule or a deadline decides with a reason, and so do those who were added before or after.
    return task.state in _RECALLABLE and task.reason is None
