"""The rules of the graph: one start, ways that end, branches that meet."""

from collections.abc import Iterable, Sequence

from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.documents import DrawnEdge, DrawnNode
from riveredge_approvals.drawing.graph import MAX_NODES
from riveredge_approvals.drawing.validating.subject import Subject

MAX_EDGES = 2 * MAX_NODES
MAX_DEPTH = 10


def check_size(subject: Subject) -> bool:
    """Whether it is small enough for the other rules; notes it if it is not."""
    for count, limit in ((len(subject.diagram.nodes), MAX_NODES), (len(subject.diagram.edges), MAX_EDGES)):
        if count > limit:
            subject.add("tooManyNodes", count=count, limit=limit)
    return not subject.issues


def check_shape(subject: Subject) -> None:
    """All of them."""
    _check_types(subject)
    _check_ids(subject)
    _check_parents(subject)
    for circle in subject.graph.cycles():
        subject.add("cycle", node=circle[0], nodes=circle)
    for flaw in (*subject.graph.flaws, *subject.blocks.flaws):
        subject.add(flaw.code, node=flaw.node, edge=flaw.edge, **flaw.details)
    for name, node in subject.graph.nodes.items():
        _check_ways(subject, node)
        if node.type not in data.FORKS:
            _check_exits(subject, name)
    for name in subject.graph.order:
        depth = len(subject.blocks.regions.get(name, ()))
        if depth > MAX_DEPTH:
            subject.add("tooDeep", node=name, count=depth, limit=MAX_DEPTH)
            break


def _check_types(subject: Subject) -> None:
    if not subject.graph.starts:
        subject.add("noStart")
    for extra in subject.graph.starts[1:]:
        subject.add("manyStarts", node=extra)
    if not subject.has_end:
        subject.add("noEnd")
    for node in subject.graph.nodes.values():
        if data.data_model(node.type) is None:
            subject.add("unknownType", node=node.id, type=node.type)


def _check_ids(subject: Subject) -> None:
    for repeated in _repeated(subject.diagram.nodes):
        subject.add("duplicateId", node=repeated, id=repeated)
    for repeated in _repeated(subject.diagram.edges):
        subject.add("duplicateId", edge=repeated, id=repeated)


def _repeated(parts: Iterable[DrawnNode | DrawnEdge]) -> list[str]:
    seen: set[str] = set()
    found: dict[str, None] = {}
    for part in parts:
        if part.id in seen:
            found[part.id] = None
        seen.add(part.id)
    return list(found)


def _check_parents(subject: Subject) -> None:
    parents = {name: node.parent_id for name, node in subject.graph.nodes.items() if node.parent_id is not None}
    followed: set[str] = set()
    for name in parents:
        path: dict[str, int] = {}
        above: str | None = name
        while above in parents and above not in followed and above not in path:
            path[above] = len(path)
            above = parents[above]
        if above in path:
            for inside in list(path)[path[above] :]:
                subject.add("badParent", node=inside, parent=parents[inside])
        followed.update(path)
    for name, parent in parents.items():
        if parent not in subject.graph.nodes:
            subject.add("badParent", node=name, parent=parent)


def _check_ways(subject: Subject, node: DrawnNode) -> None:
    ways = len(subject.graph.out[node.id])
    if subject.graph.starts and node.id not in subject.graph.reached:
        subject.add("unreachable", node=node.id)
    elif ways == 0 and node.type != "end" and subject.has_end:
        subject.add("deadEnd", node=node.id)
    elif ways == 1 and node.type in data.FORKS:
        subject.add("tooFewBranches", node=node.id)


def _check_exits(subject: Subject, name: str) -> None:
    edges = subject.graph.out[name]
    named = data.handles(subject.graph.nodes[name].type)
    by_handle: dict[str, list[DrawnEdge]] = {handle: [] for handle in sorted(named)}
    main: list[DrawnEdge] = []
    for edge in edges:
        if edge.source_handle not in {None, "passed", *named}:
            subject.add("unknownHandle", edge=edge.id, handle=edge.source_handle)
        by_handle.get(edge.source_handle or "", main).append(edge)
    if any(len(leaving) > 1 for leaving in (main, *by_handle.values())):
        subject.add("manyOutputs", node=name)
    if edges and not main:
        subject.add("deadEnd", node=name)
    for handle, leaving in by_handle.items():
        _check_handle(subject, name, handle, leaving)


def _check_handle(subject: Subject, name: str, handle: str, leaving: Sequence[DrawnEdge]) -> None:
    read = subject.data.get(name)
    if isinstance(read, data.Approver | data.Subflow):
        wanted = read.on_reject.action == "edge"
    elif isinstance(read, data.Effect):
        wanted = read.on_error.action == "edge"
    else:
        return
    if wanted and not leaving:
        subject.add("missingExit", node=name, handle=handle)
    if leaving and not wanted:
        subject.add("unusedExit", edge=leaving[0].id, handle=handle)
