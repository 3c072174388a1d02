"""Edges with times of their own: what of a list is visible, and that nothing else is ever shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import CorruptStore
from tests import packing
from tests.paged_graphs import Pool, column, paged
from tests.sampler_cases import Case, same_bits, to_native
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule

Int64s = npt.NDArray[np.int64]


def star(neighbors: list[int], times: list[int], node_times: list[int] | None = None) -> Graph:
    """Row 0 of table 0 with an edge per time, in their order, to rows of table 1; table 2 are the edges."""
    edges = [Neighbor(row, i) for i, row in enumerate(neighbors)]
    num_found = len(node_times or range(max(neighbors) + 1))
    edge_type = EdgeType(0, 1, [edges], numbered=True, timed_by=2)
    return Graph([1, num_found, len(times)], [None, node_times, times], [edge_type])


def found(graph: Graph, rule: Rule, anchor: int) -> tuple[list[int], list[int]]:
    """The edges' numbers, and the rows that they lead to."""
    batch = Case(graph, Options([[rule]], graph.num_rows), [(0, 0, anchor)]).run()
    edges = batch["edges"][0]
    return edges["ids"].tolist(), batch["nodes"][1]["rows"][edges["source"]].tolist()


NEIGHBORS, TIMES = [5, 0, 5, 3, 1, 0], [10, 20, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("rule", "anchor", "ids"),
    [
        (Rule(-1), 9, []),
        (Rule(-1), 10, [0]),
        (Rule(-1), 20, [0, 1, 2]),  # inclusive
        (Rule(-1), END, [0, 1, 2, 3, 4, 5]),
        (Rule(2, "last"), 45, [3, 4]),  # the newest edges, not the newest rows
        (Rule(-1, window=20), 40, [3, 4]),  # later than 20
        (Rule(-1, window=21), 40, [1, 2, 3, 4]),
        (Rule(1, "last", window=5), 39, []),
    ],
    ids=str,
)
def test_an_edge_is_visible_from_its_own_time_on(rule: Rule, anchor: int, ids: list[int]) -> None:
    assert found(star(NEIGHBORS, TIMES), rule, anchor) == (ids, [NEIGHBORS[i] for i in ids])


def test_a_neighbor_of_several_edges_is_one_node() -> None:
    graph = star(NEIGHBORS, TIMES)
    nodes = Case(graph, Options([[Rule(-1)]], graph.num_rows), [(0, 0, 30)]).run()["nodes"]
    assert [of_table["rows"].tolist() for of_table in nodes] == [[0], [5, 0, 3], []]


def test_a_cap_on_the_edges_hides_those_beyond() -> None:
    graph = star(NEIGHBORS, TIMES)
    batch = Case(graph, Options([[Rule(-1)]], [1, 6, 2]), [(0, 0, END)]).run()
    assert batch["edges"][0]["ids"].tolist() == [0, 1]


@pytest.mark.parametrize("disjoint", [True, False])
def test_an_induced_subgraph_has_no_edge_of_the_future(disjoint: bool) -> None:
    """0 -> 1 at 10 and again at 50; 1 -> 0 at 30: of nodes that are there at 20, only the first."""
    edges = [[Neighbor(1, 0), Neighbor(1, 2)], [Neighbor(0, 1)]]
    graph = Graph([2, 3], [None, [10, 30, 50]], [EdgeType(0, 0, edges, numbered=True, timed_by=1)])
    caps = [2, 3] if disjoint else [2, 1]
    options = Options([[Rule(-1)]], caps, disjoint=disjoint, subgraph="induced")
    batch = Case(graph, options, [(0, 0, 20 if disjoint else END)]).run()
    assert batch["edges"][0]["ids"].tolist() == [0]


@st.composite
def any_times(draw: st.DrawFn) -> Case:
    """Edges whose times have nothing to do with their ends', in lists that need not be ascending."""
    num_found, num_edges = draw(st.integers(1, 8)), draw(st.integers(1, 12))
    time = st.lists(st.integers(0, 9), min_size=num_edges, max_size=num_edges)
    node_times = sorted(draw(st.lists(st.integers(0, 9), min_size=num_found, max_size=num_found)))
    neighbors = draw(st.lists(st.integers(0, num_found - 1), min_size=num_edges, max_size=num_edges))
    graph = star(neighbors, sorted(draw(time)), node_times)
    graph.edge_types[0].lists[0] = draw(st.permutations(graph.edge_types[0].lists[0]))
    rule = Rule(
        draw(st.sampled_from([-1, 1, 3])), draw(st.sampled_from(["last", "recency", "uniform", "labor"]))
    )
    subgraph = draw(st.sampled_from(["directional", "bidirectional", "induced"]))
    caps = [draw(st.integers(0, n)) for n in graph.num_rows]
    return Case(graph, Options([[rule]], caps, subgraph=subgraph), [(0, 0, draw(st.integers(-1, 10)))])


