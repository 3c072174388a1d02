"""The specification of all the sampler's options, in plain Python over plain lists; see tests/reference.py.

A graph here is one seed's subgraph, or a merged batch: the same function samples both. Nodes are found by scanning the
list of those that are known; what an option means is written down where it acts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.reference import Stream, choose, fold

END = 2**63 - 1


@dataclass
class Neighbor:
    """`edge`: the number of the edge that leads to it."""

    row: int
    edge: int
    weight: float = 1.0


@dataclass
class EdgeType:
    """`lists[r]`: the neighbors of row r; a foreign key's is at most one parent, and `is_key` is set."""

    expanded: int
    found: int
    lists: list[list[Neighbor]]
    reverse: int = -1
    is_key: bool = False
    weighted: bool = False
    numbered: bool = False
    timed_by: int = -1
    """The table whose rows the edges' numbers are, where edges have times of their own."""


@dataclass
class Graph:
    num_rows: list[int]
    time: list[list[int] | None]
    edge_types: list[EdgeType]

    def node_tables(self) -> list[int]:
        """The tables whose rows are not edges."""
        of_edges = {edge_type.timed_by for edge_type in self.edge_types}
        return [t for t in range(len(self.num_rows)) if t not in of_edges]

    def time_of(self, table: int, row: int) -> int | None:
        times = self.time[table]
        return None if times is None else times[row]


@dataclass(frozen=True)
class Rule:
    fanout: int
    strategy: str = "recency"
    replace: bool = False
    window: int = 0


@dataclass
class Options:
    """As native/sampling/sampler.h describes them; `rules[hop][edge type]`, `key` is random seed and epoch."""

    rules: list[list[Rule]]
    caps: list[int]
    key: tuple[int, int] = (0, 0)
    disjoint: bool = True
    subgraph: str = "directional"
    metapaths: list[list[int]] = field(default_factory=list)
    adaptive: bool = False


@dataclass
class Sampled:
    """Rows by table and hop; edges (found node, expanded node, edge number) by edge type and hop, the nodes as places in
    their table's rows. Of an induced or bidirectional subgraph all edges are one hop's."""

    rows: list[list[list[int]]]
    edges: list[list[list[tuple[int, int, int]]]]


def fraction(stream: Stream) -> float:
    return (stream.next() >> 11) * 2.0**-53


def draw_weighted(sums: list[float], before: float, stream: Stream) -> int:
    """A position, with a chance in proportion to its share of the sums."""
    target = before + fraction(stream) * (sums[-1] - before)
    above = [i for i, s in enumerate(sums) if s > target]
    return above[0] if above else next(i for i, s in enumerate(sums) if s >= sums[-1])


def choose_weighted(sums: list[float], before: float, k: int, replace: bool, stream: Stream) -> list[int]:
    if not sums[-1] - before > 0:
        return []
    if replace:
        return sorted(draw_weighted(sums, before, stream) for _ in range(k))
    weights = [b - a for a, b in itertools.pairwise([before, *sums])]
    if k >= len(sums):
        return [i for i, w in enumerate(weights) if w > 0]
    chosen: list[int] = []
    for _ in range(4 * k + 16):
        if len(chosen) == k:
            break
        position = draw_weighted(sums, before, stream)
        if position not in chosen:
            chosen.append(position)
    while len(chosen) < k:
        left = [i for i, w in enumerate(weights) if w > 0 and i not in chosen]
        if not left:
            break
        total = 0.0  # added up one by one: sum() rounds otherwise
        for i in left:
            total += weights[i]
        target = fraction(stream) * total
        for position in left:
            target -= weights[position]
            if target < 0:
                break
        chosen.append(position)
    return sorted(chosen)


