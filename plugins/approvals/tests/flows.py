"""Compiled flows for tests of the core: small, and written down directly."""

from collections.abc import Mapping
from typing import Any

from riveredge_approvals.ir.document import CompiledFlow, Limits, Selector, Settings


def user(value: object, weight: int = 1) -> Selector:
    """Somebody by id."""
    return Selector(resolver="user", config={"value": str(value)}, weight=weight)


def flow(
    nodes: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None, **more: Any
) -> CompiledFlow:
    """A flow; nodes say their exits in short: `next={"passed": "b"}` takes the edge `a-b`."""
    written = {name: {**node, **_exits(name, node)} for name, node in nodes.items()}
    return CompiledFlow.model_validate(
        {
            "process": "test",
            "version": 1,
            "checksum": "sha256:0",
            "entry": "start",
            "settings": Settings(**(settings or {})),
            "nodes": written,
            "limits": Limits(nodes=len(nodes), max_parallel=1, longest_path=len(nodes)),
            **more,
        }
    )


def _exits(name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "next": {outcome: {"edge": f"{name}-{to}", "to": to} for outcome, to in node.get("next", {}).items()}
    }
    if "branches" in node:
        written["branches"] = [{"edge": f"{name}-{to}", "to": to, "when": when} for to, when in node["branches"]]
    return written


def human(to: str, *people: object, **more: Any) -> dict[str, Any]:
    """A node on which people are asked."""
    roster = [each if isinstance(each, Selector) else user(each) for each in people]
    return {"kind": "approver", "roster": roster, "next": {"passed": to}, **more}


START: dict[str, Any] = {"kind": "start"}
END: dict[str, Any] = {"kind": "end"}
