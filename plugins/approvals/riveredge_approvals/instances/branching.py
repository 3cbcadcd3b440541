"""Why a way was taken, and another was not: each branch's condition with the values of that moment."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, Field

from riveredge_approvals.ir.document import ChoiceNode, Condition, ForkNode, HumanNode
from riveredge_approvals.ir.wording import LANGUAGES, Wording
from riveredge_approvals.models import Visit


class BranchLook(BaseModel):
    """One way out of a node."""

    edge: str
    to: str = Field(description="The node at its end.")
    taken: bool
    holds: bool | None = Field(description="Whether its condition held; null if it was not looked at.")
    condition: dict[str, str] = Field(description="With the values of that moment, by language: en and zh-CN.")
    values: dict[str, Any] = Field(description="The fields that its condition is about, as far as they were read.")
    why: dict[str, str] = Field(description="Why it was taken, or was not, by language.")


def looks(visit: Visit, node: ChoiceNode | ForkNode, wording: Wording) -> list[BranchLook]:
    """All ways out of a visit's node, in the order in which they are looked at."""
    read: Mapping[str, Any] = visit.data.get("read", {})
    looked_at: Mapping[str, bool] = visit.data.get("looked_at", {})
    found: list[BranchLook] = []
    for branch in node.branches:
        names = [name for name in fields_of(branch.when) if name in read and not wording.is_hidden(name)]
        look = BranchLook(
            edge=branch.edge,
            to=branch.to,
            taken=branch.edge in visit.edges,
            holds=looked_at.get(branch.edge),
            condition=wording.text(branch.when, read),
            values={name: read[name] for name in sorted(names)},
            why={},
        )
        look.why = _why(node.kind, look, default=branch.when is True, decided=bool(visit.edges))
        found.append(look)
    return found


def why_skipped(visit: Visit, node: HumanNode, wording: Wording) -> dict[str, str] | None:
    """Why nobody was asked on a visit, by language; None if its node's condition was no reason."""
    if visit.data.get("why") != "skip_when" or node.skip_when is None:
        return None
    text = wording.text(node.skip_when, visit.data.get("read", {}))
    return {"en": f"Skipped, because it held: {text['en']}.", "zh-CN": f"条件成立，跳过：{text['zh-CN']}。"}


def fields_of(condition: Condition) -> set[str]:
    """The full names of the fields that a condition is about."""
    if condition is True:
        return set()
    op, *rest = condition
    if op in {"all", "any", "none"}:
        return {name for part in rest for name in fields_of(part)}
    return {str(rest[0])}


_WHY: Final[Mapping[str, tuple[str, str]]] = {
    "all": ("All branches are taken.", "并行分支，全部执行。"),
    "open": ("It is not decided yet.", "尚未判断。"),
    "default": ("Taken, because no other condition held.", "其他条件均不成立，走默认分支。"),
    "held": ("Taken, because it held: {}.", "条件成立，因此走此分支：{}。"),
    "not_held": ("Not taken, because it did not hold: {}.", "条件不成立，未走此分支：{}。"),
    "not_default": ("Not taken, because another condition held.", "已有条件成立，未走默认分支。"),
    "unseen": ("Not looked at, because one before it held.", "前面的分支已成立，未再判断。"),
}


def _why(kind: str, look: BranchLook, *, default: bool, decided: bool) -> dict[str, str]:
    if kind == "parallel":
        key = "all"
    elif look.taken:
        key = "default" if default else "held"
    elif look.holds is False:
        key = "not_held"
    elif not decided:
        key = "open"
    else:
        key = "not_default" if default else "unseen"
    return {
        language: sentence.format(look.condition[language])
        for language, sentence in zip(LANGUAGES, _WHY[key], strict=True)
    }
