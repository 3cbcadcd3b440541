"""The smallest drawing for every code of the validation that a drawing alone can have."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from riveredge_approvals.drawing.validating import Catalog, OtherProcess, config_key

from .drawings import approver, cc, flow, node, parallel, people, schema_of, when

FORM = schema_of(
    {"amount": {"type": "number"}, "day": {"type": "string", "format": "date"}, "note": {"type": "string"}}, "amount"
)
BIG = when("form.amount", "gt", 100)


@dataclass(frozen=True)
class Flawed:
    """A drawing that has one flaw, and where: a node, an edge, or the whole (None)."""

    code: str
    at: str | None
    drawing: Mapping[str, Any]
    catalog: Catalog = field(default_factory=Catalog)


def human(name: str = "a", **data: Any) -> dict[str, Any]:
    return approver(name, user="u", **data)


def who(**line: Any) -> dict[str, Any]:
    """Somebody who is named in this way decides on the node `a`."""
    return flow(approver("a", assignees=[line]))


def draw(edges: str, *nodes: Any) -> dict[str, Any]:
    """Nodes, and edges `from-to`, which are called so. Start and end are there."""
    drawn = [{"id": each, "source": each.split("-")[0], "target": each.split("-")[1]} for each in edges.split()]
    return {"nodes": [node("start", "start"), *nodes, node("end", "end")], "edges": drawn}


def changed(drawing: Mapping[str, Any], edge: str, **more: Any) -> dict[str, Any]:
    """A drawing with an edge that says more."""
    found = copy.deepcopy(dict(drawing))
    next(each for each in found["edges"] if each["id"] == edge).update(more)
    return found


def extended(drawing: Mapping[str, Any], *nodes: Any, edges: str = "") -> dict[str, Any]:
    """A drawing with more in it."""
    return {
        **drawing,
        "nodes": [*drawing["nodes"], *nodes],
        "edges": [*drawing["edges"], *draw(edges)["edges"]],
    }


def without(drawing: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A drawing without a node."""
    return {**drawing, "nodes": [each for each in drawing["nodes"] if each["id"] != name]}


def branches(*conditions: Any) -> dict[str, Any]:
    """A condition `c` with branches `c-a`, `c-b`, … and one, `c-z`, for everything else."""
    names = "abdefg"[: len(conditions)]
    ways = " ".join(f"c-{name} {name}-end" for name in (*names, "z"))
    drawing = draw(f"start-c {ways}", node("c", "condition"), *(human(name) for name in (*names, "z")))
    for order, (name, condition) in enumerate(zip(names, conditions, strict=True), 1):
        drawing = changed(drawing, f"c-{name}", data={"order": order, "when": condition})
    return changed(drawing, "c-z", data={"default": True})


def nested(depth: int) -> dict[str, Any]:
    """Parallel branches within one another, the outermost one is called p1."""
    steps: list[Any] = [human("deep")]
    for level in range(depth, 0, -1):
        steps = [parallel(f"p{level}", steps, [human(f"a{level}")])]
    return flow(*steps)


def both(*conditions: Any) -> dict[str, Any]:
    return {"match": "all", "conditions": [part for each in conditions for part in each["conditions"]]}


TIMED = {"after": "PT1H", "action": "approve"}


def hook(**data: Any) -> dict[str, Any]:
    return flow(node("a", "webhook", **{"connection": "erp", **data}))


def split(edges: str, *names: str) -> dict[str, Any]:
    """A condition `c` that leads to `a` if the amount is big, and to `rest` else."""
    drawing = draw(edges, node("c", "condition"), *(human(name) for name in names))
    first, rest = (each["id"] for each in drawing["edges"] if each["source"] == "c")
    return changed(changed(drawing, first, data={"order": 1, "when": BIG}), rest, data={"default": True})


