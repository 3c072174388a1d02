"""What users of PyTorch Geometric expect of a sampler: layers of a breadth-first search, written down once more here.

The order is pyg-lib's, for a graph of one node type: nodes as they are first found, edges by hop, by the node that is
expanded and by place in its list.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from relhop import _native
from tests import packing
from tests.sampler_cases import Case, to_native
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule

ALL = Rule(-1)


def graph_of(lists: list[list[int]], time: list[int] | None = None) -> Graph:
    """One table; `lists[r]` are row r's neighbors, ascending, and edges are numbered from the back."""
    num_edges = sum(map(len, lists))
    ids = itertools.count(num_edges - 1, -1)
    edges = [[Neighbor(row, next(ids)) for row in of_row] for of_row in lists]
    return Graph([len(lists)], [time], [EdgeType(0, 0, edges, numbered=True)])


def sampled(graph: Graph, fanouts: list[Rule], seeds: list[int]) -> dict[str, list[dict[str, Any]]]:
    options = Options([[rule] for rule in fanouts], graph.num_rows, disjoint=False)
    return Case(graph, options, [(0, seed, END) for seed in seeds]).run()


def layers(
    graph: Graph, num_hops: int, seeds: list[int]
) -> tuple[list[int], list[tuple[int, int, int]], list[int], list[int]]:
    """Nodes; edges as source, target and number; how many nodes and edges a hop; with all neighbors."""
    nodes, edges, num_nodes, num_edges = list(seeds), [], [len(seeds)], []
    begin = 0
    for _ in range(num_hops):
        end, edges_before = len(nodes), len(edges)
        for target in range(begin, end):
            for neighbor in graph.edge_types[0].lists[nodes[target]]:
                if neighbor.row not in nodes:
                    nodes.append(neighbor.row)
                edges.append((nodes.index(neighbor.row), target, neighbor.edge))
        begin = end
        num_nodes.append(len(nodes) - end)
        num_edges.append(len(edges) - edges_before)
    return nodes, edges, num_nodes, num_edges


@st.composite
def small_graphs(draw: st.DrawFn) -> Graph:
    n = draw(st.integers(1, 12))
    of_row = st.lists(st.integers(0, n - 1), max_size=6).map(sorted)
    return graph_of(draw(st.lists(of_row, min_size=n, max_size=n)))


@settings(max_examples=200, deadline=None)
@given(small_graphs(), st.integers(0, 4), st.data())
def test_all_neighbors_are_found_in_layers_in_pyg_s_order(
    graph: Graph, num_hops: int, data: st.DataObject
) -> None:
    """Of seeds that repeat, too: each is a node with its edges, and what leads to the row comes out of the first."""
    row = st.integers(0, graph.num_rows[0] - 1)
    seeds = data.draw(st.lists(row, min_size=1, max_size=6))
    batch = sampled(graph, [ALL] * num_hops, seeds)
    nodes, edges = batch["nodes"][0], batch["edges"][0]
    found = zip(edges["source"].tolist(), edges["target"].tolist(), edges["ids"].tolist(), strict=True)
    expected = layers(graph, num_hops, seeds)
    assert (nodes["rows"].tolist(), list(found), nodes["num_per_hop"], edges["num_per_hop"]) == expected


@settings(max_examples=100, deadline=None)
@given(
    small_graphs(),
    st.lists(st.builds(Rule, st.integers(0, 3), st.just("uniform"), st.booleans()), min_size=1, max_size=4),
)
def test_only_what_the_hop_before_found_is_expanded_and_hops_are_contiguous(
    graph: Graph, fanouts: list[Rule]
) -> None:
    batch = sampled(graph, fanouts, [0])
    nodes, edges = batch["nodes"][0], batch["edges"][0]
    node_ends, edge_ends = np.cumsum(nodes["num_per_hop"]), np.cumsum([0, *edges["num_per_hop"]])
    assert len(node_ends) == len(fanouts) + 1
    assert len(set(nodes["rows"].tolist())) == len(nodes["rows"]) == node_ends[-1]
    for hop, (first, last) in enumerate(itertools.pairwise(edge_ends)):
        source, target = edges["source"][first:last], edges["target"][first:last]
        before = node_ends[hop - 1] if hop else 0
        assert ((before <= target) & (target < node_ends[hop])).all()
        assert (np.diff(target) >= 0).all()
        # Nodes that a hop adds are numbered as its edges first name them.
        new = source[source >= node_ends[hop]]
        assert list(dict.fromkeys(new.tolist())) == list(range(node_ends[hop], node_ends[hop + 1]))


@settings(max_examples=100, deadline=None)
@given(small_graphs(), st.integers(1, 8), st.booleans())
def test_a_fanout_takes_as_many_as_pyg_does(graph: Graph, fanout: int, replace: bool) -> None:
    """Without replacement at most all; with it always so many, if there are any."""
    seeds = list(range(graph.num_rows[0]))
    batch = sampled(graph, [Rule(fanout, "uniform", replace)], seeds)
    degrees = np.array([len(of_row) for of_row in graph.edge_types[0].lists])
    taken = np.bincount(batch["edges"][0]["target"], minlength=len(seeds))
    expected = np.where(degrees > 0, fanout, 0) if replace else np.minimum(degrees, fanout)
    np.testing.assert_array_equal(taken, expected)
    if not replace:
        ids = batch["edges"][0]["ids"]
        assert len(np.unique(ids)) == len(ids)


