"""The rules of branches: their conditions, their order, and the one for everything else."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.documents import DrawnEdge
from riveredge_approvals.drawing.expressions import compile_expression
from riveredge_approvals.drawing.validating.ranges import always, never, range_of
from riveredge_approvals.drawing.validating.subject import Subject
from riveredge_approvals.ir.conditions import OPS, type_of
from riveredge_approvals.speech import texts_of_flaw
from riveredge_sdk.conditions import Comparison, Group, bad_shape, comparisons, is_readable


def check_branches(subject: Subject) -> None:
    """All of them."""
    for name, node in subject.graph.nodes.items():
        if node.type in data.FORKS - {"parallel"}:
            _check_conditional(subject, name)
        if node.type in data.FORKS:
            _check_empty(subject, name)
    for name, read in subject.data.items():
        if isinstance(read, data.Handler) and read.skip_when is not None:
            check_expression(subject, read.skip_when, node=name)


def _check_conditional(subject: Subject, name: str) -> None:
    edges = subject.graph.out[name]
    defaults = [edge for edge in edges if edge.data.get("default") is True]
    others = [edge for edge in edges if edge.data.get("default") is not True]
    if not defaults:
        subject.add("noDefault", node=name)
    if len(defaults) > 1:
        subject.add("manyDefaults", node=name)
    orders = [edge.data.get("order") for edge in others]
    # The one for everything else comes last, whatever its number is, so that the others may leave its number out.
    numbers = [place for place in range(1, len(edges) + 1) if place not in _numbers(defaults)]
    if orders != numbers[: len(others)] and orders != list(range(1, len(others) + 1)):
        subject.add("orderGap", node=name, orders=[str(order) for order in orders])
    groups = {edge.id: group for edge in others if (group := _read(subject, edge)) is not None}
    if subject.graph.nodes[name].type == "condition":
        _check_ranges(subject, groups)


def _numbers(edges: Sequence[DrawnEdge]) -> list[Any]:
    return [edge.data.get("order") for edge in edges]


def _check_empty(subject: Subject, name: str) -> None:
    """A branch without a node: one that leads to its fork's join, or to where everything else goes, too."""
    edges = subject.graph.out[name]
    join = subject.blocks.joins.get(name)
    same = {edge.target for edge in edges if edge.data.get("default") is True}
    for edge in edges:
        if edge.data.get("default") is not True and edge.target in {join, *same}:
            subject.add("emptyBranch", edge=edge.id)


def _read(subject: Subject, edge: DrawnEdge) -> Group | None:
    raw = edge.data.get("when")
    if not isinstance(raw, Mapping) or not raw.get("conditions"):
        subject.add("noExpr", edge=edge.id)
        return None
    try:
        group = Group.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        subject.add("badExpr", edge=edge.id, reason=texts_of_flaw(first["type"], first["msg"]))
        return None
    return group if check_expression(subject, group, edge=edge.id) else None


def check_expression(subject: Subject, group: Group, *, node: str | None = None, edge: str | None = None) -> bool:
    """Whether fields and values of an expression fit; notes what does not."""
    fits = [_check_comparison(subject, each, node, edge) for each in comparisons(group)]
    if not all(fits):
        return False
    try:
        condition = compile_expression(group, subject.types)
    except (ValueError, TypeError) as error:
        subject.add("badExpr", node=node, edge=edge, reason=str(error))
        return False
    if never(condition, subject.types):
        subject.add("neverTrue", node=node, edge=edge)
    elif always(condition, subject.types):
        subject.add("alwaysTrue", node=node, edge=edge)
    return True


def _check_comparison(subject: Subject, each: Comparison, node: str | None, edge: str | None) -> bool:
    kind = type_of(each.field, subject.types)
    if each.field.startswith("nodes.") and each.field.split(".")[1] not in subject.graph.nodes:
        kind = None
    reason = bad_shape(each)
    if kind is None:
        subject.add("unknownField", node=node, edge=edge, field=each.field)
    elif reason is not None:
        subject.add("badExpr", node=node, edge=edge, reason=reason)
    elif each.op not in OPS[kind] or not is_readable(each, kind):
        subject.add("typeMismatch", node=node, edge=edge, field=each.field, type=kind, op=each.op)
    else:
        return True
    return False


def _check_ranges(subject: Subject, groups: Mapping[str, Group]) -> None:
    """Branches before this one that take some of its values."""
    known: list[tuple[str, Any]] = []
    for edge_id, group in groups.items():
        mine = range_of(compile_expression(group, subject.types), subject.types)
        if mine is None:
            continue
        other = next((name for name, theirs in known if theirs.overlaps(mine)), None)
        if other is not None:
            subject.add("overlappingRanges", edge=edge_id, field=mine.field, other=other)
        known.append((edge_id, mine))
