"""Validation: every code at its place and nothing else, and no drawing that breaks it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riveredge_approvals.drawing.compiling import compile_flow
from riveredge_approvals.drawing.documents import BadSchemaError, read_diagram
from riveredge_approvals.drawing.validating import CODES, Catalog, Issue, find_names, validate
from riveredge_approvals.drawing.validating.texts import TEXTS

from .drawings import EXAMPLE, EXAMPLE_FORM, approver, cc, choice, flow, handler, inclusive, node, parallel, when
from .flaws import BIG, FLAWS, FORM, Flawed, branches

# Those that a drawing alone cannot have; the tests over REST meet them.
OF_DRAFTS = {"staleRevision", "checksumUnchanged"}


def issues_of(flawed: Flawed) -> list[Issue]:
    try:
        return validate(read_diagram(flawed.drawing)[0], FORM, flawed.catalog)
    except BadSchemaError as error:
        return [Issue(error.code, details={"path": "diagram", "reason": str(error)})]


@pytest.mark.parametrize("flawed", FLAWS, ids=lambda flawed: flawed.code)
def test_each_flaw_is_found_at_its_place_and_no_other(flawed: Flawed) -> None:
    issues = issues_of(flawed)
    assert [(issue.code, issue.node or issue.edge) for issue in issues] == [(flawed.code, flawed.at)]
    for locale in ("en", "zh-CN"):
        # Nothing that a sentence speaks of is missing from the details.
        assert "?" not in issues[0].message(locale).removesuffix("?")
    if (reason := issues[0].details.get("reason")) is not None and flawed.code != "badTemplate":
        # What a sentence is about is in the reader's language, too.
        assert isinstance(reason, str) or any("\u4e00" <= letter <= "\u9fff" for letter in reason["zh-CN"])


def test_every_code_has_a_smallest_drawing() -> None:
    assert {flawed.code for flawed in FLAWS} | OF_DRAFTS == CODES
    for code, texts in TEXTS.items():
        assert len(set(texts)) == 2 or code in {"badData", "badSchema"}, code


def test_sound_drawings_have_no_issues() -> None:
    assert validate(read_diagram(EXAMPLE)[0], EXAMPLE_FORM) == []
    # What comes first may be within what comes later: that is how ranges are written.
    cascade = branches(BIG, when("form.amount", "gt", 50))
    assert validate(read_diagram(cascade)[0], FORM) == []


_TEXT = st.sampled_from(
    ["", "a", "u", "form.amount", "form.gone", "nodes.n1.outcome", "PT1H", "1e999999999", "-1", "{"]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | _TEXT
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    [
        "assignees",
        "mode",
        "count",
        "ratio",
        "timeout",
        "fields",
        "return_to",
        "on_reject",
        "skip_when",
        "for",
        "until",
        "recipients",
        "process",
        "version",
        "connection",
        "body",
        "template",
        "label",
        "save",
        "on_empty",
        "allow",
    ]
)
_TYPES = ["start", "approver", "handler", "cc", "condition", "parallel", "inclusive", "join", "delay", "webhook"]
_TYPES += ["notify", "subflow", "end", "print", "erp.book", "magic", ""]
_NAMES = [f"n{number}" for number in range(8)]


def _conditions() -> st.SearchStrategy[dict[str, Any]]:
    one = st.fixed_dictionaries(
        {
            "field": st.sampled_from(["form.amount", "form.note", "form.day", "initiator.id", "nodes.n1.outcome", "x"]),
            "op": st.sampled_from(["gt", "lt", "eq", "in", "between", "contains", "is_empty", "starts_with"]),
            "value": _VALUES | st.integers(0, 9) | st.lists(st.integers(0, 9), min_size=2, max_size=2),
        }
    )
    group = st.fixed_dictionaries(
        {"match": st.sampled_from(["all", "any", "none"]), "conditions": st.lists(one, max_size=3)}
    )
    return group | st.fixed_dictionaries({"match": st.just("all"), "conditions": st.lists(group, max_size=2)})


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that has the form of a drawing."""
    ids = st.sampled_from(_NAMES)
    nodes = st.builds(
        lambda name, kind, data, parent: {**node(name, kind, **data), **({"parentId": parent} if parent else {})},
        ids,
        st.sampled_from(_TYPES),
        st.dictionaries(_KEYS, _VALUES, max_size=3),
        st.none() | ids,
    )
    says = st.dictionaries(st.sampled_from(["order", "default", "when"]), _VALUES | _conditions(), max_size=3)
    edges = st.builds(
        lambda name, source, target, handle, data: {
            "id": name,
            "source": source,
            "target": target,
            "data": data,
            **({"sourceHandle": handle} if handle else {}),
        },
        st.sampled_from("abcdefghij"),
        ids,
        ids,
        st.sampled_from([None, None, "rejected", "error", "x"]),
        says,
    )
    return {
        "settings": draw(st.dictionaries(st.sampled_from(["title", "serial", "notify", "start", "admins"]), _VALUES)),
        "nodes": draw(st.lists(nodes, max_size=8)),
        "edges": draw(st.lists(edges, max_size=14)),
    }


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_no_drawing_breaks_validation(raw: dict[str, Any]) -> None:
    try:
        diagram, _ = read_diagram(raw)
    except BadSchemaError:
        return
    find_names(diagram)
    issues = validate(diagram, FORM, Catalog(users={}, roles={}, resolvers=frozenset(), processes={}))
    for issue in issues:
        assert issue.message("zh-CN")
    if not any(issue.severity == "error" for issue in issues):
        compile_flow(diagram, FORM)


@st.composite
def steps(draw: st.DrawFn, depth: int = 3) -> list[Any]:
    """Blocks as the designer makes them, with conditions that may be wrong."""
    found: list[Any] = []
    for _ in range(draw(st.integers(0, 3))):
        name = f"n{draw(st.integers(0, 10**9))}"
        kind = draw(
            st.sampled_from(["approver", "handler", "cc", "choice", "inclusive", "parallel"] if depth else ["cc"])
        )
        if kind in {"choice", "inclusive"}:
            ways = [(draw(_conditions()), draw(steps(depth - 1))), (None, draw(steps(depth - 1)))]
            found.append((choice if kind == "choice" else inclusive)(name, *ways))
        elif kind == "parallel":
            found.append(parallel(name, draw(steps(depth - 1)), draw(steps(depth - 1))))
        else:
            found.append({"approver": approver, "handler": handler, "cc": cc}[kind](name, user="u"))
    return found


@settings(max_examples=60, deadline=None)
@given(steps())
def test_what_has_no_errors_compiles(drawn: list[Any]) -> None:
    diagram, _ = read_diagram(flow(*drawn))
    if not any(issue.severity == "error" for issue in validate(diagram, FORM)):
        assert compile_flow(diagram, FORM).checksum == compile_flow(diagram, FORM).checksum