J = node("j", "join")
P = node("p", "parallel")
GRAPH = [
    Flawed("noStart", None, without(draw("a-end", human()), "start")),
    Flawed("manyStarts", "also", draw("start-a also-a a-end", human(), node("also", "start"))),
    Flawed("noEnd", None, without(draw("start-a", human()), "end")),
    Flawed("duplicateId", "a", draw("start-a a-end", human(), human())),
    Flawed(
        "duplicateId",
        "a-b",
        draw("start-a a-b b-end", human("a"), human("b"))
        | {"edges": [*draw("start-a a-b")["edges"], {"id": "a-b", "source": "b", "target": "end"}]},
    ),
    Flawed("danglingEdge", "a-gone", draw("start-a a-end a-gone", human())),
    Flawed("selfLoop", "a-a", draw("start-a a-a a-end", human())),
    Flawed("duplicateEdge", "a-end", changed(draw("start-a a-end a-end", human()), "a-end", id="first")),
    Flawed("unreachable", "b", draw("start-a a-end b-end", human("a"), human("b"))),
    Flawed("deadEnd", "b", split("start-c c-a c-b a-end", "a", "b")),
    Flawed("cycle", "a", split("start-c c-a c-end a-c", "a")),
    Flawed("manyOutputs", "a", draw("start-a a-b a-end b-end", human("a"), human("b"))),
    Flawed(
        "tooFewBranches", "c", changed(draw("start-c c-end", node("c", "condition")), "c-end", data={"default": True})
    ),
    Flawed("edgeFromEnd", "end-a", draw("start-a a-end end-a", human())),
    Flawed("edgeIntoStart", "a-start", draw("start-a a-end a-start", human())),
    Flawed("noJoin", "p", draw("start-p p-a p-b a-end b-end", P, human("a"), human("b"))),
    Flawed(
        "manyJoins", "p", draw("start-p p-a p-b a-j b-k j-end k-end", P, human("a"), human("b"), J, node("k", "join"))
    ),
    Flawed("joinWithoutFork", "j", draw("start-j j-end", J)),
    Flawed(
        "crossesRegion", "b", draw("start-p p-a p-b p-d a-b b-j d-j j-end", P, human("a"), human("b"), human("d"), J)
    ),
    Flawed(
        "endInsideParallel",
        "stop",
        draw("start-p p-a p-b p-d a-j b-j d-stop j-end", P, human("a"), human("b"), human("d"), J, node("stop", "end")),
    ),
    Flawed("unknownHandle", "a-end", changed(draw("start-a a-end", human()), "a-end", sourceHandle="left")),
    Flawed("missingExit", "a", flow(human(on_reject={"action": "edge"}))),
    Flawed(
        "unusedExit",
        "a-stop",
        changed(draw("start-a a-end a-stop", human(), node("stop", "end")), "a-stop", sourceHandle="rejected"),
    ),
    Flawed("unknownType", "a", draw("start-a a-end", node("a", "magic"))),
    Flawed("badParent", "a", draw("start-a a-end", {**human(), "parentId": "gone"})),
    Flawed("badParent", "a", draw("start-a a-end", {**human(), "parentId": "a"})),
    Flawed("tooManyNodes", None, flow(*(human(f"a{number}") for number in range(301)))),
    Flawed("tooDeep", "deep", nested(11)),
]

BRANCHES = [
    Flawed("noDefault", "c", changed(branches(BIG), "c-z", data={"order": 2, "when": when("form.amount", "le", 100)})),
    Flawed("manyDefaults", "c", changed(branches(BIG), "c-a", data={"default": True})),
    Flawed("noExpr", "c-a", branches(None)),
    Flawed("badExpr", "c-a", branches(when("amount", "gt", 1))),
    Flawed("badExpr", "c-a", branches(when("form.amount", "between", 1))),
    Flawed("unknownField", "c-a", branches(when("form.gone", "gt", 1))),
    Flawed("unknownField", "c-a", branches(when("nodes.gone.outcome", "eq", "approved"))),
    Flawed("typeMismatch", "c-a", branches(when("form.amount", "gt", "much"))),
    Flawed("typeMismatch", "c-a", branches(when("form.note", "gt", "a"))),
    Flawed("orderGap", "c", changed(branches(BIG), "c-a", data={"order": 3, "when": BIG})),
    Flawed("alwaysTrue", "c-a", branches({**both(BIG, when("form.amount", "lt", 200)), "match": "any"})),
    Flawed("neverTrue", "c-a", branches(both(BIG, when("form.amount", "lt", 50)))),
    Flawed("overlappingRanges", "c-b", branches(when("form.amount", "between", [1, 9]), when("form.amount", "ge", 5))),
    Flawed("emptyBranch", "p-j", draw("start-p p-a p-j a-j j-end", P, human("a"), J)),
    Flawed(
        "emptyBranch",
        "c-a",
        changed(
            changed(draw("start-c c-a a-end", node("c", "condition"), human()), "c-a", data={"order": 1, "when": BIG}),
            "c-a",
        )
        | {
            "edges": [
                *draw("start-c a-end")["edges"],
                {"id": "c-a", "source": "c", "target": "a", "data": {"order": 1, "when": BIG}},
                {"id": "else", "source": "c", "target": "a", "data": {"default": True}},
            ]
        },
    ),
]

