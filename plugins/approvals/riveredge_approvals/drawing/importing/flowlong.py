"""FlowLong: `{key, name, nodeConfig: {nodeName, type, childNode, conditionNodes, …}}`."""

from collections.abc import Mapping
from typing import Any, Final

from riveredge_approvals.drawing.importing.canvas import Canvas
from riveredge_approvals.drawing.importing.conditions import Conditions, group
from riveredge_approvals.drawing.importing.nested import Form
from riveredge_approvals.drawing.importing.notes import Notes
from riveredge_approvals.drawing.importing.reading import number, objects, text

_KINDS: Final = {
    -1: "end",
    0: "start",
    1: "approver",
    2: "cc",
    4: "condition",
    5: "subflow",
    6: "delay",
    8: "parallel",
    9: "inclusive",
}
_MODES: Final = {1: "sequential", 2: "all", 3: "any", 4: "weight"}
_SELF: Final = {0: "self", 1: "skip", 2: "manager", 3: "department_head"}
_AUTO: Final = {2: "approve", 3: "reject"}
_ALLOW: Final = {
    "allowTransfer": ("transfer", "delegate"),
    "allowAppendNode": ("add_sign", "remove_sign"),
    "allowRollback": ("return",),
    "allowCc": ("cc",),
}


class FlowLong:
    """What its numbers mean."""

    def __init__(self, notes: Notes, form: Form) -> None:
        self._notes = notes
        self._conditions = Conditions(form, notes)

    def name(self, node: Mapping[str, Any]) -> tuple[str, str]:
        return text(node.get("nodeKey")), text(node.get("nodeName"))

    def kind(self, node: Mapping[str, Any]) -> str | None:
        return _KINDS.get(number(node.get("type")) or 0) if number(node.get("type")) is not None else None

    def branches(self, node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        names = ("conditionNodes", "parallelNodes", "inclusiveNodes")
        found = next((objects(node[name]) for name in names if node.get(name)), [])
        return sorted(found, key=lambda branch: number(branch.get("priorityLevel")) or 0)

    def condition(self, branch: Mapping[str, Any], path: str) -> dict[str, Any] | None:
        groups = branch.get("conditionList")
        parts = [self._all(each, path) for each in groups if isinstance(each, list)] if isinstance(groups, list) else []
        return (group("any", parts) or {}) if parts else None

    def _all(self, rules: list[Any], path: str) -> dict[str, Any] | None:
        return group(
            "all",
            [
                self._conditions.comparison(
                    path,
                    text(rule.get("field")),
                    text(rule.get("operator")),
                    rule.get("value"),
                    title=text(rule.get("label")),
                )
                for rule in objects(rules)
            ],
        )

    def data(self, node: Mapping[str, Any], kind: str, path: str, canvas: Canvas) -> dict[str, Any]:
        if kind == "approver":
            return self._approver(node, path, canvas)
        if kind == "cc":
            return {"recipients": self._people(node, path, "user")}
        if kind == "subflow":
            called = text(node.get("callProcess"))
            return {"process": called.rpartition(":")[2] or called or "?"}
        if kind == "delay":
            self._notes.guessed(path, "How long it waits is written in another way: it became one hour.")
            return {"for": "PT1H"}
        return {}

    def _approver(self, node: Mapping[str, Any], path: str, canvas: Canvas) -> dict[str, Any]:
        mode = _MODES.get(number(node.get("examineMode")) or 0, "any")
        allow = [act for key, acts in _ALLOW.items() if node.get(key) is not False for act in acts]
        return {
            "assignees": self._assignees(node, path),
            "mode": mode,
            "weight_over": number(node.get("passWeight")) or 50 if mode == "weight" else None,
            "self_approval": _SELF.get(number(node.get("approveSelf")) or 0) if "approveSelf" in node else None,
            "auto": _AUTO.get(number(node.get("typeOfApprove")) or 0),
            "allow": [*allow, "recall", "comment"] if any(key in node for key in _ALLOW) else None,
            "timeout": self._timeout(node),
            "on_reject": {"action": "return", "to": canvas.start} if number(node.get("rejectStrategy")) == 1 else None,
        }

    def _timeout(self, node: Mapping[str, Any]) -> dict[str, Any] | None:
        hours = number(node.get("term")) or 0
        if not (node.get("termAuto") and 0 < hours <= 8760):
            return None
        return {"after": f"PT{hours}H", "action": "reject" if number(node.get("termMode")) == 1 else "approve"}

    def _assignees(self, node: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
        kind = number(node.get("setType"))
        rules: Mapping[int | None, dict[str, Any]] = {
            2: {"type": "manager", "of": "initiator", "level": number(node.get("examineLevel")) or 1},
            4: {"type": "initiator_choice", "max": 20 if number(node.get("selectMode")) == 2 else 1},
            5: {"type": "initiator"},
        }
        if kind in rules:
            return [rules[kind]]
        if kind in {6, 7} and not objects(node.get("nodeAssigneeList")):
            level = number(node.get("directorLevel")) or 1
            return [{"type": "manager_chain", "until": {"level": level} if node.get("directorMode") else "top"}]
        return self._people(node, path, {3: "role", 7: "department"}.get(kind or 0, "user"))

    def _people(self, node: Mapping[str, Any], path: str, kind: str) -> list[dict[str, Any]]:
        names = ("nodeAssigneeList", "nodeUserList", "nodeRoleList")
        found = next((objects(node[name]) for name in names if node.get(name)), [])
        lines = [
            {"type": kind, "value": text(each.get("id")), "weight": number(each.get("weight"))}
            for each in found
            if text(each.get("id"))
        ]
        if lines:
            names_ = ", ".join(text(each.get("name")) or text(each.get("id")) for each in found[:5])
            self._notes.guessed(path, f"Its people are those of another system; choose them anew: {names_}.")
        return [{key: value for key, value in line.items() if value is not None} for line in lines]
