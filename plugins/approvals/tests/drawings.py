"""Small drawings for tests.

    drawn = flow(
        approver("mgr", user=li),
        choice("size", (when("form.amount", "gt", 5000), [approver("ceo", role="ceo")]), (None, [])),
        parallel("both", [approver("fin", user=wang)], [approver("law", user=zhao)]),
        form={"amount": {"type": "number"}},
    )
    compiled(…the same…)

A start and an end are put around the steps; joins are made for forks: `<fork>_join`.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from riveredge_approvals.drawing.compiling import compile_flow
from riveredge_approvals.drawing.documents import read_diagram
from riveredge_approvals.ir.document import CompiledFlow

Step = "dict[str, Any] | Split"


@dataclass
class Split:
    """A node where ways part, and the steps on each way with what its edge says."""

    node: dict[str, Any]
    ways: Sequence[tuple[dict[str, Any], Sequence[Any]]]
    join: dict[str, Any] | None = None


def node(name: str, type_: str, **data: Any) -> dict[str, Any]:
    """Any node."""
    return {"id": name, "type": type_, "position": {"x": 0, "y": 0}, "data": {"label": name, **data}}


def people(user: Any = None, users: Sequence[Any] = (), role: str | None = None, **one: Any) -> list[dict[str, Any]]:
    """Lines of assignees: some users, a role, or `type=…` with its fields."""
    found = [{"type": "user", "value": str(each)} for each in ([user] if user is not None else []) + list(users)]
    if role is not None:
        found.append({"type": "role", "value": role})
    return [*found, one] if one else found


def approver(
    name: str, *, user: Any = None, users: Sequence[Any] = (), role: str | None = None, **data: Any
) -> dict[str, Any]:
    """Somebody decides: `user`, `users`, `role`, or `assignees=[…]`."""
    return node(name, "approver", **{"assignees": people(user, users, role), **data})


def handler(name: str, *, user: Any = None, users: Sequence[Any] = (), **data: Any) -> dict[str, Any]:
    """Somebody does something."""
    return node(name, "handler", **{"assignees": people(user, users), **data})


def cc(name: str, *, user: Any = None, users: Sequence[Any] = (), **data: Any) -> dict[str, Any]:
    """Somebody is told."""
    return node(name, "cc", **{"recipients": people(user, users), **data})


def when(name: str, op: str, value: Any = None) -> dict[str, Any]:
    """One condition."""
    comparison = {"field": name, "op": op} | ({} if value is None else {"value": value})
    return {"match": "all", "conditions": [comparison]}


def choice(name: str, *ways: tuple[dict[str, Any] | None, Sequence[Any]]) -> Split:
    """The first way whose condition holds; None for everything else."""
    return Split(node(name, "condition"), _ordered(ways))


def inclusive(name: str, *ways: tuple[dict[str, Any] | None, Sequence[Any]], **join: Any) -> Split:
    """All ways whose conditions hold."""
    return Split(node(name, "inclusive"), _ordered(ways), node(f"{name}_join", "join", **join))


def parallel(name: str, *ways: Sequence[Any], **join: Any) -> Split:
    """All ways."""
    numbered = [({"order": number}, steps) for number, steps in enumerate(ways, 1)]
    return Split(node(name, "parallel"), numbered, node(f"{name}_join", "join", **join))


def _ordered(ways: Sequence[tuple[dict[str, Any] | None, Sequence[Any]]]) -> list[tuple[dict[str, Any], Sequence[Any]]]:
    return [
        ({"order": number, **({"when": condition} if condition is not None else {"default": True})}, steps)
        for number, (condition, steps) in enumerate(ways, 1)
    ]


def schema_of(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """A form."""
    return {"type": "object", "properties": dict(properties), "required": list(required)}


@dataclass
class _Canvas:
    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)

    def add(self, steps: Sequence[Any], coming: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
        """Draw steps behind open ends; the ends that are open then."""
        for step in steps:
            first = step.node if isinstance(step, Split) else step
            self.place(first, coming)
            coming = [(first["id"], {})]
            if isinstance(step, Split):
                coming = [end for data, inner in step.ways for end in self.add(inner, [(first["id"], data)])]
                if step.join is not None:
                    self.place(step.join, coming)
                    coming = [(step.join["id"], {})]
        return coming

    def place(self, one: dict[str, Any], coming: list[tuple[str, dict[str, Any]]]) -> None:
        self.nodes.append(one)
        for source, data in coming:
            edge = {"id": f"e{len(self.edges) + 1}", "source": source, "target": one["id"]}
            self.edges.append({**edge, **({"data": data} if data else {})})


def flow(*steps: Any, settings: Mapping[str, Any] | None = None, result: str = "approved") -> dict[str, Any]:
    """A drawing (`flow/1`)."""
    canvas = _Canvas()
    ends = canvas.add([node("start", "start"), *steps], [])
    canvas.place(node("end", "end", result=result), ends)
    return {"schema": "flow/1", "settings": dict(settings or {}), "nodes": canvas.nodes, "edges": canvas.edges}


def compiled(
    *steps: Any,
    settings: Mapping[str, Any] | None = None,
    form: Mapping[str, Any] | None = None,
    process: str = "process",
    version: int = 1,
) -> CompiledFlow:
    """A drawing, compiled. `form` is the properties of its form."""
    diagram, dropped = read_diagram(flow(*steps, settings=settings))
    assert not dropped
    return compile_flow(diagram, schema_of(form or {}), process=process, version=version)


EXAMPLE: dict[str, Any] = {
    "schema": "flow/1",
    "nodes": [
        {"id": "start", "type": "start", "position": {"x": 0, "y": 0}, "data": {"label": "发起采购申请"}},
        {
            "id": "mgr",
            "type": "approver",
            "position": {"x": 0, "y": 128},
            "data": {
                "label": "部门经理审批",
                "assignees": [{"type": "manager", "of": "initiator", "level": 1}],
                "mode": "any",
                "on_empty": {"action": "admin"},
                "timeout": {
                    "after": "PT24H",
                    "action": "escalate",
                    "to": {"type": "department_head", "of": "initiator", "level": 1},
                },
                "allow": ["transfer", "add_sign", "return"],
                "comment": "optional",
                "fields": {"amount": "read"},
                "signature": "none",
            },
        },
        {"id": "cond", "type": "condition", "position": {"x": 0, "y": 256}, "data": {"label": "金额判断"}},
        {
            "id": "ceo",
            "type": "approver",
            "position": {"x": -140, "y": 384},
            "data": {"label": "总经理", "assignees": [{"type": "role", "value": "ceo"}], "mode": "sequential"},
        },
        {
            "id": "cc",
            "type": "cc",
            "position": {"x": 0, "y": 512},
            "data": {"label": "抄送采购部", "recipients": [{"type": "department", "value": "purchasing"}]},
        },
        {"id": "end", "type": "end", "position": {"x": 0, "y": 640}, "data": {"label": "结束"}},
    ],
    "edges": [
        {"id": "e1", "source": "start", "target": "mgr"},
        {"id": "e2", "source": "mgr", "target": "cond"},
        {
            "id": "e3",
            "source": "cond",
            "target": "ceo",
            "label": "金额 > 5000",
            "data": {
                "order": 1,
                "when": {"match": "all", "conditions": [{"field": "form.amount", "op": "gt", "value": 5000}]},
            },
        },
        {"id": "e4", "source": "cond", "target": "cc", "label": "默认", "data": {"default": True, "order": 2}},
        {"id": "e5", "source": "ceo", "target": "cc"},
        {"id": "e6", "source": "cc", "target": "end"},
    ],
    "viewport": {"x": 0, "y": 0, "zoom": 1},
}
EXAMPLE_FORM = schema_of({"amount": {"type": "number"}, "note": {"type": "string"}}, "amount")


def example(user: Any) -> dict[str, Any]:
    """The example, for organisations without its roles and departments: somebody stands for them."""
    drawn = copy.deepcopy(EXAMPLE)
    for each in drawn["nodes"]:
        for name in ("assignees", "recipients"):
            if name in each["data"]:
                each["data"][name] = people(user)
    return drawn
