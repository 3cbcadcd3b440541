"""The tally: do a node's decisions suffice?

n is the number of seats, A of approvals, R of rejections, B of abstentions, P of those still open:

| mode | passes | fails |
| --- | --- | --- |
| any | first A | `first`: first R; `all`: P = 0 and A = 0 |
| all, sequential | P = 0, R = 0, A ≥ 1 | `first`: first R; `collect`: P = 0 and R > 0 |
| ratio p | A ≥ 1 and 100·A ≥ p·(n - B) | 100·(A + P) < p·(n - B) |
| n_of_m k | A ≥ k | A + P < k |
| weight w | ΣA > w | ΣA + ΣP ≤ w |

Where nobody is left to decide and it has not passed, it has failed: an abstention is no approval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from riveredge_approvals.ir.document import Tally
from riveredge_approvals.models import OPEN_TASKS, Task, TaskState

Result = Literal["passed", "rejected"]


@dataclass(frozen=True, slots=True)
class Count:
    """Decisions by kind: of people, and of their weights."""

    approved: int
    rejected: int
    abstained: int
    pending: int
    weight_approved: int
    weight_pending: int

    @property
    def seats(self) -> int:
        """How many there are."""
        return self.approved + self.rejected + self.abstained + self.pending


def count(seats: Sequence[Task]) -> Count:
    """Count the seats; what was closed or handed on is none."""
    approved = [task for task in seats if task.state == TaskState.APPROVED]
    pending = [task for task in seats if task.state in OPEN_TASKS]
    return Count(
        approved=len(approved),
        rejected=sum(task.state == TaskState.REJECTED for task in seats),
        abstained=sum(task.state == TaskState.ABSTAINED for task in seats),
        pending=len(pending),
        weight_approved=sum(task.weight for task in approved),
        weight_pending=sum(task.weight for task in pending),
    )


def judge(rule: Tally, votes: Count) -> Result | None:
    """Whether the node has passed or failed; None while it is open."""
    if _passes(rule, votes):
        return "passed"
    if votes.pending == 0 or _fails(rule, votes):
        return "rejected"
    return None


def _passes(rule: Tally, votes: Count) -> bool:
    match rule.mode:
        case "any":
            return votes.approved > 0
        case "all" | "sequential":
            return votes.pending == 0 and votes.rejected == 0 and votes.approved > 0
        case "ratio":
            return votes.approved > 0 and 100 * votes.approved >= rule.ratio * (votes.seats - votes.abstained)
        case "n_of_m":
            return votes.approved >= rule.count
        case "weight":
            return votes.weight_approved > rule.over


def _fails(rule: Tally, votes: Count) -> bool:
    match rule.mode:
        case "any" | "all":
            return rule.reject == "first" and votes.rejected > 0
        case "sequential":
            return votes.rejected > 0
        case "ratio":
            return 100 * (votes.approved + votes.pending) < rule.ratio * (votes.seats - votes.abstained)
        case "n_of_m":
            return votes.approved + votes.pending < rule.count
        case "weight":
            return votes.weight_approved + votes.weight_pending <= rule.over