def positions(
    all_of: list[Neighbor], seen: list[int], rule: Rule, fanout: int, list_key: int, row: int
) -> list[int]:
    """Which of the list `all_of`, out of its places `seen`; ascending."""
    n, stream = len(seen), Stream(fold(list_key, row))
    takes_all = fanout < 0 or (fanout >= n and not rule.replace)
    if rule.strategy == "weighted":
        sums = list(itertools.accumulate(n.weight for n in all_of))
        before = sums[seen[0] - 1] if seen[0] > 0 else 0.0
        of_seen = [sums[i] for i in seen]
        places = choose_weighted(
            of_seen, before, n if takes_all else fanout, rule.replace and not takes_all, stream
        )
    elif takes_all:
        places = list(range(n))
    elif rule.replace:
        places = sorted(stream.below(n) for _ in range(fanout))
    elif rule.strategy == "labor":
        by_rank = sorted(range(n), key=lambda i: (fold(list_key, all_of[seen[i]].row), i))
        places = sorted(by_rank[:fanout])
    else:
        places = choose(rule.strategy, n, fanout, stream)
    return [seen[i] for i in places]


@dataclass
class Nodes:
    """Of one table: the rows, the metapaths each is on, and where the present and the next hop's begin."""

    rows: list[int] = field(default_factory=list)
    paths: list[set[int]] = field(default_factory=list)
    frontier: int = 0
    fresh: int = 0


