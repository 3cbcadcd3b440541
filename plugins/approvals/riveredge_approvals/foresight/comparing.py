"""What a walk came to, and how two walks of the same request differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from riveredge_approvals.engine.case import Case
from riveredge_approvals.foresight.preview import is_unresolved, result_of
from riveredge_approvals.foresight.walking import Walk
from riveredge_approvals.ir.document import HumanNode

# What everybody passes, and which ways part where: the nodes behind them say it.
_SILENT = frozenset({"start", "end", "choice", "parallel", "inclusive", "join"})


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a walk came to.

    Attributes:
        result: approved, rejected, returned or unknown.
        path: the nodes on which something happens, in the order in which they are first reached.
        people: who would be asked, by node, as ids.
        empty: nodes for which nobody was found.
        needs: fields without which it was not known how to go on.
        hours: how long it would take, as far as that is known; None where nothing is.
    """

    result: str
    path: list[str]
    people: Mapping[str, list[str]]
    empty: list[str]
    needs: list[str]
    hours: float | None

    @classmethod
    def of(cls, walk: Walk) -> "Outlook":
        """That of a walk that is over."""
        case = walk.case
        return cls(
            result=result_of(case),
            path=list(dict.fromkeys(v.node for v in case.visits if v.kind not in _SILENT and v.status != "skipped")),
            people=_people(case),
            empty=list(dict.fromkeys(v.node for v in case.visits if is_unresolved(case, v))),
            needs=sorted({stop.field for stop in walk.stops.values() if stop.field}),
            hours=walk.hours(),
        )

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "result": self.result,
            "path": self.path,
            "empty": self.empty,
            "needs": self.needs,
            "hours": self.hours,
        }


def compare(before: Outlook, after: Outlook) -> dict[str, Any]:
    """How the second differs: empty if it does not. `people` names who comes and who goes on nodes of both."""
    found: dict[str, Any] = {}
    if before.result != after.result:
        found["result"] = [before.result, after.result]
    added = [node for node in after.path if node not in before.path]
    removed = [node for node in before.path if node not in after.path]
    if before.path != after.path:
        found["path"] = {"added": added, "removed": removed}
    people = {
        node: change
        for node in before.people.keys() & after.people.keys()
        if (change := _change(before.people[node], after.people[node]))
    }
    if people:
        found["people"] = people
    if newly := [node for node in after.empty if node not in before.empty]:
        found["newly_empty"] = newly
    if mended := [node for node in before.empty if node not in after.empty]:
        found["no_longer_empty"] = mended
    if before.needs != after.needs:
        found["needs"] = {
            "added": [name for name in after.needs if name not in before.needs],
            "removed": [name for name in before.needs if name not in after.needs],
        }
    if before.hours is not None and after.hours is not None and abs(after.hours - before.hours) >= 0.01:
        found["hours"] = round(after.hours - before.hours, 2)
    return found


def _people(case: Case) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for visit in case.visits:
        if isinstance(case.node(visit.node), HumanNode) and visit.number == 1:
            found[visit.node] = [str(task.assignee_id) for task in case.tasks_of(visit)]
    return found


def _change(before: list[str], after: list[str]) -> dict[str, list[str]]:
    added = [user for user in after if user not in before]
    removed = [user for user in before if user not in after]
    return {"added": added, "removed": removed} if added or removed else {}
