"""What is wrong with a drawing: a code for machines, the place, and a sentence for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from riveredge_approvals.drawing.validating.texts import TEXTS, sentence

Severity: TypeAlias = Literal["error", "warning", "info"]
WARNINGS = frozenset(
    {
        "alwaysTrue",
        "neverTrue",
        "overlappingRanges",
        "emptyBranch",
        "emptyRole",
        "countExceedsRoster",
        "autoApproveOnEmpty",
        "selfApprovalLoop",
        "returnLeavesRegion",
        "unusedExit",
    }
)
INFOS = frozenset({"checksumUnchanged"})
CODES = frozenset(TEXTS)


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. It is about a node, an edge, or the whole; `details` fill the sentence."""

    code: str
    node: str | None = None
    edge: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """Errors keep it from being published, warnings have to be acknowledged."""
        if self.code in INFOS:
            return "info"
        return "warning" if self.code in WARNINGS else "error"

    def message(self, locale: str) -> str:
        """The sentence, in Chinese for Chinese locales, else in English."""
        return sentence(self.code, locale, self.details)
