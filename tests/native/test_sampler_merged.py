"""Merged batches, metapaths, complete subgraphs and adaptive fanouts on small graphs that can be read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.sampler_cases import Case, same_bits, to_native
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule

ALL = Rule(-1)
NONE = Rule(0)


def foreign_key(parents: list[int | None], num_parents: int) -> Graph:
    """Table 0 the parents, 1 the children; edge types 0 down and 1 up."""
    down = [[Neighbor(c, c) for c, p in enumerate(parents) if p == row] for row in range(num_parents)]
    up = [[] if p is None else [Neighbor(p, c)] for c, p in enumerate(parents)]
    edge_types = [EdgeType(0, 1, down, 1), EdgeType(1, 0, up, 0, is_key=True)]
    return Graph([num_parents, len(parents)], [None, None], edge_types)


def merged(
    graph: Graph, rules: list[list[Rule]], seeds: list[int], table: int = 0, **options: object
) -> Case:
    choices = Options(rules, graph.num_rows, disjoint=False, **options)  # type: ignore[arg-type]
    return Case(graph, choices, [(table, row, END) for row in seeds])


def edges_of(case: Case, e: int) -> list[tuple[int, int]]:
    """By row: found and expanded."""
    batch, edge_type = case.run(), case.graph.edge_types[e]
    source = batch["nodes"][edge_type.found]["rows"][batch["edges"][e]["source"]]
    target = batch["nodes"][edge_type.expanded]["rows"][batch["edges"][e]["target"]]
    return list(zip(source.tolist(), target.tolist(), strict=True))


def test_a_row_that_several_seeds_find_is_one_node() -> None:
    batch = merged(foreign_key([0, 0, 1], 2), [[NONE, ALL]], [0, 1, 2], table=1).run()
    assert batch["nodes"][0]["rows"].tolist() == [0, 1]
    assert batch["nodes"][0]["batch"] is None
    assert batch["edges"][1]["source"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("subgraph", ["directional", "bidirectional", "induced"])
def test_a_seed_that_repeats_is_a_node_each_time_with_the_same_edges_into_it(subgraph: str) -> None:
    graph = foreign_key([0, 0, 1, 0, None], 2)
    case = merged(graph, [[ALL, NONE], [NONE, ALL]], [0, 1, 0, 0], subgraph=subgraph)
    batch = case.run()
    assert batch["nodes"][0]["rows"].tolist() == [0, 1, 0, 0]
    into = [set() for _ in range(4)]
    for source, target in zip(batch["edges"][0]["source"], batch["edges"][0]["target"], strict=True):
        into[target].add(int(source))
    assert into[0] == into[2] == into[3]
    assert len(into[0]) == 3
    # A child has its parent's message once.
    assert sorted(batch["edges"][1]["target"].tolist()) == [0, 1, 2, 3]
    assert set(batch["edges"][1]["source"].tolist()) == {0, 1}


@pytest.mark.parametrize("subgraph", ["bidirectional", "induced"])
def test_a_child_seed_that_repeats_gives_its_parent_one_message(subgraph: str) -> None:
    batch = merged(foreign_key([0, 0], 1), [[NONE, ALL]], [0, 1, 0], table=1, subgraph=subgraph).run()
    assert batch["edges"][1]["target"].tolist() == [0, 1, 2]
    assert batch["edges"][0]["source"].tolist() == [0, 1]


def test_a_row_draws_the_same_in_every_merged_batch_of_an_epoch() -> None:
    graph = foreign_key([0] * 50 + [1] * 50, 2)
    rules = [[Rule(3, "uniform"), NONE]]
    both = edges_of(merged(graph, rules, [0, 1]), 0)
    assert edges_of(merged(graph, rules, [0]), 0) == [edge for edge in both if edge[1] == 0]
    assert edges_of(merged(graph, rules, [1]), 0) == [edge for edge in both if edge[1] == 1]
    assert edges_of(merged(graph, rules, [0, 1], key=(0, 1)), 0) != both


def test_caps_hide_rows_from_a_merged_batch() -> None:
    case = merged(foreign_key([0] * 9, 1), [[ALL, NONE]], [0])
    case.options.caps = [1, 4]
    assert edges_of(case, 0) == [(0, 0), (1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize("num_rows", [2**27 + 5, 2**33])
@pytest.mark.parametrize("subgraph", ["directional", "bidirectional", "induced"])
def test_tables_of_any_size_give_the_same_batch(num_rows: int, subgraph: str) -> None:
    """Larger tables have their nodes looked up in other ways: by a hash of the row, or of row and seed."""
    random = np.random.default_rng(1)
    lists = [[Neighbor(int(r), 7) for r in np.sort(random.integers(0, 60, 20))] for _ in range(40)]
    edge_types = [EdgeType(0, 1, lists, numbered=True), EdgeType(0, 0, lists[:40], 1, numbered=True)]
    edge_types[1].lists = [[n for n in of_row if n.row < 40] for of_row in lists]
    edge_types[1].reverse = 1
    small = Graph([40, 60, 60], [None] * 3, edge_types)
    large = Graph([40, 60, num_rows], [None] * 3, edge_types)
    rules = [[Rule(4, "uniform"), Rule(3, "labor")]] * 3
    seeds = [0, 5, 0, 8, 39]
    case = merged(small, rules, seeds, subgraph=subgraph)
    expected = case.run()
    assert case.of_batch(expected) == case.expected()
    assert same_bits(merged(large, rules, seeds, subgraph=subgraph).run(), expected)


@pytest.mark.parametrize("num_rows", [2**27 + 5, 2**33])
def test_seeds_of_a_huge_table_are_known_again(num_rows: int) -> None:
    up = EdgeType(0, 1, [[Neighbor(num_rows - 1, 0)], [Neighbor(num_rows - 2, 0)]])
    back = EdgeType(0, 1, [[Neighbor(num_rows - 2, 0)], [Neighbor(num_rows - 1, 0)]])
    graph = Graph([2, num_rows], [None, None], [up, back])
    batch = merged(graph, [[ALL, ALL]], [0, 1]).run()
    assert batch["nodes"][1]["rows"].tolist() == [num_rows - 1, num_rows - 2]
    assert batch["edges"][1]["source"].tolist() == [1, 0]


def square() -> Graph:
    """0 -> 1 -> 3 and 0 -> 2 -> 3: four tables of a row each; 3 -> 0 and 3 -> 1 lead on."""
    ends = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 0), (3, 1)]
    return Graph([1] * 4, [None] * 4, [EdgeType(a, b, [[Neighbor(0, 0)]]) for a, b in ends])


@pytest.mark.parametrize(
    ("paths", "followed"),
    [
        ([[0, 2]], [[0], [2], []]),
        ([[0], [1, 3]], [[0, 1], [3], []]),
        ([[]], [[], [], []]),
        # Two paths meet in table 3's row in one hop: both go on from there.
        ([[0, 2, 4], [1, 3, 5]], [[0, 1], [2, 3], [4, 5]]),
        # A path that does not lead to where another goes on is not continued by it.
        ([[0, 2], [1, 3, 5]], [[0, 1], [2, 3], [5]]),
        ([[0, 5, 2]], [[0], [], []]),
        ([[2, 4]], [[], [], []]),
    ],
)
@pytest.mark.parametrize("disjoint", [True, False])
def test_only_metapaths_are_followed(
    paths: list[list[int]], followed: list[list[int]], disjoint: bool
) -> None:
    graph = square()
    case = Case(graph, Options([[ALL] * 6] * 3, [1] * 4, disjoint=disjoint, metapaths=paths), [(0, 0, END)])
    edges = case.run()["edges"]
    assert [[e for e in range(6) if edges[e]["num_per_hop"][hop]] for hop in range(3)] == followed


def test_a_node_is_expanded_along_the_paths_that_found_it_first() -> None:
    """Row 0 of table 1 is found at hop 1 by one path and at hop 2 by another, which does not go on from it."""
    ends = [(0, 1), (0, 2), (2, 1), (1, 3), (1, 4)]
    graph = Graph([1] * 5, [None] * 5, [EdgeType(a, b, [[Neighbor(0, 0)]]) for a, b in ends])
    case = merged(graph, [[ALL] * 5] * 3, [0], metapaths=[[0, 3], [1, 2, 4]])
    batch = case.run()
    assert [len(edges["source"]) for edges in batch["edges"]] == [1, 1, 1, 1, 0]


def test_sixty_four_metapaths_are_kept_apart() -> None:
    """Path i leads from the seed to table i + 1, and on to table 65 by an edge type of its own."""
    ends = [(0, i + 1) for i in range(64)] + [(i + 1, 65) for i in range(64)]
    graph = Graph([1] * 66, [None] * 66, [EdgeType(a, b, [[Neighbor(0, 0)]]) for a, b in ends])
    paths = [[i, 64 + i] if i % 3 else [i] for i in range(64)]
    batch = merged(graph, [[ALL] * 128] * 2, [0], metapaths=paths).run()
    assert [len(edges["source"]) for edges in batch["edges"]] == [1] * 64 + [
        int(i % 3 > 0) for i in range(64)
    ]


def chain(first: int, each: int) -> Graph:
    """A row with `first` neighbors, which have `each` neighbors of their own."""
    down = [[Neighbor(i, i) for i in range(first)]]
    further = [[Neighbor(i * each + j, i * each + j) for j in range(each)] for i in range(first)]
    return Graph([1, first, first * each], [None] * 3, [EdgeType(0, 1, down), EdgeType(1, 2, further)])


@pytest.mark.parametrize(
    ("fanouts", "found", "expected"),
    [
        ((10, 3), 10, 10 * 3),  # as many as allowed
        ((10, 3), 5, 5 * 6),  # half as many: twice the fanout
        ((10, 3), 3, 3 * 10),  # 3 * 10 / 3
        ((10, 3), 1, 12),  # at most four times
        ((-1, 3), 5, 5 * 12),
        ((10, -1), 2, 2 * 100),
        ((-1, 2**24), 2, 2 * 100),
        ((2**40, 2**40), 2, 2 * 100),
        ((2**62, 2**62), 2, 2 * 100),
        ((10, 0), 2, 0),
    ],
)
def test_seeds_that_found_fewer_nodes_have_larger_fanouts(
    fanouts: tuple[int, int], found: int, expected: int
) -> None:
    rules = [[Rule(fanouts[0]), NONE], [NONE, Rule(fanouts[1])]]
    case = Case(chain(found, 100), Options(rules, [1, found, found * 100], adaptive=True), [(0, 0, 5)])
    batch = case.run()
    assert batch["nodes"][2]["num_per_hop"] == [0, 0, expected]
    assert case.of_batch(batch) == case.expected()


def test_adaptive_fanouts_count_the_nodes_and_the_plan_of_the_metapaths_alone() -> None:
    """Two edge types lead to the same table; only the rows that the first one finds are expanded."""
    graph = chain(4, 100)
    graph.edge_types.append(EdgeType(0, 1, [[Neighbor(2, 2), Neighbor(3, 3)]]))
    graph.edge_types[0].lists = [[Neighbor(0, 0), Neighbor(1, 1)]]
    rules = [[Rule(4), NONE, Rule(4)], [NONE, Rule(3), NONE]]
    options = Options(rules, graph.num_rows, metapaths=[[0, 1], [2]], adaptive=True)
    case = Case(graph, options, [(0, 0, 5)])
    batch = case.run()
    assert batch["nodes"][1]["num_per_hop"] == [0, 4, 0]
    assert batch["nodes"][2]["num_per_hop"] == [0, 0, 2 * 6]
    assert case.of_batch(batch) == case.expected()


def test_an_induced_subgraph_holds_edges_that_no_hop_followed() -> None:
    graph = foreign_key([0, 0, 1, None], 2)
    case = merged(graph, [[NONE, NONE]], [0, 1, 2, 3], table=1, subgraph="induced")
    assert edges_of(case, 0) == edges_of(case, 1) == []
    case = merged(graph, [[NONE, Rule(1)]], [0, 1, 2, 3], table=1, subgraph="induced")
    assert edges_of(case, 0) == [(0, 0), (1, 0), (2, 1)]
    assert edges_of(case, 1) == [(0, 0), (0, 1), (1, 2)]


def test_a_subgraph_of_several_blocks_has_its_edges_between_its_own_nodes() -> None:
    graph = foreign_key([i // 3 for i in range(300)], 100)
    for subgraph in ("directional", "bidirectional", "induced"):
        options = Options([[ALL, NONE], [NONE, ALL]], graph.num_rows, subgraph=subgraph)
        case = Case(graph, options, [(0, i % 100, 0) for i in range(150)])
        batch = case.run(to_native(graph), num_threads=3)
        assert len(batch["edges"][1]["source"]) == 450
        for e, (found, expanded) in enumerate(itertools.permutations((1, 0))):
            owners = [
                batch["nodes"][t]["batch"][batch["edges"][e][end]]
                for t, end in ((found, "source"), (expanded, "target"))
            ]
            np.testing.assert_array_equal(*owners)
        assert case.of_batch(batch) == case.expected()
