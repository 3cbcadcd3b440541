"""A drawing as a graph: order, regions of forks and joins, dominators. Each is one pass over nodes and edges."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from riveredge_approvals.drawing.documents import Diagram, DrawnEdge, DrawnNode
from riveredge_approvals.drawing.nodes import TOKENS

Region = tuple[tuple[str, int], ...]
_LAST: Final = float("inf")


class Graph:
    """Nodes by id, with the edges that leave and enter them. Edges without both ends are left out.

    Attributes:
        reached: the nodes that can be reached from a start.
        order: those of them, each after all that lead to it; what lies in or behind a cycle is missing.
    """

    def __init__(self, diagram: Diagram) -> None:
        self.nodes: dict[str, DrawnNode] = {}
        for node in diagram.nodes:
            self.nodes.setdefault(node.id, node)
        self.out: dict[str, list[DrawnEdge]] = {name: [] for name in self.nodes}
        self.into: dict[str, list[DrawnEdge]] = {name: [] for name in self.nodes}
        for edge in diagram.edges:
            if edge.source in self.nodes and edge.target in self.nodes:
                self.out[edge.source].append(edge)
                self.into[edge.target].append(edge)
        for edges in self.out.values():
            edges.sort(key=_place)
        self.starts = [node.id for node in self.nodes.values() if node.type == "start"]
        self.reached = self._walk(self.starts, forward=True)
        self.order = self._sorted()

    def ending(self) -> set[str]:
        """The nodes from which an end can be reached."""
        return self._walk((node.id for node in self.nodes.values() if node.type == "end"), forward=False)

    def _walk(self, origins: Iterable[str], *, forward: bool) -> set[str]:
        pending = list(origins)
        seen = set(pending)
        while pending:
            name = pending.pop()
            edges = self.out[name] if forward else self.into[name]
            for other in (edge.target if forward else edge.source for edge in edges):
                if other not in seen:
                    seen.add(other)
                    pending.append(other)
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


@dataclass(frozen=True, slots=True)
class Flaw:
    """What keeps a graph from being made of blocks: a code of the validation, and where."""

    code: str
    node: str
    details: Mapping[str, Any] = field(default_factory=dict)


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
    for name in graph.order:
        coming = {_region_behind(graph, blocks, edge) for edge in graph.into[name] if edge.source in blocks.regions}
        if graph.nodes[name].type == "join":
            _close(blocks, name, coming)
        else:
            if len(coming) > 1:
                blocks.flaws.append(Flaw("crossesRegion", name))
            blocks.regions[name] = _common(coming)
            if graph.nodes[name].type == "end" and blocks.regions[name]:
                blocks.flaws.append(Flaw("endInsideParallel", name, {"fork": blocks.regions[name][-1][0]}))
    for name in graph.order:
        if graph.nodes[name].type in TOKENS and name not in blocks.joins:
            blocks.flaws.append(Flaw("noJoin", name))
    return blocks


def _region_behind(graph: Graph, blocks: Blocks, edge: DrawnEdge) -> Region:
    around = blocks.regions[edge.source]
    if graph.nodes[edge.source].type not in TOKENS:
        return around
    return (*around, (edge.source, graph.out[edge.source].index(edge)))


def _close(blocks: Blocks, name: str, coming: set[Region]) -> None:
    inside = {region for region in coming if region}
    forks = {(region[:-1], region[-1][0]) for region in inside}
    if not inside:
        blocks.flaws.append(Flaw("joinWithoutFork", name))
    elif len(forks) > 1 or len(inside) < len(coming):
        blocks.flaws.append(Flaw("crossesRegion", name))
    if not inside:
        blocks.regions[name] = ()
        return
    around, fork = min(forks)
    blocks.regions[name] = around
    if fork in blocks.joins:
        blocks.flaws.append(Flaw("manyJoins", fork, {"joins": sorted({blocks.joins[fork], name})}))
    else:
        blocks.joins[fork], blocks.forks[name] = name, fork


def _common(regions: set[Region]) -> Region:
    """What all of them begin with."""
    shortest: Region = min(regions, key=len, default=())
    for length in range(len(shortest), 0, -1):
        if all(region[:length] == shortest[:length] for region in regions):
            return shortest[:length]
    return ()


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
