"""Drawings of other designers, taken in, and ours taken out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riveredge_approvals.drawing.documents import BadSchemaError, read_diagram
from riveredge_approvals.drawing.importing import FORMATS, Imported, ImportFailedError, import_drawing
from riveredge_approvals.drawing.validating import find_names, validate
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.plugin import AsUser

from .drawings import EXAMPLE, EXAMPLE_FORM
from .foreign import (
    FLOWLONG,
    PROFLOW_EDITOR,
    PROFLOW_VIEW,
    REACT_FLOW_11,
    REACT_FLOW_12,
    RUOYI,
    WORKFLOW_KIT,
)
from .requests import API


def nodes(imported: Imported) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for node in imported.drawing["nodes"]}


def types(imported: Imported) -> dict[str, str]:
    return {name: node["type"] for name, node in nodes(imported).items()}


def edges(imported: Imported) -> set[tuple[str, str]]:
    return {(edge["source"], edge["target"]) for edge in imported.drawing["edges"]}


def errors(imported: Imported) -> set[str]:
    """What is left to do, by codes; it can always be kept."""
    diagram, dropped = read_diagram(imported.drawing)
    assert not dropped
    return {issue.code for issue in validate(diagram, imported.form) if issue.severity == "error"}


def said(imported: Imported, kind: str) -> set[str]:
    return {note.path for note in imported.notes if note.kind == kind}


def test_react_flow() -> None:
    eleven = import_drawing(REACT_FLOW_11)
    assert eleven.format == "react-flow"
    assert (types(eleven)["1"], types(eleven)["3"]) == ("start", "end")
    assert nodes(eleven)["2"]["parentId"] == "g"
    assert nodes(eleven)["2"]["position"] == {"x": 20, "y": 20}
    assert types(eleven)["2"] == "approver"
    assert {"nodes.1.type", "nodes.2.type"} <= said(eleven, "guessed")
    # What is about looks goes without a word; an exit that there is not is told.
    assert said(eleven, "dropped") == {"edges.1.sourceHandle"}
    # The group has become a second start, for nothing leads to it.
    assert errors(eleven) == {"manyStarts", "deadEnd", "noAssignee"}
    twelve = import_drawing(REACT_FLOW_12)
    assert types(twelve) == {"s": "start", "if": "condition", "boss": "approver", "e": "end"}
    assert said(twelve, "dropped") == {"nodes.2.parentId", "edges.4"}
    branches = [edge["data"] for edge in twelve.drawing["edges"] if edge["source"] == "if"]
    assert (branches[0]["order"], branches[1]) == (1, {"order": 2, "default": True})
    assert import_drawing(twelve.drawing | {"viewport": None}).drawing["nodes"] == twelve.drawing["nodes"]


def test_proflow() -> None:
    view = import_drawing(PROFLOW_VIEW)
    assert (view.format, types(view)) == ("proflow-view", {"a1": "start", "b_1": "approver", "c1": "end"})
    assert nodes(view)["b_1"]["data"]["label"] == "First API"
    rows = [node["position"]["y"] for node in view.drawing["nodes"]]
    assert rows == sorted(set(rows))
    assert {"nodes.1.id", "nodes.1.type"} <= said(view, "guessed")
    editor = import_drawing(PROFLOW_EDITOR)
    assert (editor.format, edges(editor)) == ("proflow-editor", {("a1", "a2")})
    assert nodes(editor)["a1"]["data"] == {"id": "a1", "type": "StringNode", "mode": "all", "label": "String"}


def test_workflow_kit() -> None:
    found = import_drawing(WORKFLOW_KIT)
    assert (found.format, found.name) == ("workflow-kit", "Blog post")
    assert types(found)["2"] == "approver"
    assert types(found)["1"] == "workflow.add_toc"
    assert types(found)["1_ways"] == "condition"
    assert edges(found) == {
        ("start", "1"),
        ("1", "1_ways"),
        ("1_ways", "2"),
        ("1_ways", "3"),
        ("2", "end"),
        ("3", "end"),
    }
    assert {"edges.1.conditional", "edges.2.conditional"} <= said(found, "dropped")


def test_flowlong() -> None:
    found = import_drawing(FLOWLONG)
    assert (found.format, found.key, found.name) == ("flowlong", "leave", "请假")
    signers = nodes(found)["k3"]["data"]
    assert [line["weight"] for line in signers["assignees"]] == [40, 60]
    assert (signers["mode"], signers["weight_over"], signers["self_approval"]) == ("weight", 50, "department_head")
    assert signers["timeout"] == {"after": "PT24H", "action": "reject"}
    assert "transfer" not in signers["allow"]
    assert "add_sign" in signers["allow"]
    long, short = (edge for edge in found.drawing["edges"] if edge["source"] == "k2")
    assert long["data"]["when"]["match"] == "any"
    assert long["data"]["when"]["conditions"][0]["conditions"] == [{"field": "form.day", "op": "gt", "value": "7"}]
    assert (short["label"], short["target"], short["data"]["default"]) == ("短期", "k4", True)
    assert types(found)["k4_join"] == "join"
    assert found.form is not None
    assert found.form["properties"]["day"] == {"type": "number", "title": "天数"}
    assert any(path.endswith("branches.1") for path in said(found, "dropped"))
    assert errors(found) == set()


def test_ruoyi() -> None:
    found = import_drawing({"name": "x", "simpleModel": RUOYI})
    assert found.format == "ruoyi"
    boss = nodes(found)["Activity_boss"]["data"]
    assert boss["assignees"] == [{"type": "department_head", "of": "initiator", "level": 2}]
    assert (boss["mode"], boss["ratio"], boss["signature"], boss["self_approval"]) == ("ratio", 60, "drawn", "skip")
    assert boss["on_reject"] == {"action": "return", "to": "StartUserNode"}
    assert boss["timeout"] == {"remind": {"every": "PT6H", "max": 3}}
    assert [line["value"] for line in nodes(found)["Activity_role"]["data"]["assignees"]] == ["1", "2"]
    ways = {edge["label"]: edge for edge in found.drawing["edges"] if edge["source"] == "Gateway_1"}
    assert ways["特别"]["data"]["when"]["conditions"] == [{"field": "form.day", "op": "eq", "value": "1"}]
    assert ways["其它"]["target"] == ways["特别"]["target"] == "Delay_1"
    assert nodes(found)["Delay_1"]["data"]["for"] == "PT1H"
    assert any("54" in note.message for note in found.notes)
    assert errors(found) == set()


def test_a_condition_that_cannot_be_read_is_left_to_write() -> None:
    odd = {"rules": [{"opCode": "~", "leftSide": "day", "rightSide": "3"}, {"opCode": ">", "leftSide": "day"}]}
    said_: list[dict[str, Any]] = [{"conditionGroups": {"conditions": [odd]}}, {"conditionExpression": "${f(day)}"}]
    ways = [
        {"type": 50, "conditionSetting": each, "childNode": {"id": f"a{place}", "type": 11, "candidateStrategy": 36}}
        for place, each in enumerate(said_)
    ]
    found = import_drawing({"id": "x", "type": 10, "childNode": {"id": "c", "type": 51, "conditionNodes": ways}})
    # Neither became the branch for everything else, which was added.
    assert [edge["data"] for edge in found.drawing["edges"] if edge["source"] == "c"] == [
        {"order": 1},
        {"order": 2},
        {"default": True},
    ]
    assert errors(found) == {"noExpr"}
    assert len(said(found, "dropped")) == 2


_KEYS = st.sampled_from(
    [
        "schema",
        "nodes",
        "edges",
        "id",
        "type",
        "data",
        "position",
        "childNode",
        "nodeConfig",
        "conditionNodes",
        "nodeName",
        "actions",
        "from",
        "to",
        "source",
        "target",
        "simpleModel",
        "conditionSetting",
        "conditionGroups",
        "rules",
        "kind",
        "meta",
        "content",
        "setType",
        "nodeUserList",
        "conditionList",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 60) | st.sampled_from(["", "a", "b", "start", "flow/1", "${x>1}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_KEYS, _JSON, min_size=1, max_size=5), st.sampled_from([None, *FORMATS]))
def test_no_document_breaks_an_import(raw: dict[str, Any], format_: Any) -> None:
    try:
        found = import_drawing(raw, format_)
    except ImportFailedError:
        return
    try:
        diagram, _ = read_diagram(found.drawing)
    except BadSchemaError:
        # Ours is taken as it is; what the others become can always be kept.
        assert found.format in {"flow/1", "react-flow", "proflow-view", "proflow-editor"}
        return
    find_names(diagram)
    validate(diagram, found.form)


@pytest.mark.database
def test_imports_become_drafts_and_processes(client: ApiClient, as_user: AsUser) -> None:
    made = client.post(f"{API}/processes/import", json={"document": json.dumps(FLOWLONG)})
    assert made.status_code == 201, made.text
    assert (made.json()["process"]["key"], made.json()["format"]) == ("leave", "flowlong")
    assert {note["kind"] for note in made.json()["notes"]} == {"dropped", "guessed"}
    url = f"{API}/processes/{made.json()['process']['id']}"
    # The people of another system are none of ours: that is what is left to do.
    left = client.post(f"{url}/validate", json={}).json()
    assert {issue["code"] for issue in left["issues"] if issue["severity"] == "error"} == {"unknownUser"}
    assert client.post(f"{API}/processes/import", json={"document": FLOWLONG}).status_code == 409
    assert client.post(f"{API}/processes/import", json={"document": RUOYI}).json()["errors"][0]["field"] == "key"
    revision = client.get(f"{url}/draft").json()["revision"]
    own = {**EXAMPLE, "form": EXAMPLE_FORM}
    replaced = client.post(f"{url}/import", json={"document": own, "revision": revision})
    assert (replaced.status_code, replaced.json()["format"]) == (200, "flow/1")
    assert client.post(f"{url}/import", json={"document": own, "revision": revision}).status_code == 412
    # What was taken out comes in again the same.
    out = client.get(f"{url}/export").json()
    assert (out["schema"], out["key"], out["form"]) == ("flow/1", "leave", EXAMPLE_FORM)
    again = client.post(f"{API}/processes/import", json={"document": out, "key": "again"})
    assert again.status_code == 201, again.text
    assert again.json()["draft"]["diagram"] == client.get(f"{url}/draft").json()["diagram"]
    assert again.json()["notes"] == []
    # Chains of nested designers may be long; nothing falls over what is none.
    chain: dict[str, Any] = {"nodeName": "last", "type": -1}
    for place in range(120):
        chain = {"nodeName": f"a{place}", "type": 1, "setType": 5, "childNode": chain}
    long = client.post(f"{API}/processes/import", json={"document": json.dumps({"nodeConfig": chain}), "key": "long"})
    assert (long.status_code, len(long.json()["draft"]["diagram"]["nodes"])) == (201, 122)
    wrong: list[Any] = [{}, {"x": 1}, "no json", "[]", '{"a":' * 9000, '{"nodes": [{"id": "\\u0000", "position": {}}]}']
    wrong += ['{"nodeConfig": {"type": 0, "nodeName": "\\ud800"}}', '{"nodes": [{"id": "a", "data": {"x": NaN}}]}']
    for place, document in enumerate(wrong):
        answer = client.post(f"{API}/processes/import", json={"document": document, "key": f"w{place}"})
        assert answer.status_code == 422, answer.text
    assert as_user({REQUEST_USE}).post(f"{url}/import", json={"document": {}, "revision": 1}).status_code == 403