@settings(max_examples=300, deadline=None)
@given(any_times(), st.booleans())
def test_whatever_a_damaged_store_says_no_row_and_no_edge_of_the_future_is_shown(
    tmp_path_factory: pytest.TempPathFactory, case: Case, on_disk: bool
) -> None:
    topology = to_native(case.graph)
    if on_disk:
        topology, _ = paged(case.graph, tmp_path_factory.mktemp("graph"), 2)
    try:
        batch = case.run(topology)
    except CorruptStore:
        return
    (_, _, anchor) = case.seeds[0]
    node_times, edge_times = case.graph.time[1], case.graph.time[2]
    assert node_times is not None
    assert edge_times is not None
    for row in batch["nodes"][1]["rows"].tolist():
        assert node_times[row] <= anchor
        assert row < case.options.caps[1]
    for edge in batch["edges"][0]["ids"].tolist():
        assert edge_times[edge] <= anchor
        assert edge < case.options.caps[2]


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize(
    ("ids", "node_times", "message"),
    [
        ([2, 0, 1], [0] * 3, "link e0: edge_ids holds 2, which cannot be there; run `relhop verify`"),
        ([0, 1, 2], [0, 15, 16], "link e0: children holds 1, which cannot be there; run `relhop verify`"),
    ],
    ids=["list not ascending", "edge before its end"],
)
def test_what_would_show_the_future_is_an_error(
    tmp_path: Path, on_disk: bool, ids: list[int], node_times: list[int], message: str
) -> None:
    graph = star([0, 1, 2], [10, 11, 16], node_times)
    graph.edge_types[0].lists[0] = [Neighbor(row, i) for row, i in enumerate(ids)]
    topology = paged(graph, tmp_path, 4)[0] if on_disk else to_native(graph)
    case = Case(graph, Options([[Rule(-1)]], graph.num_rows), [(0, 0, 12)])
    with pytest.raises(CorruptStore, match=f"^{re.escape(message)}$"):
        case.run(topology)


NUM_OWNERS, NUM_FOUND, NUM_EDGES = 300, 5_000, 60_000


