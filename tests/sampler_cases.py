"""Random graphs and options for the sampler, and its batches in the form of tests/sampler_reference.py."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from relhop import _native
from tests import packing
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule, Sampled, sample

EDGES = ("source", "target", "ids")


def to_native(graph: Graph, width: int | None = None) -> _native.Topology:
    """The graph as arrays; `width` takes so many bits a number, in place of as many as are needed."""
    edge_types = [edges_to_native(graph, e, width) for e in range(len(graph.edge_types))]
    return _native.Topology(tables_to_native(graph), edge_types)


def tables_to_native(graph: Graph) -> list[_native.TableRows]:
    return [
        _native.TableRows(f"t{i}", n, None if time is None else packing.times(time))
        for i, (n, time) in enumerate(zip(graph.num_rows, graph.time, strict=True))
    ]


def edges_to_native(graph: Graph, e: int, width: int | None) -> _native.EdgeRows:
    edges = graph.edge_types[e]
    name, num_found = f"e{e}", graph.num_rows[edges.found]
    if edges.is_key:
        parents = [of_row[0].row if of_row else -1 for of_row in edges.lists]
        rows = packing.rows(parents, num_found, width)
        return _native.EdgeRows.parents(name, edges.expanded, edges.found, rows, edges.reverse)
    all_edges = list(itertools.chain(*edges.lists))
    sums = [s for of_row in edges.lists for s in itertools.accumulate(n.weight for n in of_row)]
    numbers = [n.edge for n in all_edges]
    return _native.EdgeRows.lists(
        name,
        edges.expanded,
        edges.found,
        packing.rows([0, *itertools.accumulate(map(len, edges.lists))], len(all_edges), width),
        packing.rows([n.row for n in all_edges], num_found, width),
        edges.reverse,
        np.array(sums, np.float64) if edges.weighted else None,
        packing.rows(numbers, max(numbers, default=0) + 1, width) if edges.numbered else None,
        edges.timed_by,
    )


def native_rule(rule: Rule) -> _native.Rule:
    return _native.Rule(rule.fanout, _native.Strategy[rule.strategy], rule.replace, rule.window)


def native_options(options: Options, *, group: int = 64, edge_ids: bool = True) -> _native.SampleOptions:
    rules = [[native_rule(rule) for rule in hop] for hop in options.rules]
    return _native.SampleOptions(
        rules,
        *options.key,
        options.caps,
        options.disjoint,
        _native.Subgraph[options.subgraph],
        edge_ids,
        options.metapaths,
        options.adaptive,
        group,
    )


@dataclass
class Case:
    graph: Graph
    options: Options
    seeds: list[tuple[int, int, int]]
    """Table, row and anchor time."""

    def run(
        self,
        topology: _native.Topology | None = None,
        *,
        num_threads: int = 1,
        group: int = 64,
        edge_ids: bool = True,
    ) -> dict[str, list[dict[str, Any]]]:
        tables, rows, times = np.array(self.seeds, np.int64).reshape(-1, 3).T
        options = native_options(self.options, group=group, edge_ids=edge_ids)
        topology = topology or to_native(self.graph)
        return topology.sample(options, tables.astype(np.uint32), rows.copy(), times.copy(), num_threads)

    def expected(self) -> list[Sampled]:
        """By seed; of a merged batch only one."""
        if not self.options.disjoint:
            return [sample(self.graph, self.options, [seed[:2] for seed in self.seeds], END)]
        return [sample(self.graph, self.options, [seed[:2]], seed[2]) for seed in self.seeds]

    def of_batch(self, batch: dict[str, list[dict[str, Any]]]) -> list[Sampled]:
        """What `expected` returns, out of a native batch."""
        if not self.options.disjoint:
            assert all(nodes["batch"] is None for nodes in batch["nodes"])
            return [self._of_seed(batch, [np.zeros(len(nodes["rows"]), int) for nodes in batch["nodes"]], 0)]
        owners = [nodes["batch"] for nodes in batch["nodes"]]
        return [self._of_seed(batch, owners, seed) for seed in range(len(self.seeds))]

    def _of_seed(self, batch: dict[str, list[dict[str, Any]]], owners: list[Any], seed: int) -> Sampled:
        numbers = [np.cumsum(owner == seed) - 1 for owner in owners]
        rows = [
            [nodes["rows"][hop][owner[hop] == seed].tolist() for hop in hops(nodes["num_per_hop"])]
            for nodes, owner in zip(batch["nodes"], owners, strict=True)
        ]
        edges = []
        for edge_type, of_type in zip(self.graph.edge_types, batch["edges"], strict=True):
            source, target, ids = (of_type[name] for name in EDGES)
            found, expanded = owners[edge_type.found][source], owners[edge_type.expanded][target]
            assert (found == expanded).all()
            mine = expanded == seed
            local = np.stack([numbers[edge_type.found][source], numbers[edge_type.expanded][target], ids], 1)
            counts = of_type["num_per_hop"]
            assert bool(counts) == (self.options.subgraph == "directional") or not self.options.rules
            all_hops = hops(counts) if self.options.subgraph == "directional" else [slice(None)]
            edges.append([[tuple(edge) for edge in local[hop][mine[hop]].tolist()] for hop in all_hops])
        return Sampled(rows, edges)


def hops(counts: list[int]) -> list[slice]:
    return [slice(a, b) for a, b in itertools.pairwise(itertools.accumulate(counts, initial=0))]


def same_bits(a: dict[str, list[dict[str, Any]]], b: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether two batches are the same, bit by bit."""
    plain = [
        {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in d.items()}
        for batch in (a, b)
        for d in [*batch["nodes"], *batch["edges"]]
    ]
    return plain[: len(plain) // 2] == plain[len(plain) // 2 :]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to 4 tables, some timed with ties; foreign keys and many-to-many edges, self-references among both. Edges with
    times of their own are rows of further tables."""
    num_rows = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    time = [
        draw(st.none() | st.lists(st.integers(0, 9) | st.just(END), min_size=n, max_size=n).map(sorted))
        for n in num_rows
    ]
    graph = Graph(num_rows, time, [])
    table = st.sampled_from(range(len(num_rows)))
    for a, b in draw(st.lists(st.tuples(table, table), max_size=3)):
        if draw(st.booleans()):
            add_foreign_key(draw, graph, a, b)
        else:
            add_many_to_many(draw, graph, a, b)
    return graph


def add_foreign_key(draw: st.DrawFn, graph: Graph, child: int, parent: int) -> None:
    rows = st.none() | st.integers(0, min(graph.num_rows[parent], draw(st.integers(1, 20))) - 1)
    parents = draw(st.lists(rows, min_size=graph.num_rows[child], max_size=graph.num_rows[child]))
    weight = weights(draw)
    children = [
        [Neighbor(c, c, draw(weight)) for c, p in enumerate(parents) if p == r]
        for r in range(graph.num_rows[parent])
    ]
    keys = [[] if p is None else [Neighbor(p, c)] for c, p in enumerate(parents)]
    e = len(graph.edge_types)
    graph.edge_types.append(EdgeType(parent, child, children, e + 1, weighted=draw(st.booleans())))
    graph.edge_types.append(EdgeType(child, parent, keys, e, is_key=True))


def add_many_to_many(draw: st.DrawFn, graph: Graph, a: int, b: int) -> None:
    """Edges between rows of two tables, or one way, or as their own reverse; some of them parallel."""
    rows = [st.integers(0, min(graph.num_rows[t], draw(st.integers(1, 20))) - 1) for t in (a, b)]
    ends = draw(st.lists(st.tuples(*rows), max_size=40))
    kind = draw(st.sampled_from(["one way", "both ways"] + ["undirected"] * (a == b)))
    if kind == "undirected":
        ends += [(y, x) for x, y in ends]
    timed_by = -1
    if draw(st.booleans()):
        timed_by = add_edge_times(draw, graph, (a, b), ends)
    weight, weighted = weights(draw), draw(st.booleans())
    numbered = timed_by >= 0 or draw(st.booleans())
    sizes = [draw(weight) for _ in ends]
    e = len(graph.edge_types)
    for turned in range(2 if kind == "both ways" else 1):
        expanded, found = (b, a) if turned else (a, b)
        lists: list[list[Neighbor]] = [[] for _ in range(graph.num_rows[expanded])]
        for i, end in enumerate(ends):
            row = end[1 - turned]
            lists[end[turned]].append(Neighbor(row, i if numbered else row, sizes[i]))
        for of_row in lists:
            of_row.sort(key=lambda n: n.row if timed_by < 0 else n.edge)
        reverse = {"one way": -1, "both ways": e + 1 - turned, "undirected": e}[kind]
        graph.edge_types.append(
            EdgeType(expanded, found, lists, reverse, weighted=weighted, numbered=numbered, timed_by=timed_by)
        )


def add_edge_times(
    draw: st.DrawFn, graph: Graph, tables: tuple[int, int], ends: list[tuple[int, int]]
) -> int:
    """A table with a row for each edge, at its own or its ends' time, whichever is the latest. Sorts the edges."""
    own = draw(st.lists(st.integers(0, 9) | st.just(END), min_size=len(ends), max_size=len(ends)))
    of_ends = [[graph.time_of(t, row) or 0 for t, row in zip(tables, end, strict=True)] for end in ends]
    visible = [max(time, *times) for time, times in zip(own, of_ends, strict=True)]
    order = sorted(range(len(ends)), key=lambda i: visible[i])
    ends[:] = [ends[i] for i in order]
    graph.num_rows.append(len(ends))
    graph.time.append([visible[i] for i in order])
    return len(graph.num_rows) - 1


def weights(draw: st.DrawFn) -> st.SearchStrategy[float]:
    """Alike, of any size, mostly 0, or nearly all in a few."""
    return draw(
        st.sampled_from(
            [
                st.just(1.0),
                st.floats(0, 1e3, allow_subnormal=False),
                st.sampled_from([0.0, 0.0, 2.5]),
                st.sampled_from([1e-9, 1e-9, 1e-7, 1e9]),
            ]
        )
    )


def rules(edge_type: EdgeType, windows: bool) -> st.SearchStrategy[Rule]:
    """What may be asked of an edge type."""
    fanout = st.sampled_from([-1, 0, 1, 1, 2, 3, 5, 12])
    window = st.sampled_from([0, 0, 1, 3, 2**62]) if windows else st.just(0)
    again = ["uniform"] + ["weighted"] * (edge_type.weighted or edge_type.is_key)
    return st.builds(
        Rule, fanout, st.sampled_from(["recency", "last", "labor", *again]), window=window
    ) | st.builds(Rule, fanout, st.sampled_from(again), st.booleans(), window)


@st.composite
def cases(draw: st.DrawFn, *, disjoint: bool, graph: Graph | None = None) -> Case:
    graph = graph or draw(graphs())
    tables = draw(st.lists(st.sampled_from(graph.node_tables()), min_size=1, max_size=3))
    windows = disjoint and draw(st.booleans())
    anchor = st.integers(-1, 11) if windows else st.integers(-1, 11) | st.just(END)
    seeds = st.one_of(
        st.tuples(st.just(t), st.integers(0, graph.num_rows[t] - 1), anchor if disjoint else st.just(END))
        for t in tables
    )
    num_hops = draw(st.integers(0, 4))
    return Case(
        graph,
        Options(
            [[draw(rules(e, windows)) for e in graph.edge_types] for _ in range(num_hops)],
            draw(caps(graph)),
            (draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 5))),
            disjoint,
            draw(st.sampled_from(["directional", "bidirectional", "induced"])),
            draw(metapaths(graph, tables)),
            disjoint and draw(st.booleans()),
        ),
        draw(st.lists(seeds, min_size=1, max_size=6)),
    )


@st.composite
def caps(draw: st.DrawFn, graph: Graph) -> list[int]:
    """Any; where edges have times, which are no earlier than their ends', those of one time."""
    if len(graph.node_tables()) == len(graph.num_rows):
        return [n if draw(st.booleans()) else draw(st.integers(0, n)) for n in graph.num_rows]
    as_of = draw(st.just(END) | st.integers(-1, 10))
    return [
        n if time is None else sum(t <= as_of for t in time)
        for n, time in zip(graph.num_rows, graph.time, strict=True)
    ]


@st.composite
def metapaths(draw: st.DrawFn, graph: Graph, tables: list[int]) -> list[list[int]]:
    """None, or several, which begin at the seeds' tables and go on where they are."""
    paths = []
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 4]))):
        path, at = [], draw(st.sampled_from(tables))
        for _ in range(draw(st.integers(0, 4))):
            onward = [e for e, edge_type in enumerate(graph.edge_types) if edge_type.expanded == at]
            if not onward:
                break
            path.append(draw(st.sampled_from(onward)))
            at = graph.edge_types[path[-1]].found
        paths.append(path)
    return paths