class Sampling:
    def __init__(self, graph: Graph, options: Options, seeds: Sequence[tuple[int, int]], anchor: int) -> None:
        self.graph, self.options, self.anchor = graph, options, anchor
        key = fold(*options.key)
        self.key = fold(key, *seeds[0], anchor) if options.disjoint else key
        self.nodes = [Nodes() for _ in graph.num_rows]
        for table, row in seeds:
            self.nodes[table].rows.append(row)
            self.nodes[table].paths.append(set(range(len(options.metapaths))))
        self.seed_table = seeds[0][0]

    def run(self) -> Sampled:
        num_hops = len(self.options.rules)
        sizes = [[0, len(nodes.rows)] for nodes in self.nodes]
        edges: list[list[list[tuple[int, int, int]]]] = [[] for _ in self.graph.edge_types]
        for hop in range(num_hops):
            for nodes in self.nodes:
                nodes.fresh = len(nodes.rows)
            for e in range(len(edges)):
                edges[e].append(self.expand(hop, e))
            for nodes, size in zip(self.nodes, sizes, strict=True):
                nodes.frontier = nodes.fresh
                size.append(len(nodes.rows))
        rows = [
            [nodes.rows[a:b] for a, b in itertools.pairwise(size)]
            for nodes, size in zip(self.nodes, sizes, strict=True)
        ]
        if self.options.subgraph == "directional":
            return Sampled(rows, edges)
        followed = [[edge for of_hop in of_type for edge in of_hop] for of_type in edges]
        complete = self.with_reverses if self.options.subgraph == "bidirectional" else self.induced
        return Sampled(rows, [[complete(e, followed)] for e in range(len(edges))])

    def is_visible(self, table: int, row: int, window: int) -> bool:
        """The visibility rule, and that of windows."""
        time = self.graph.time_of(table, row)
        if row >= self.options.caps[table] or (time is not None and time > self.anchor):
            return False
        return window == 0 or time is None or time > self.anchor - window

    def is_seen(self, edge_type: EdgeType, neighbor: Neighbor, window: int) -> bool:
        """Whether an edge is visible: one with a time of its own by that, another by its neighbor's."""
        if edge_type.timed_by < 0:
            return self.is_visible(edge_type.found, neighbor.row, window)
        seen = self.is_visible(edge_type.timed_by, neighbor.edge, window)
        assert not seen or self.is_visible(edge_type.found, neighbor.row, 0), "an edge is older than its end"
        return seen

    def is_expanded(self, table: int, node: int, hop: int, e: int) -> bool:
        """Whether a frontier node is on a path that goes on along the edge type; without paths all are."""
        paths = self.options.metapaths
        return not paths or any(paths[p][hop : hop + 1] == [e] for p in self.nodes[table].paths[node])

    def expand(self, hop: int, e: int) -> list[tuple[int, int, int]]:
        edge_type, rule = self.graph.edge_types[e], self.options.rules[hop][e]
        expanded, found = self.nodes[edge_type.expanded], self.nodes[edge_type.found]
        if rule.fanout == 0:
            return []
        fanout = self.adapted(hop, e)
        edges = []
        for node in range(expanded.frontier, expanded.fresh):
            if not self.is_expanded(edge_type.expanded, node, hop, e):
                continue
            paths = {p for p in expanded.paths[node] if self.options.metapaths[p][hop : hop + 1] == [e]}
            neighbors = edge_type.lists[expanded.rows[node]]
            seen = [i for i, n in enumerate(neighbors) if self.is_seen(edge_type, n, rule.window)]
            if not seen:
                continue
            row = expanded.rows[node]
            chosen = (
                seen if edge_type.is_key else positions(neighbors, seen, rule, fanout, fold(self.key, e), row)
            )
            for neighbor in (neighbors[i] for i in chosen):
                if neighbor.row not in found.rows:
                    found.rows.append(neighbor.row)
                    found.paths.append(set())
                source = found.rows.index(neighbor.row)
                if source >= found.fresh:
                    found.paths[source] |= paths
                edges.append((source, node, neighbor.edge))
        return edges

    def planned(self, hop: int, e: int) -> int:
        """How many nodes the fanouts allow a seed to find for edge type e to expand at a hop: over all ways there."""
        edge_types, paths = self.graph.edge_types, self.options.metapaths
        ways = {tuple(p[:hop]) for p in paths if p[hop : hop + 1] == [e]}
        if not paths:
            ways = set(itertools.product(range(len(edge_types)), repeat=hop))
        total = 0
        for way in ways:
            tables = [self.seed_table, *(edge_types[step].found for step in way)]
            expanded = [*(edge_types[step].expanded for step in way), edge_types[e].expanded]
            if tables == expanded:
                total += math.prod(self.most(hop, step) for hop, step in enumerate(way))
        return total

    def most(self, hop: int, e: int) -> int:
        fanout = self.options.rules[hop][e].fanout
        if self.graph.edge_types[e].is_key:
            return min(abs(fanout), 1)
        return fanout if fanout >= 0 else 2**40

    def adapted(self, hop: int, e: int) -> int:
        edge_type, fanout = self.graph.edge_types[e], self.options.rules[hop][e].fanout
        if not self.options.adaptive or fanout < 0:
            return fanout
        expanded = self.nodes[edge_type.expanded]
        on_paths = [
            self.is_expanded(edge_type.expanded, n, hop, e) for n in range(expanded.frontier, expanded.fresh)
        ]
        found = max(sum(on_paths), 1)
        return min(4 * fanout, fanout * max(self.planned(hop, e), found) // found)

    def repeats(self, table: int, node: int) -> Iterator[int]:
        """The nodes of a node's row: several, where a seed of a merged batch repeats."""
        rows = self.nodes[table].rows
        return (i for i, row in enumerate(rows) if row == rows[node])

    def with_reverses(self, e: int, followed: list[list[tuple[int, int, int]]]) -> list[tuple[int, int, int]]:
        """Edges lead into each node of a row, and out of its first."""
        edge_type = self.graph.edge_types[e]
        edges = list(followed[e])
        there = {(source, target) for source, target, _ in edges}
        for found, expanded, number in followed[edge_type.reverse] if edge_type.reverse >= 0 else []:
            source = next(self.repeats(edge_type.found, expanded))
            if source != expanded:
                continue
            edges += [
                (source, t, number)
                for t in self.repeats(edge_type.expanded, found)
                if (source, t) not in there
            ]
        return edges

    def induced(self, e: int, _: list[list[tuple[int, int, int]]]) -> list[tuple[int, int, int]]:
        edge_type = self.graph.edge_types[e]
        expanded, found = self.nodes[edge_type.expanded].rows, self.nodes[edge_type.found].rows
        edges = [
            (found.index(n.row), target, n.edge)
            for target, row in enumerate(expanded)
            for n in edge_type.lists[row]
            if n.row in found and (edge_type.timed_by < 0 or self.is_seen(edge_type, n, 0))
        ]
        # Edges of foreign keys are ordered by the child, both ways.
        is_key = edge_type.reverse >= 0 and self.graph.edge_types[edge_type.reverse].is_key
        return sorted(edges, key=lambda edge: edge[:2]) if is_key and not edge_type.is_key else edges


def sample(graph: Graph, options: Options, seeds: Sequence[tuple[int, int]], anchor: int) -> Sampled:
    """Of one seed, or of the seeds of a merged batch; each is a table and a row."""
    return Sampling(graph, options, seeds, anchor).run()