PEOPLE = [
    Flawed("noAssignee", "a", flow(approver("a"))),
    Flawed("noAssignee", "a", flow(cc("a"))),
    Flawed("noAssignee", "a", flow(human(on_empty={"action": "users"}))),
    Flawed("unknownUser", "a", who(type="user", value="u"), Catalog(users={})),
    Flawed("unknownUser", None, flow(settings={"admins": [{"type": "user", "value": "u"}]}), Catalog(users={})),
    Flawed("inactiveUser", "a", who(type="user", value="u"), Catalog(users={"u": False})),
    Flawed("unknownRole", "a", who(type="manager_chain", until={"role": "r"}), Catalog(roles={})),
    Flawed(
        "unknownRole",
        "a",
        who(type="initiator_choice", **{"from": [{"type": "role", "value": "r"}]}),
        Catalog(roles={}),
    ),
    Flawed("emptyRole", "a", who(type="role", value="r"), Catalog(roles={"r": False})),
    Flawed("unknownDepartment", "a", who(type="department", value="d"), Catalog(departments=frozenset())),
    Flawed("unknownGroup", "a", who(type="group", value="g"), Catalog(groups=frozenset())),
    Flawed("unknownResolver", "a", who(type="resolver", id="crm.owner"), Catalog(resolvers=frozenset())),
    Flawed(
        "badResolverConfig",
        "a",
        who(type="resolver", id="crm.owner", config={"x": 1}),
        Catalog(refused={config_key("crm.owner", {"x": 1}): ["x: no such field"]}),
    ),
    Flawed("choiceOnFirstNode", "a", who(type="previous_choice", node="start")),
    Flawed("badNodeRef", "b", flow(human(), approver("b", assignees=[{"type": "previous_choice", "node": "b"}]))),
    Flawed("badNodeRef", "a", flow(approver("a", assignees=[{"type": "same_as", "node": "b"}]), human("b"))),
    Flawed("unknownField", "a", who(type="manager", of="form:gone")),
    Flawed("ratioRange", "a", flow(human(mode="ratio", ratio=101))),
    Flawed("ratioRange", "a", flow(human(mode="n_of_m"))),
    Flawed("countExceedsRoster", "a", flow(approver("a", users=["u", "v"], mode="n_of_m", count=3))),
    Flawed("weightMissing", "a", flow(human(mode="weight"))),
    Flawed("autoApproveOnEmpty", "a", flow(human(on_empty={"action": "approve"}))),
    Flawed("selfApprovalLoop", "a", who(type="initiator")),
]

BEHAVIOUR = [
    Flawed("badReturnTarget", "b", flow(human(), human("b", return_to=["c"]), human("c"))),
    Flawed("badReturnTarget", "a", flow(human(on_reject={"action": "return"}))),
    Flawed("returnLeavesRegion", "b", flow(human(), parallel("p", [human("b", return_to=["a"])], [human("c")]))),
    Flawed("badDuration", "a", flow(human(timeout={**TIMED, "after": "tomorrow"}))),
    Flawed("badDuration", "a", flow(node("a", "delay"))),
    Flawed("badDuration", "a", flow(node("a", "delay", until="someday"))),
    Flawed("typeMismatch", "a", flow(node("a", "delay", until="form.note"))),
    Flawed("timeoutWithoutAction", "a", flow(human(timeout={}))),
    Flawed(
        "timeoutWithoutAction", "a", flow(human(timeout={"after": "PT1H"}), settings={"notify": {"overdue": False}})
    ),
    Flawed("escalateWithoutTarget", "a", flow(human(timeout={**TIMED, "action": "escalate"}))),
    Flawed("callbackWithoutTimeout", "a", hook(wait_callback=True)),
    Flawed("unknownConnection", "a", hook(), Catalog(connections=frozenset())),
    Flawed("secretInBody", "a", hook(body={"auth": {"api_key": "abc"}})),
    Flawed("secretInBody", "a", hook(headers={"X-Auth": "Bearer 0123456789abc"})),
    Flawed("secretInBody", "a", hook(path="/orders?access_token=0123456789")),
    Flawed("badTemplate", "a", hook(body={"amount": "{{ form.gone }}"})),
    Flawed("badTemplate", None, flow(settings={"title": "{amount}"})),
    Flawed("badTemplate", None, flow(settings={"serial": "AP"})),
    Flawed(
        "unknownTemplate",
        "a",
        flow(node("a", "notify", template="acme.gone", recipients=people("u"))),
        Catalog(templates=frozenset()),
    ),
    Flawed("badFieldPermission", "a", flow(human(fields={"gone": "read", "*": "read"}))),
    Flawed(
        "requiredFieldHidden", "start", extended(without(flow(), "start"), node("start", "start", fields={"*": "read"}))
    ),
    Flawed("subflowMissing", "a", flow(node("a", "subflow", process="b")), Catalog(processes={})),
    Flawed(
        "subflowCycle",
        "a",
        flow(node("a", "subflow", process="b")),
        Catalog(
            process="p",
            processes={
                "b": OtherProcess(published=True, last_version=1, calls=["c"]),
                "c": OtherProcess(published=True, last_version=1, calls=["p"]),
            },
        ),
    ),
    Flawed(
        "subflowNotPublished",
        "a",
        flow(node("a", "subflow", process="b", version=3)),
        Catalog(processes={"b": OtherProcess(published=True, last_version=2)}),
    ),
    Flawed("pluginMissing", "a", flow(node("a", "erp.book")), Catalog(effects=frozenset())),
]

DOCUMENT = [
    Flawed("badSchema", None, {"schema": "flow/2"}),
    Flawed("badSchema", None, {"nodes": [node("not an id", "start")]}),
    Flawed("tooLarge", None, flow(settings={"title": "x" * 600_000})),
    Flawed("badData", "a", flow(human(mode="most"))),
    Flawed(
        "badData",
        "a",
        flow(node("a", "erp.book", account=7)),
        Catalog(refused={config_key("erp.book", {"account": 7}): ["account: expected a text"]}),
    ),
    Flawed("badData", None, flow(settings={"withdraw": "sometimes"})),
]

FLAWS = [*GRAPH, *BRANCHES, *PEOPLE, *BEHAVIOUR, *DOCUMENT]