def test_nodes_without_neighbors_stay_without_edges() -> None:
    graph = graph_of([[], [0, 2], []])
    for rule in (ALL, Rule(2, "uniform"), Rule(2, "uniform", True)):
        batch = sampled(graph, [rule, rule], [0, 2])
        assert batch["nodes"][0]["rows"].tolist() == [0, 2]
        assert batch["nodes"][0]["num_per_hop"] == [2, 0, 0]
        assert batch["edges"][0]["num_per_hop"] == [0, 0]


def test_a_graph_without_edges_gives_the_seeds() -> None:
    batch = sampled(graph_of([[]] * 3), [ALL], [2, 1])
    assert batch["nodes"][0]["rows"].tolist() == [2, 1]
    assert batch["edges"][0]["source"].tolist() == []


def test_seeds_that_repeat_have_subgraphs_of_their_own_where_those_are_disjoint() -> None:
    graph = graph_of([[1, 2], [], []])
    case = Case(graph, Options([[ALL]], graph.num_rows), [(0, 0, END), (0, 0, END)])
    batch = case.run()
    assert batch["nodes"][0]["rows"].tolist() == [0, 0, 1, 2, 1, 2]
    assert batch["nodes"][0]["batch"].tolist() == [0, 1, 0, 0, 1, 1]
    assert batch["edges"][0]["source"].tolist() == [2, 3, 4, 5]
    assert batch["edges"][0]["target"].tolist() == [0, 0, 1, 1]


def test_the_root_seed_s_time_bounds_all_hops_inclusively() -> None:
    """1 is at 5 and its neighbor 2 at 7: a seed at 6 does not find it, one at 7 does."""
    graph = graph_of([[1], [2], []], [3, 5, 7])
    for anchor, found in ((4, [0]), (5, [0, 1]), (6, [0, 1]), (7, [0, 1, 2])):
        case = Case(graph, Options([[ALL], [ALL]], graph.num_rows), [(0, 0, anchor)])
        assert case.run()["nodes"][0]["rows"].tolist() == found


def test_a_table_without_times_is_found_whatever_the_time() -> None:
    lists = [[Neighbor(r, r) for r in range(3)]]
    graph = Graph([1, 3, 3], [None, None, [1, 5, 9]], [EdgeType(0, 1, lists), EdgeType(0, 2, lists)])
    batch = Case(graph, Options([[ALL, ALL]], graph.num_rows), [(0, 0, 5)]).run()
    assert [nodes["rows"].tolist() for nodes in batch["nodes"]] == [[0], [0, 1, 2], [0, 1]]


def test_all_edge_types_of_a_hop_expand_the_same_nodes() -> None:
    """Row 1 is found by the first edge type, in the same hop; the second expands it a hop later."""
    one, other = EdgeType(0, 0, [[Neighbor(1, 0)], []]), EdgeType(0, 0, [[], [Neighbor(0, 1)]])
    case = Case(
        Graph([2], [None], [one, other]), Options([[ALL] * 2] * 2, [2], disjoint=False), [(0, 0, END)]
    )
    assert [edges["num_per_hop"] for edges in case.run()["edges"]] == [[1, 0], [0, 1]]


def draws_of_a_hub(degree: int, rule: Rule, num_seeds: int) -> npt.NDArray[np.int64]:
    """How often each neighbor was drawn by so many seeds, all of them one row, at times that are their keys."""
    rows = packing.rows([0, degree], degree), packing.rows(np.arange(degree), degree)
    tables = [_native.TableRows("hub", 1, None), _native.TableRows("leaves", degree, None)]
    topology = _native.Topology(tables, [_native.EdgeRows.lists("e", 0, 1, *rows)])
    native_rule = _native.Rule(rule.fanout, _native.Strategy.uniform, rule.replace)
    options = _native.SampleOptions([[native_rule]], 0, 0, [1, degree])
    zeros = np.zeros(num_seeds, np.int64)
    batch = topology.sample(options, zeros.astype(np.uint32), zeros, np.arange(num_seeds))
    return np.bincount(batch["nodes"][1]["rows"][batch["edges"][0]["source"]], minlength=degree)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    ("degree", "fanout"), [(100, 10), (100, 90), (10_000, 10), (10_000, 100), (40_000, 40), (100_000, 100)]
)
def test_draws_are_uniform_at_any_degree(degree: int, fanout: int, replace: bool) -> None:
    """pyg-lib's draws of 16 bits make some neighbors of 40,000 twice as likely as others."""
    num_seeds = 20 * degree // fanout
    counts = draws_of_a_hub(degree, Rule(fanout, "uniform", replace), num_seeds)
    assert counts.sum() == num_seeds * fanout
    # Inclusions without replacement vary less than independent draws, by (1 - k/n): scale to a chi-square.
    shrunk = 1 if replace else (1 - fanout / degree) * degree / (degree - 1)
    statistic = ((counts - 20) ** 2 / 20).sum() / shrunk
    assert 1e-4 < stats.chi2.sf(statistic, degree - 1) < 1 - 1e-4


@pytest.mark.parametrize("strategy", ["last", "uniform"])
def test_with_all_neighbors_taken_a_temporal_strategy_changes_nothing(strategy: str) -> None:
    graph = graph_of([[0, 1, 2], [2], [0, 1]], [1, 2, 3])
    batches = [
        Case(graph, Options([[Rule(-1, name)]] * 2, [3]), [(0, 2, 2), (0, 1, 9)]).run(to_native(graph))
        for name in (strategy, "recency")
    ]
    for one, other in zip(*(b["edges"] for b in batches), strict=True):
        np.testing.assert_array_equal(one["ids"], other["ids"])
