"""ruoyi-vue-pro's “simple” model: `{id, type, name, childNode, conditionNodes, candidateStrategy, …}`."""

from collections.abc import Mapping
from typing import Any, Final

from riveredge_approvals.drawing.importing.canvas import Canvas
from riveredge_approvals.drawing.importing.conditions import Conditions, group
from riveredge_approvals.drawing.importing.nested import Form
from riveredge_approvals.drawing.importing.notes import Notes
from riveredge_approvals.drawing.importing.reading import mapping, number, objects, text

_KINDS: Final = {
    0: "start",
    1: "end",
    10: "start",
    11: "approver",
    12: "cc",
    13: "handler",
    14: "delay",
    20: "subflow",
    51: "condition",
    52: "parallel",
    53: "inclusive",
}
_METHODS: Final = {1: "any", 2: "ratio", 3: "any", 4: "sequential"}
_AUTO: Final = {2: "approve", 3: "reject"}
_SELF: Final = {1: "self", 2: "skip", 3: "department_head"}
_EMPTY: Final = {1: "approve", 2: "reject", 3: "users", 4: "admin"}
_RIGHTS: Final = {"1": "read", "2": "edit", "3": "hidden"}
_NAMED: Final = {10: "role", 20: "department", 22: "role", 30: "user", 40: "group"}
_DURATION: Final = 1


class Ruoyi:
    """What its numbers mean."""

    def __init__(self, notes: Notes, form: Form) -> None:
        self._notes = notes
        self._form = form
        self._conditions = Conditions(form, notes)

    def name(self, node: Mapping[str, Any]) -> tuple[str, str]:
        return text(node.get("id")), text(node.get("name"))

    def kind(self, node: Mapping[str, Any]) -> str | None:
        return _KINDS.get(found) if (found := number(node.get("type"))) is not None else None

    def branches(self, node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return objects(node.get("conditionNodes"))

    def condition(self, branch: Mapping[str, Any], path: str) -> dict[str, Any] | None:
        said = mapping(branch.get("conditionSetting"))
        if said.get("defaultFlow") is True:
            return None
        if written := text(said.get("conditionExpression"), 500):
            return self._conditions.expression(path, written) or {}
        groups = mapping(said.get("conditionGroups"))
        parts = [self._rules(each, path) for each in objects(groups.get("conditions"))]
        return group("any" if groups.get("and") is False else "all", parts) or {}

    def _rules(self, condition: Mapping[str, Any], path: str) -> dict[str, Any] | None:
        parts = [
            self._conditions.comparison(
                path,
                text(rule.get("leftSide")),
                text(rule.get("opCode")),
                rule.get("rightSide"),
            )
            for rule in objects(condition.get("rules"))
        ]
        return group("any" if condition.get("and") is False else "all", parts)

    def data(self, node: Mapping[str, Any], kind: str, path: str, canvas: Canvas) -> dict[str, Any]:
        fields = self._fields(node)
        if kind in {"approver", "handler"}:
            return {**self._human(node, kind, path, canvas), "fields": fields}
        if kind == "cc":
            return {"recipients": self._who(node, path), "fields": fields}
        if kind == "start":
            return {"fields": fields}
        if kind == "delay":
            setting = mapping(node.get("delaySetting"))
            key = "for" if number(setting.get("delayType")) == _DURATION else "until"
            return {key: text(setting.get("delayTime"), 40)}
        if kind == "subflow":
            setting = mapping(node.get("childProcessSetting"))
            return {"process": text(setting.get("calledProcessDefinitionKey")) or "?", "wait": not setting.get("async")}
        return {}

    def _human(self, node: Mapping[str, Any], kind: str, path: str, canvas: Canvas) -> dict[str, Any]:
        method = number(node.get("approveMethod")) or 3
        empty = mapping(node.get("assignEmptyHandler"))
        action = _EMPTY.get(number(empty.get("type")) or 0)
        users = [str(each) for each in empty.get("userIds") or () if isinstance(each, str | int)]
        said = {
            "assignees": self._who(node, path),
            "pick": "random" if method == 1 else None,
            "mode": _METHODS.get(method, "any"),
            "ratio": number(node.get("approveRatio")) if method == 2 else None,
            "self_approval": _SELF.get(number(node.get("assignStartUserHandlerType")) or 0),
            "on_empty": {"action": action, "users": users} if action is not None else None,
            "signature": "drawn" if node.get("signEnable") is True else None,
            "comment": "always" if node.get("reasonRequire") is True else None,
            "timeout": self._timeout(mapping(node.get("timeoutHandler"))),
        }
        if kind == "approver":
            said["auto"] = _AUTO.get(number(node.get("approveType")) or 0)
            reject = mapping(node.get("rejectHandler"))
            if number(reject.get("type")) == 2:
                target = text(reject.get("returnNodeId"))
                said["on_reject"] = {"action": "return", "to": canvas.ids.get(target, target or "start")}
        return said

    def _timeout(self, handler: Mapping[str, Any]) -> dict[str, Any] | None:
        duration = text(handler.get("timeDuration"), 40)
        if handler.get("enable") is not True or not duration:
            return None
        kind = number(handler.get("type"))
        if kind == 1:
            return {"remind": {"every": duration, "max": max(1, min(number(handler.get("maxRemindCount")) or 1, 100))}}
        return {"after": duration, "action": "reject" if kind == 3 else "approve"}

    def _fields(self, node: Mapping[str, Any]) -> dict[str, str] | None:
        found = {
            text(each.get("field"), 100): _RIGHTS.get(text(each.get("permission")), "read")
            for each in objects(node.get("fieldsPermission"))
            if text(each.get("field"), 100)
        }
        for each in objects(node.get("fieldsPermission")):
            if name := text(each.get("field"), 100):
                self._form.add(name, text(each.get("title")), is_number=False)
        return found or None

    def _who(self, node: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
        strategy, param = number(node.get("candidateStrategy")), text(node.get("candidateParam"), 2000)
        first = param.partition("|")[0].strip()
        level = int(param) if param.isascii() and param.isdigit() and len(param) < 3 else 1
        rules: Mapping[int | None, dict[str, Any]] = {
            34: {"type": "initiator_choice", "max": 20},
            35: {"type": "initiator_choice", "max": 20},
            36: {"type": "initiator"},
            37: {"type": "department_head", "of": "initiator", "level": max(level, 1)},
            38: {"type": "manager_chain", "of": "initiator", "until": {"level": max(level, 1)}},
        }
        if strategy == 34:
            self._notes.guessed(path, "Whom an approver before chooses became whom the submitter chooses.")
        if strategy in rules:
            return [rules[strategy]]
        if strategy in {50, 51} and first:
            self._form.add(first, "", is_number=False)
            return [{"type": "form_user" if strategy == 50 else "form_department_head", "field": first}]
        if strategy in _NAMED and param:
            self._notes.guessed(path, f"Its people are those of another system; choose them anew: {param[:60]}.")
            values = [value.strip() for value in param.split(",") if value.strip()]
            return [{"type": _NAMED[strategy], "value": value} for value in values[:50]]
        if strategy is not None or param:
            self._notes.dropped(f"{path}.candidateStrategy", f"There is no rule like {strategy} ({param[:60]}).")
        return []
