"""Drawings and their compiled form."""

import copy
import json
import random
from typing import Any

import pytest

from riveredge_approvals.drawing.compiling import CompileError, compile_flow
from riveredge_approvals.drawing.documents import BadSchemaError, read_diagram
from riveredge_approvals.drawing.durations import read_duration
from riveredge_approvals.ir.document import (
    ChoiceNode,
    CompiledFlow,
    DelayNode,
    EffectNode,
    ForkNode,
    HumanNode,
    JoinNode,
)

from .drawings import EXAMPLE, EXAMPLE_FORM, approver, cc, choice, compiled, flow, inclusive, node, parallel, when


def compile_example(raw: dict[str, Any]) -> CompiledFlow:
    return compile_flow(read_diagram(raw)[0], EXAMPLE_FORM, process="purchase", version=7)


def test_the_example_compiles() -> None:
    flow = compile_example(EXAMPLE)
    assert (flow.entry, flow.process, flow.version) == ("start", "purchase", 7)
    assert list(flow.nodes) == ["start", "mgr", "cond", "ceo", "cc", "end"]
    manager = flow.nodes["mgr"]
    assert isinstance(manager, HumanNode)
    assert manager.roster[0].model_dump() == {
        "resolver": "manager",
        "config": {"of": "initiator", "level": 1},
        "weight": 1,
    }
    assert manager.policies.self_approval == "manager"
    assert manager.policies.empty.action == "admin"
    (deadline,) = manager.deadlines
    assert (deadline.name, deadline.after_s, deadline.action) == ("deadline", 86_400, "escalate")
    assert deadline.to is not None
    assert deadline.to.resolver == "department_head"
    assert manager.allow == {"transfer", "add_sign", "return"}
    assert (manager.dominators, manager.return_targets) == (("start",), ("start",))
    choice_ = flow.nodes["cond"]
    assert isinstance(choice_, ChoiceNode)
    assert [(branch.to, branch.when) for branch in choice_.branches] == [
        ("ceo", ["gt", "form.amount", "5000"]),
        ("cc", True),
    ]
    assert flow.nodes["cc"].dominators == ("start", "mgr", "cond")
    assert flow.needs.model_dump(exclude_defaults=True) == {
        "resolvers": ("department", "department_head", "manager", "role"),
        "roles": ("ceo",),
        "departments": ("purchasing",),
        "fields": ("form.amount",),
        "plugins": ("approvals",),
    }
    assert flow.limits.model_dump() == {"nodes": 6, "max_parallel": 1, "longest_path": 6}
    assert flow.types == {"form.amount": "number", "form.note": "string"}
    assert CompiledFlow.model_validate(json.loads(flow.model_dump_json())) == flow


def test_a_checksum_knows_what_it_means_and_not_where_it_lies() -> None:
    before = compile_example(EXAMPLE).checksum
    moved = copy.deepcopy(EXAMPLE)
    for each in moved["nodes"]:
        each["position"] = {"x": random.random(), "y": 1}
    moved["viewport"] = {"x": 5, "y": 6, "zoom": 2}
    moved["nodes"].reverse()
    moved["edges"].reverse()
    assert compile_example(moved).checksum == before
    same = copy.deepcopy(EXAMPLE)
    same["edges"][2]["data"]["when"]["conditions"][0]["value"] = 5000.0
    assert compile_example(same).checksum == before
    other = copy.deepcopy(EXAMPLE)
    other["edges"][2]["data"]["when"]["conditions"][0]["value"] = 5001
    assert compile_example(other).checksum != before


def test_regions_targets_and_limits() -> None:
    flow = compiled(
        approver("first", user="u1"),
        parallel(
            "outer",
            [approver("fin", user="u2"), parallel("inner", [approver("x", user="u3")], [], [approver("y", user="u4")])],
            [choice("size", (when("form.amount", "gt", 1), [approver("law", user="u5")]), (None, []))],
        ),
        approver("last", user="u6", return_to=["first", "fin", "nowhere"]),
        form={"amount": {"type": "number"}},
    )
    assert flow.nodes["x"].region == (("outer", 0), ("inner", 0))
    assert flow.nodes["law"].region == (("outer", 1),)
    assert flow.nodes["outer_join"].region == ()
    outer, join = flow.nodes["outer"], flow.nodes["outer_join"]
    assert isinstance(outer, ForkNode)
    assert isinstance(join, JoinNode)
    assert (outer.join, join.fork) == ("outer_join", "outer")
    x, last = flow.nodes["x"], flow.nodes["last"]
    assert isinstance(x, HumanNode)
    assert isinstance(last, HumanNode)
    assert x.return_targets == ("start", "first", "fin")
    assert last.return_targets == ("first",)
    assert flow.limits.max_parallel == 4