class LongLists:
    """Lists of up to tens of thousands of edges with times, weights and neighbors in any order."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.time: Int64s = np.sort(rng.integers(0, 100_000, NUM_EDGES))
        self.owner: Int64s = (NUM_OWNERS * rng.random(NUM_EDGES) ** 4).astype(np.int64)
        self.neighbor: Int64s = rng.integers(0, NUM_FOUND, NUM_EDGES)
        ids = np.argsort(self.owner, kind="stable")
        offsets = np.searchsorted(self.owner[ids], np.arange(NUM_OWNERS + 1))
        weight = rng.random(NUM_EDGES)
        sums = np.cumsum(weight) - np.repeat(
            (np.cumsum(weight) - weight)[offsets[:-1].clip(max=NUM_EDGES - 1)], np.diff(offsets)
        )
        arrays = {
            "offsets": (offsets, NUM_EDGES),
            "neighbors": (self.neighbor[ids], NUM_FOUND),
            "edge_ids": (ids, NUM_EDGES),
        }
        columns = {name: column(folder, name, *array) for name, array in arrays.items()}
        columns["weights"] = column(folder, "weights", sums.view(np.int64), 0, 64)
        pool = Pool(list(columns.values()), 5)
        self.memory = self._topology(weights=sums, **{name: packing.rows(*a) for name, a in arrays.items()})
        self.disk = self._topology(**{name: pool.rows(c) for name, c in columns.items()})

    def _topology(self, **arrays: Any) -> _native.Topology:
        tables = [
            _native.TableRows("owners", NUM_OWNERS, None),
            _native.TableRows("found", NUM_FOUND, None),
            _native.TableRows("edges", NUM_EDGES, packing.times(self.time)),
        ]
        return _native.Topology(tables, [_native.EdgeRows.lists("e", 0, 1, timed_by=2, **arrays)])


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> LongLists:
    return LongLists(tmp_path_factory.mktemp("lists"))


def batch(topology: _native.Topology, rule: _native.Rule, threads: int = 1) -> tuple[Any, Int64s, Int64s]:
    rng = np.random.default_rng(0)
    seeds, anchors = (NUM_OWNERS * rng.random(60) ** 2).astype(np.int64), rng.integers(0, 110_000, 60)
    options = _native.SampleOptions([[rule]], 5, 0, [NUM_OWNERS, NUM_FOUND, NUM_EDGES], edge_ids=True)
    return topology.sample(options, np.zeros(60, np.uint32), seeds, anchors, threads), seeds, anchors


@pytest.mark.parametrize("window", [0, 500, 20_000])
def test_of_long_lists_exactly_what_is_visible_is_found(lists: LongLists, window: int) -> None:
    sampled, seeds, anchors = batch(lists.memory, _native.Rule(-1, window=window))
    edges, owners = sampled["edges"][0], sampled["nodes"][0]["batch"]
    rows = sampled["nodes"][1]["rows"][edges["source"]]
    for i, (seed, anchor) in enumerate(zip(seeds, anchors, strict=True)):
        mine = owners[edges["target"]] == i
        visible = (lists.owner == seed) & (lists.time <= anchor)
        visible &= (window == 0) | (lists.time > anchor - window)
        np.testing.assert_array_equal(edges["ids"][mine], np.flatnonzero(visible))
        np.testing.assert_array_equal(rows[mine], lists.neighbor[visible])


@pytest.mark.parametrize("window", [0, 20_000])
@pytest.mark.parametrize("fanout", [3, 100, -1])
@pytest.mark.parametrize("strategy", ["recency", "last", "uniform", "labor", "weighted"])
def test_long_lists_on_disk_give_the_same(lists: LongLists, strategy: str, fanout: int, window: int) -> None:
    rule = _native.Rule(fanout, _native.Strategy[strategy], window=window)
    assert same_bits(batch(lists.disk, rule, threads=2)[0], batch(lists.memory, rule)[0])


def test_a_table_of_edges_takes_no_memory_for_nodes() -> None:
    """With 2^40 rows it could not."""
    rows = (packing.rows([0, 2], 2), packing.rows([0, 1], 2))
    edges = _native.EdgeRows.lists("e", 0, 1, *rows, edge_ids=packing.rows([7, 2**39], 2**40), timed_by=2)
    sizes = {"a": 1, "b": 2, "edges": 2**40}
    topology = _native.Topology([_native.TableRows(name, n, None) for name, n in sizes.items()], [edges])
    for disjoint in (True, False):
        options = _native.SampleOptions(
            [[_native.Rule(-1)]], 0, 0, list(sizes.values()), disjoint, edge_ids=True
        )
        sampled = topology.sample(options, np.zeros(1, np.uint32), np.zeros(1, np.int64), np.full(1, END))
        assert sampled["edges"][0]["ids"].tolist() == [7, 2**39]


def edges_of(name: str, timed_by: int, *, numbered: bool = True, reverse: int = -1) -> _native.EdgeRows:
    rows = (packing.rows([0, 1], 1), packing.rows([0], 1))
    ids = packing.rows([0], 1) if numbered else None
    return _native.EdgeRows.lists(name, 0, 0, *rows, reverse, edge_ids=ids, timed_by=timed_by)


@pytest.mark.parametrize(
    ("edge_types", "error", "message"),
    [
        ([edges_of("e", 2)], IndexError, "e: the table 2 that times it does not exist"),
        ([edges_of("e", 1, numbered=False)], ValueError, "e: timed edges need edge_ids"),
        ([edges_of("e", 1, reverse=1), edges_of("r", -1, reverse=0)], ValueError, "e: its reverse is not timed by the same table"),
        ([edges_of("e", 0)], ValueError, "e: the rows of table a are edges, not nodes"),
    ],
)  # fmt: skip
def test_timed_edges_that_do_not_fit_the_tables_are_refused(
    edge_types: list[_native.EdgeRows], error: type[Exception], message: str
) -> None:
    tables = [_native.TableRows(name, 1, packing.times([0])) for name in "ab"]
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        _native.Topology(tables, edge_types)


def test_an_edge_is_no_seed() -> None:
    graph = star(NEIGHBORS, TIMES)
    with pytest.raises(ValueError, match=r"^seed 0 is of table t2, whose rows are edges$"):
        Case(graph, Options([[Rule(-1)]], graph.num_rows), [(2, 0, END)]).run()
