"""A drawing as a graph: order, regions of forks and joins, dominators. Each is one pass over nodes and edges."""

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from riveredge_approvals.drawing.documents import Diagram, DrawnEdge, DrawnNode
from riveredge_approvals.drawing.nodes import FORKS, TOKENS

Region = tuple[tuple[str, int], ...]
_LAST: Final = float("inf")
MAX_NODES: Final = 300


@dataclass(frozen=True, slots=True)
class Flaw:
    """What keeps a graph from being one, or from being made of blocks: a code of the validation, and where."""

    code: str
    node: str | None = None
    edge: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Graph:
    """Nodes by id, with the edges that leave and enter them.

    Attributes:
        flaws: of edges that cannot be, such as those without both ends, and have been left out.
        reached: the nodes that can be reached from a start.
        order: those of them, each after all that lead to it; what lies in or behind a cycle is missing.
    """

    def __init__(self, diagram: Diagram) -> None:
        self.nodes: dict[str, DrawnNode] = {}
        for node in diagram.nodes:
            self.nodes.setdefault(node.id, node)
        self.out: dict[str, list[DrawnEdge]] = {name: [] for name in self.nodes}
        self.into: dict[str, list[DrawnEdge]] = {name: [] for name in self.nodes}
        self.flaws: list[Flaw] = []
        self._add(diagram.edges)
        for edges in self.out.values():
            edges.sort(key=_place)
        self.starts = [node.id for node in self.nodes.values() if node.type == "start"]
        self.reached = self._walk(self.starts)
        self.order = self._sorted()

    def _add(self, edges: Iterable[DrawnEdge]) -> None:
        known: dict[str, str] = {}
        for edge in edges:
            flaw = self._flaw(edge)
            if flaw is None:
                key = self._says(edge)
                if key in known:
                    flaw = Flaw("duplicateEdge", edge=edge.id, details={"other": known[key]})
                known.setdefault(key, edge.id)
            if flaw is not None:
                self.flaws.append(flaw)
                continue
            self.out[edge.source].append(edge)
            self.into[edge.target].append(edge)

    def _flaw(self, edge: DrawnEdge) -> Flaw | None:
        """Why it cannot be."""
        for name in (edge.source, edge.target):
            if name not in self.nodes:
                return Flaw("danglingEdge", edge=edge.id, details={"id": name})
        if edge.source == edge.target:
            return Flaw("selfLoop", edge=edge.id)
        if self.nodes[edge.source].type == "end":
            return Flaw("edgeFromEnd", edge=edge.id)
        if self.nodes[edge.target].type == "start":
            return Flaw("edgeIntoStart", edge=edge.id)
        return None

    def _says(self, edge: DrawnEdge) -> str:
        """The same for edges that say the same. Several branches of conditions may lead to one node."""
        conditional = self.nodes[edge.source].type in FORKS - {"parallel"}
        says = [edge.data.get("when"), edge.data.get("default")] if conditional else None
        return json.dumps([edge.source, edge.target, edge.source_handle, says], sort_keys=True)

    def _walk(self, origins: Iterable[str]) -> set[str]:
        pending = list(origins)
        seen = set(pending)
        while pending:
            for edge in self.out[pending.pop()]:
                if edge.target not in seen:
                    seen.add(edge.target)
                    pending.append(edge.target)
        return seen

    def _sorted(self) -> list[str]:
        waiting = {name: sum(edge.source in self.reached for edge in self.into[name]) for name in self.reached}
        ready = deque(sorted(name for name, count in waiting.items() if count == 0))
        found: list[str] = []
        while ready:
            name = ready.popleft()
            found.append(name)
            for edge in self.out[name]:
                waiting[edge.target] -= 1
                if waiting[edge.target] == 0:
                    ready.append(edge.target)
        return found

    def cycles(self) -> list[list[str]]:
        """The strongly connected parts with more than one node (Kosaraju), those that make it no forward graph."""
        left = set(self.nodes)
        found: list[list[str]] = []
        for root in reversed(self._finished()):
            if root not in left:
                continue
            left.discard(root)
            part = [root]
            for name in part:
                coming = {edge.source for edge in self.into[name]} & left
                left -= coming
                part += sorted(coming)
            if len(part) > 1:
                found.append(sorted(part))
        return found

    def _finished(self) -> list[str]:
        """All nodes, each after those that a walk in depth has reached from it."""
        seen: set[str] = set()
        found: list[str] = []
        for root in self.nodes:
            pending = [(root, False)]
            while pending:
                name, left = pending.pop()
                if left:
                    found.append(name)
                elif name not in seen:
                    seen.add(name)
                    pending.append((name, True))
                    pending += [(edge.target, False) for edge in self.out[name]]
        return found


def _place(edge: DrawnEdge) -> tuple[bool, float, str]:
    """The branches of a node in their order; the one for everything else comes last."""
    order: Any = edge.data.get("order")
    known = isinstance(order, int | float) and not isinstance(order, bool)
    return edge.data.get("default") is True, order if known else _LAST, edge.id