def test_every_type_of_node_compiles() -> None:
    flow = compiled(
        approver(
            "sum",
            users=["a", "b"],
            mode="weight",
            weight_over=1,
            skip_when=when("form.note", "is_empty"),
            timeout={"after": "PT1H", "remind": {"every": "PT10M", "max": 3}, "clock": "working", "action": "approve"},
        ),
        inclusive("some", (when("form.note", "eq", "x"), [cc("tell", user="a")]), (None, [])),
        node("wait", "delay", until="form.day", clock="working"),
        node("rest", "delay", **{"for": "P1DT12H"}),
        node("call", "webhook", connection="erp", body={"n": "{form.note}"}, save={"note": "/id"}),
        node("print", "print", template="paper", copies=2),
        node("own", "erp.book", account="4711"),
        node("tell2", "notify", template="approvals.finished", recipients=[{"type": "initiator"}]),
        node("sub", "subflow", process="travel", map_in={"sum": "form.note"}, map_out={"note": "form.result"}),
        form={"note": {"type": "string"}, "day": {"type": "string", "format": "date-time"}},
        settings={"notify": {"decided": False, "started": "own.started"}, "repeat_approver": "any"},
    )
    wait, rest, call, paper = (flow.nodes[name] for name in ("wait", "rest", "call", "print"))
    total = flow.nodes["sum"]
    assert isinstance(wait, DelayNode)
    assert isinstance(rest, DelayNode)
    assert isinstance(call, EffectNode)
    assert isinstance(paper, EffectNode)
    assert isinstance(total, HumanNode)
    assert (wait.until, rest.for_s) == ("form.day", 129_600)
    assert (call.effect, call.retries, call.timeout_s, call.config["connection"]) == ("webhook", 4, 30, "erp")
    assert (paper.effect, paper.retries, paper.config) == ("print.print", None, {"template": "paper", "copies": 2})
    assert [(each.name, each.after_s, each.repeat) for each in total.deadlines] == [
        ("remind", 600, 3),
        ("deadline", 3600, 1),
    ]
    assert (total.skip_when, total.tally.over) == (["is_empty", "form.note"], 1)
    assert total.policies.repeat_approver == "any"
    assert flow.settings.notify == {"decided": None, "started": "own.started"}
    assert flow.needs.plugins == ("approvals", "erp", "print")
    assert flow.needs.processes == ("travel",)
    assert flow.needs.connections == ("erp",)
    assert flow.needs.templates == ("approvals.finished", "own.started")


def test_what_cannot_run_does_not_compile() -> None:
    broken = flow(approver("a", user="u"), approver("b", user="u"))
    broken["edges"].append({"id": "back", "source": "b", "target": "a"})
    with pytest.raises(CompileError, match="no way back"):
        compile_flow(read_diagram(broken)[0])
    with pytest.raises(CompileError, match="no duration"):
        compiled(node("d", "delay", **{"for": "tomorrow"}))


def test_a_drawing_is_read_with_what_react_flow_adds() -> None:
    raw = copy.deepcopy(EXAMPLE)
    raw["nodes"][0] |= {"measured": {"width": 1}, "selected": True, "zIndex": 3}
    raw["nodes"][0]["data"]["colour"] = "red"
    raw["edges"][1] |= {"animated": True, "markerEnd": {"type": "arrow"}}
    raw["panels"] = []
    diagram, dropped = read_diagram(raw)
    assert sorted(dropped) == [
        "edges.1.animated",
        "edges.1.markerEnd",
        "nodes.0.measured",
        "nodes.0.selected",
        "nodes.0.zIndex",
        "panels",
    ]
    assert diagram.dump()["nodes"][0]["data"]["colour"] == "red"
    assert read_diagram(diagram.dump()) == (diagram, [])


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        ({"schema": "flow/2"}, "badSchema", "diagram.schema"),
        ({"nodes": [{"id": "a b", "type": "start"}]}, "badSchema", "diagram.nodes.0.id"),
        (
            {"nodes": [{"id": "a", "type": "start", "position": {"x": "left"}}]},
            "badSchema",
            "diagram.nodes.0.position.x",
        ),
        ({"edges": [{"id": "a", "source": "b"}]}, "badSchema", "diagram.edges.0.target"),
        ({"settings": {"title": "x" * 600_000}}, "tooLarge", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_drawing(raw: dict[str, Any], code: str, field: str | None) -> None:
    with pytest.raises(BadSchemaError) as raised:
        read_diagram(raw)
    assert raised.value.code == code
    assert [error.field for error in raised.value.errors] == ([field] if field else [])


def test_durations() -> None:
    assert read_duration("P2W") == 14 * 86_400
    assert read_duration("P1DT1H1M1S") == 90_061
    for wrong in ("", "P", "PT", "P1DT", "1h", "P1M", "P1Y", "PT0S", "P11000D", "PT1.5H", "-PT1H"):
        with pytest.raises(ValueError, match=r"no duration|not between"):
            read_duration(wrong)
