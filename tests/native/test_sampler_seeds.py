"""Batches whose seeds are of several tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sampler_cases import Case, cases
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule


def of_table(case: Case, table: int) -> list[tuple[int, int]]:
    """The seeds of a table: place in the batch and row, in order."""
    return [(i, row) for i, (t, row, _) in enumerate(case.seeds) if t == table]


@settings(max_examples=100, deadline=None)
@given(st.one_of(cases(disjoint=True), cases(disjoint=False)), st.integers(1, 3))
def test_each_table_s_nodes_begin_with_its_seeds_in_the_order_given(case: Case, num_threads: int) -> None:
    case.seeds *= 25  # several blocks
    for table, nodes in enumerate(case.run(num_threads=num_threads)["nodes"]):
        expected = of_table(case, table)
        assert nodes["num_per_hop"][0] == len(expected)
        assert nodes["rows"][: len(expected)].tolist() == [row for _, row in expected]
        if case.options.disjoint:
            assert nodes["batch"][: len(expected)].tolist() == [i for i, _ in expected]


def both_ends() -> Graph:
    """Table 0's row i and table 1's row i are each other's only neighbors."""
    edge_types = [EdgeType(a, 1 - a, [[Neighbor(i, i)] for i in range(100)], 1 - a) for a in (0, 1)]
    return Graph([100, 100], [None, None], edge_types)


@pytest.mark.parametrize("subgraph", ["directional", "bidirectional", "induced"])
def test_a_seed_that_another_table_s_seed_finds_is_one_node_of_a_merged_batch(subgraph: str) -> None:
    seeds = [(i % 2, i // 2, END) for i in range(100)]
    options = Options([[Rule(-1)] * 2] * 2, [100, 100], disjoint=False, subgraph=subgraph)
    batch = Case(both_ends(), options, seeds).run()
    for nodes, edges in zip(batch["nodes"], batch["edges"], strict=True):
        assert nodes["num_per_hop"] == [50, 0, 0]
        np.testing.assert_array_equal(edges["source"], np.arange(50))
        np.testing.assert_array_equal(edges["target"], np.arange(50))


def test_seeds_of_several_tables_with_subgraphs_of_their_own_share_no_node() -> None:
    seeds = [(i % 2, i // 2, END) for i in range(100)]
    batch = Case(both_ends(), Options([[Rule(-1)] * 2], [100, 100]), seeds).run(num_threads=2)
    for table, nodes in enumerate(batch["nodes"]):
        assert nodes["num_per_hop"] == [50, 50]
        own, other = np.arange(50) * 2 + table, np.arange(50) * 2 + 1 - table
        assert sorted(nodes["batch"].tolist()) == sorted([*own.tolist(), *other.tolist()])
        np.testing.assert_array_equal(nodes["batch"][:50], own)


def test_equal_rows_of_two_tables_draw_apart() -> None:
    """The table is part of a seed's key."""
    lists = [[Neighbor(r, r) for r in range(1000)]]
    graph = Graph([1, 1, 1000], [None] * 3, [EdgeType(0, 2, lists), EdgeType(1, 2, lists)])
    case = Case(graph, Options([[Rule(5, "uniform")] * 2], graph.num_rows), [(0, 0, END), (1, 0, END)])
    found = case.run()["nodes"][2]
    assert found["rows"][:5].tolist() != found["rows"][5:].tolist()


def test_adaptive_fanouts_are_those_of_the_seed_s_table() -> None:
    """Of table 0's seed the fanouts allow 12 nodes for the second step, of which it finds 3; of table 1's only 3."""
    lists = [[Neighbor(r, r) for r in range(3)]]
    further = [[Neighbor(r, r) for r in range(100)]] * 3
    graph = Graph(
        [1, 1, 3, 100], [None] * 4, [EdgeType(0, 2, lists), EdgeType(1, 2, lists), EdgeType(2, 3, further)]
    )
    rules = [[Rule(12), Rule(3), Rule(0)], [Rule(0), Rule(0), Rule(5)]]
    for metapaths in ([], [[0, 2], [1, 2]]):
        options = Options(rules, graph.num_rows, adaptive=True, metapaths=metapaths)
        case = Case(graph, options, [(1, 0, END), (0, 0, END)])
        batch = case.run()
        targets = batch["nodes"][2]["batch"][batch["edges"][2]["target"]]
        assert np.bincount(targets).tolist() == [3 * 5, 3 * 20]
        assert case.of_batch(batch) == case.expected()