@dataclass(slots=True)
class Blocks:
    """The regions of a graph.

    Attributes:
        regions: by node, the forks around it, outermost first, each with the number of the branch.
        joins: the join of each fork; forks: the fork of each join.
    """

    regions: dict[str, Region] = field(default_factory=dict)
    joins: dict[str, str] = field(default_factory=dict)
    forks: dict[str, str] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)


def find_blocks(graph: Graph) -> Blocks:
    """Match forks with joins."""
    blocks = Blocks()
    branches = {id(edge): place for name in graph.order for place, edge in enumerate(graph.out[name])}
    crossings: list[tuple[str, set[str]]] = []
    for name in graph.order:
        entering = [edge for edge in graph.into[name] if edge.source in blocks.regions]
        coming = {_region_behind(graph, blocks, edge, branches[id(edge)]) for edge in entering}
        if graph.nodes[name].type == "join":
            crossed = _close(blocks, name, coming)
        else:
            crossed = len(coming) > 1
            blocks.regions[name] = _innermost(coming)
        if crossed:
            crossings.append((name, {fork for region in coming for fork, _ in region}))
    open_forks = [name for name in graph.order if graph.nodes[name].type in TOKENS and name not in blocks.joins]
    blocks.flaws += [Flaw("noJoin", name) for name in open_forks]
    # Where a join is missing, it is all that is wrong there.
    blocks.flaws += [Flaw("crossesRegion", name) for name, forks in crossings if not forks & set(open_forks)]
    for name in graph.order:
        around = blocks.regions[name]
        if graph.nodes[name].type == "end" and around and around[-1][0] in blocks.joins:
            blocks.flaws.append(Flaw("endInsideParallel", name, details={"fork": around[-1][0]}))
    return blocks


def _region_behind(graph: Graph, blocks: Blocks, edge: DrawnEdge, branch: int) -> Region:
    around = blocks.regions[edge.source]
    return (*around, (edge.source, branch)) if graph.nodes[edge.source].type in TOKENS else around


def _close(blocks: Blocks, name: str, coming: set[Region]) -> bool:
    """Match a join with its fork; whether branches of others come here, too."""
    inside = {region for region in coming if region}
    if not inside:
        blocks.flaws.append(Flaw("joinWithoutFork", name))
        blocks.regions[name] = ()
        return False
    inner = _innermost(inside)
    around, fork = inner[:-1], inner[-1][0]
    blocks.regions[name] = around
    if fork in blocks.joins:
        joins = sorted({blocks.joins[fork], name})
        blocks.flaws.append(Flaw("manyJoins", fork, details={"joins": joins}))
    else:
        blocks.joins[fork], blocks.forks[name] = name, fork
    return any(not region or (region[:-1], region[-1][0]) != (around, fork) for region in coming)


def _innermost(regions: set[Region]) -> Region:
    """The deepest of them; the first, if several are."""
    return min(regions, key=lambda region: (-len(region), region), default=())


def find_dominators(graph: Graph) -> dict[str, tuple[str, ...]]:
    """By node, those that every path to it passes, the nearest last (Cooper, Harvey, Kennedy; a DAG needs one pass)."""
    parent: dict[str, str | None] = {}
    depth: dict[str, int] = {}
    for name in graph.order:
        near: str | None = None
        for source in (edge.source for edge in graph.into[name] if edge.source in depth):
            near = source if near is None else _meet(near, source, parent, depth)
        parent[name] = near
        depth[name] = depth[near] + 1 if near is not None else 0
    chains: dict[str, tuple[str, ...]] = {}
    for name in graph.order:
        above = parent[name]
        chains[name] = (*chains[above], above) if above is not None else ()
    return chains


def _meet(left: str, right: str, parent: Mapping[str, str | None], depth: Mapping[str, int]) -> str | None:
    one: str | None = left
    other: str | None = right
    while one != other and one is not None and other is not None:
        if depth[one] >= depth[other]:
            one = parent[one]
        else:
            other = parent[other]
    return one if one == other else None


def longest_path(graph: Graph) -> int:
    """How many nodes the longest way through has."""
    length: dict[str, int] = {}
    for name in graph.order:
        length[name] = 1 + max((length.get(edge.source, 0) for edge in graph.into[name]), default=0)
    return max(length.values(), default=0)


def most_tokens(graph: Graph, blocks: Blocks) -> int:
    """How many nodes can be active at the same time."""
    widest: dict[tuple[str, int] | None, int] = {}
    for name in reversed(graph.order):
        if graph.nodes[name].type in TOKENS:
            width = sum(widest.get((name, branch), 1) for branch in range(len(graph.out[name])))
            around = blocks.regions[name][-1] if blocks.regions[name] else None
            widest[around] = max(widest.get(around, 1), width)
    return widest.get(None, 1)


def depth_of(regions: Iterable[Sequence[Any]]) -> int:
    """How deep regions are within one another."""
    return max((len(region) for region in regions), default=0)
