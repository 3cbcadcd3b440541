"""What the search for those who decide is given, and what it gives."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from riveredge_approvals.ir.document import CompiledFlow, HumanNode
from riveredge_approvals.speech import Texts
from riveredge_sdk.features.approvals import Request

Verdict = Literal["people", "approve", "reject", "block"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Somebody who has approved before in this instance.

    Args:
        adjacent: on the human node just before.
        unchanged: the form fields that the earlier node could see have not changed since.
    """

    user_id: UUID
    node: str
    adjacent: bool
    unchanged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """For which node of which instance people are sought.

    Args:
        choices: whom the submitter, or an approver before, has chosen, by node.
        earlier: who has approved before.
        passed: who has decided, by node.
        asked: who is or was asked on this visit.
    """

    request: Request
    flow: CompiledFlow
    node: HumanNode
    choices: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    earlier: Sequence[Earlier] = ()
    passed: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    asked: Collection[UUID] = ()


@dataclass(slots=True)
class Candidate:
    """Somebody who is to decide.

    Args:
        weight: what her decision counts where a node weighs.
        principal_id: for whom she stands in.
        auto: she has approved before, and need not be asked.
        trace: how it came to her, line by line (see `explain`).
    """

    user_id: UUID
    weight: int = 1
    principal_id: UUID | None = None
    auto: Literal["approve"] | None = None
    trace: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Roster:
    """Who decides on a node. Where the verdict is not `people`, nobody is asked: it passes, fails, or is an incident.

    Args:
        reason: why nobody is asked, by language.
        trace: one entry for each step of the pipeline: `{"step", "people", "lines"}`: how many were left, and what
            happened to whom.
    """

    candidates: list[Candidate]
    verdict: Verdict = "people"
    reason: Texts = field(default_factory=dict)
    trace: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Texts] = field(default_factory=list)
