"""What became of each installed plugin."""

from dataclasses import dataclass, field
from typing import Literal

# `partial`: it serves, but something it offers was left out; the reason says what.
State = Literal["active", "partial", "disabled", "failed: load", "failed: requires", "failed: schema"]


@dataclass(slots=True)
class PluginReport:
    """One plugin, as `riveredge plugin list` and `/health/plugins` show it."""

    id: str
    version: str = ""
    distribution: str = ""
    title: str = ""
    state: State = "active"
    reasons: list[str] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return self.state in {"active", "partial"}

    @property
    def reason(self) -> str:
        return "; ".join(self.reasons)
