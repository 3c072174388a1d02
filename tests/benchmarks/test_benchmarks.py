"""The benchmarks measure what they say: graphs, replays and formulas. No time is asserted."""

import inspect
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import capacity, sampling
from benchmarks.cases import FOREVER, Case, anchor_times, cases, seeds
from benchmarks.f1 import f1_rows
from benchmarks.graphs import EdgeArrays, Graph, TableArrays, load, power_law, read, relational, save
from benchmarks.limits import GROUPS, Arrays, Replay, dependent_load_ns, memory, random_loads
from benchmarks.native import Relhop
from benchmarks.peers import PEERS, PygLib, TorchSparse
from benchmarks.report import Row, digits, publish
from benchmarks.traces import NEW, by_blocks, first_not_below, trace


@pytest.fixture(scope="module")
def shop() -> Graph:
    return relational(500, 40, 6_000)


STATIC = Case("static", (5, 4, 3), 50)
TIMED = Case("relational", (6, 4, 3), 50, "last", disjoint=True, timed=True)


# --- graphs


def assert_lists_are_well_formed(edges: EdgeArrays, graph: Graph) -> None:
    assert edges.offsets is not None
    assert len(edges.offsets) == graph.tables[edges.expanded].num_rows + 1
    assert edges.offsets[0] == 0
    assert edges.offsets[-1] == len(edges.neighbors)
    assert (np.diff(edges.offsets) >= 0).all()
    assert edges.neighbors.max() < graph.tables[edges.found].num_rows
    falls = np.flatnonzero(np.diff(edges.neighbors.astype(np.int64)) < 0) + 1
    assert np.isin(falls, edges.offsets).all(), "a list does not ascend"


def test_a_power_law_graph_has_well_formed_lists_and_hubs() -> None:
    graph = power_law(3_000, 45_000)
    assert_lists_are_well_formed(graph.edge_types[0], graph)
    assert graph.num_edges == 45_000
    assert graph.max_degree > 20 * 15
    assert graph.edge_types[0].neighbors.dtype == np.uint32


def test_hubs_are_scattered_and_each_end_has_its_own() -> None:
    edges = power_law(3_000, 45_000).edge_types[0]
    assert edges.offsets is not None
    degrees = np.diff(edges.offsets), np.bincount(edges.neighbors, minlength=3_000)
    hubs = [set(np.argsort(of_end)[-5:].tolist()) for of_end in degrees]
    assert not hubs[0] & hubs[1]
    assert all(np.diff(sorted(of_end)).min() > 1 for of_end in hubs)


def test_a_relational_graph_has_both_directions_of_its_links_and_ascending_times(shop: Graph) -> None:
    assert [table.name for table in shop.tables] == ["users", "items", "tx"]
    assert [(e.name, e.expanded, e.found, e.offsets is None) for e in shop.edge_types] == [
        ("tx.user", 0, 2, False),
        ("tx.user", 2, 0, True),
        ("tx.item", 1, 2, False),
        ("tx.item", 2, 1, True),
    ]
    for lists, parents in (shop.edge_types[:2], shop.edge_types[2:]):
        assert_lists_are_well_formed(lists, shop)
        owners = np.repeat(np.arange(shop.tables[lists.expanded].num_rows), np.diff(lists.offsets))
        assert (parents.neighbors[lists.neighbors] == owners).all()
    times = shop.tables[2].times
    assert times is not None
    assert (np.diff(times) >= 0).all()
    assert (times % 1_000_000 == 0).all()


def test_the_same_graph_is_made_every_time() -> None:
    one, two = power_law(100, 700), power_law(100, 700)
    assert (one.edge_types[0].neighbors == two.edge_types[0].neighbors).all()
    assert (one.edge_types[0].neighbors != power_law(100, 700, seed=1).edge_types[0].neighbors).any()


def test_a_saved_graph_is_read_back(shop: Graph, tmp_path: Path) -> None:
    save(shop, tmp_path / "shop")
    again = read(tmp_path / "shop")
    for one, two in zip(shop.edge_types, again.edge_types, strict=True):
        assert (one.name, one.expanded, one.found) == (two.name, two.expanded, two.found)
        assert np.array_equal(one.neighbors, two.neighbors)
        assert (one.offsets is None) == (two.offsets is None)
    assert np.array_equal(shop.tables[2].times, again.tables[2].times)  # type: ignore[arg-type]


def test_a_loaded_graph_is_made_once(tmp_path: Path) -> None:
    made = load("small sparse", tmp_path)
    home = tmp_path / "smallsparse" / "neighbors0.npy"
    written = home.stat().st_mtime_ns
    assert np.array_equal(
        load("small sparse", tmp_path).edge_types[0].neighbors, made.edge_types[0].neighbors
    )
    assert home.stat().st_mtime_ns == written


# --- seeds


def test_seeds_of_all_batches_are_different_rows_with_their_own_anchors(shop: Graph) -> None:
    batches = [seeds(TIMED, shop, number) for number in range(10)]
    rows = np.concatenate([batch.rows for batch in batches])
    assert len(np.unique(rows)) == 500
    assert (np.concatenate([batch.times for batch in batches]) == anchor_times(shop)[rows]).all()
    assert (seeds(TIMED, shop, 10).rows == batches[0].rows).all()


def test_seeds_without_anchor_see_all(shop: Graph) -> None:
    assert (seeds(replace(TIMED, timed=False), shop, 3).times == FOREVER).all()


def test_cases_say_what_they_are() -> None:
    texts = [str(case) for case in cases(quick=False)]
    assert len(set(texts)) == len(texts)
    assert "10 M / 150 M, [12, 12, 12] × 1152, static merged, uniform" in texts
    assert "relational, [16, 8] × 1024, temporal disjoint, last" in texts


# --- replays

# 0 → 1, 2 · 1 → 0, 2, 3 · 2 → nothing · 3 → 0
TINY = Graph(
    [TableArrays("nodes", 4, np.array([10, 20, 30, 40]))],
    [EdgeArrays("edges", 0, 0, np.array([0, 2, 5, 5, 6]), np.array([1, 2, 0, 2, 3, 0], np.uint32))],
)
TINY_SAMPLE = {
    "nodes": [{"rows": np.array([1, 3, 0, 2]), "batch": np.array([0, 0, 0, 0]), "num_per_hop": [1, 2, 1]}],
    "edges": [
        {"source": np.array([1, 2, 2, 3]), "target": np.array([0, 0, 1, 2]), "num_per_hop": [2, 2]},
    ],
}


def test_a_trace_names_the_rows_and_places_that_were_read() -> None:
    traced = trace(TINY, TINY_SAMPLE, None)
    assert traced.num_edges == 4
    assert (traced.num_seeds, traced.num_nodes) == ([1], [4])
    first, second = traced.steps
    assert first.rows.tolist() == [1]
    assert first.counts.tolist() == [2]
    assert first.picks.tolist() == [2 | NEW, 0 | NEW]
    assert first.visible is None
    assert second.rows.tolist() == [3, 0]
    assert second.counts.tolist() == [1, 1]
    assert second.picks.tolist() == [0, 1 | NEW]
    assert second.first_target == 1


def test_a_temporal_trace_says_how_much_of_each_list_was_visible() -> None:
    traced = trace(TINY, TINY_SAMPLE, np.array([30]))
    assert [step.visible.tolist() for step in traced.steps if step.visible is not None] == [[2], [1, 2]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("group", [1, 2, 3, 64])
def test_a_replay_gives_the_sample_again(packed: bool, group: int) -> None:
    replay = Replay(Arrays(TINY, packed=packed), [trace(TINY, TINY_SAMPLE, np.array([30]))], disjoint=False)
    _, seen = replay.run(0, group, [np.array([1])])
    assert seen == 2 + 0 + 2, "the ends of the visible prefixes of rows 1, 3 and 0"
    assert replay.num_found.tolist() == [4]
    assert replay.found[0][1:4].tolist() == [3, 0, 2]
    assert replay.source[0].tolist() == [1, 2, 2, 3]
    assert replay.target[0].tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("packed", [False, True])
def test_replays_of_merged_samples_give_relhops_nodes_and_edges(packed: bool) -> None:
    graph = power_law(2_000, 20_000)
    sampler, batches = Relhop(graph), [seeds(STATIC, graph, number) for number in range(3)]
    samples = [sampler.sample(STATIC, batch, number) for number, batch in enumerate(batches)]
    replay = Replay(
        Arrays(graph, packed=packed), [trace(graph, sample, None) for sample in samples], disjoint=False
    )
    for number, (sample, batch) in enumerate(zip(samples, batches, strict=True)):
        for group in GROUPS:
            replay.run(number, group, [batch.rows])
            rows, edges = sample["nodes"][0]["rows"], sample["edges"][0]
            assert replay.num_found[0] == len(rows)
            assert (replay.found[0][50 : len(rows)] == rows[50:]).all()
            assert (replay.source[0][: len(edges["source"])] == edges["source"]).all()
            assert (replay.target[0][: len(edges["target"])] == edges["target"]).all()


@pytest.mark.parametrize("disjoint", [False, True])
def test_replays_of_temporal_samples_read_the_ends_of_visible_prefixes(shop: Graph, disjoint: bool) -> None:
    batch = seeds(TIMED, shop, 0)
    sample = Relhop(shop).sample(TIMED, batch, 0)
    traced = trace(shop, sample, batch.times)
    expected = 0
    for step in traced.steps:
        edges = shop.edge_types[step.edge_type]
        if edges.offsets is not None:
            assert step.visible is not None
            ends = edges.offsets[step.rows] + step.visible - 1
            expected += int(edges.neighbors[ends[step.visible > 0]].sum())
    blocks = by_blocks(traced, sample, shop, 8)
    assert blocks.num_edges == traced.num_edges
    assert len(blocks.steps) > len(traced.steps)
    replay = Replay(Arrays(shop, packed=True), [traced, blocks], disjoint=disjoint)
    for number in (1, 0):
        assert replay.run(number, 8)[1] == expected
        assert replay.num_found.tolist() == traced.num_nodes
    for edge_type, edges in enumerate(sample["edges"]):
        assert (replay.target[edge_type] == edges["target"]).all()


def test_a_trace_knows_the_parents_of_rows_that_were_found_in_their_lists(shop: Graph) -> None:
    batch = seeds(TIMED, shop, 0)
    sample = Relhop(shop).sample(TIMED, batch, 0)
    known = [step for step in trace(shop, sample, batch.times).steps if step.origins is not None]
    assert known
    for step in known:
        edges = sample["edges"][step.edge_type]
        of_step = np.isin(edges["target"], step.first_target + np.arange(len(step.rows)))
        assert (edges["source"][of_step] == step.origins).all()


def test_bisection_finds_the_first_value_not_below() -> None:
    values = np.array([1, 3, 5, 2, 2, 9])
    found = first_not_below(values, np.array([0, 0, 3, 3]), np.array([3, 3, 6, 3]), np.array([3, 6, 2, 1]))
    assert found.tolist() == [1, 3, 3, 3]


def test_memory_is_zero_and_of_the_size_asked_for() -> None:
    for huge in (True, False):
        given = memory(1 << 16, huge=huge)
        assert len(given) == 1 << 16
        assert not given.any()


def test_random_loads_touch_as_many_words_as_they_say() -> None:
    assert len(random_loads(1 << 16, 1_000, 2, huge=False)) == 5  # which asserts the sum of the words itself
    assert len(dependent_load_ns(1 << 16, 1_000, huge=False)) == 5


# --- peers


def neighbor_sample(  # the parameters of pyg-lib's operator
    rowptr, col, seed, num_neighbors, node_time, edge_time, seed_time, edge_weight,
    csc, replace, directed, disjoint, temporal_strategy, return_edge_id,
):  # fmt: skip
    assert (node_time, edge_time, seed_time, edge_weight) == (None, None, None, None)
    assert (csc, replace, directed, disjoint, temporal_strategy, return_edge_id) == (
        True, False, True, False, "uniform", False,
    )  # fmt: skip
    assert len(rowptr) == 501
    return (col[: len(seed)],)


def hetero_neighbor_sample(
    node_types, edge_types, rowptr_dict, col_dict, seed_dict, num_neighbors_dict, node_time_dict, edge_time_dict,
    seed_time_dict, edge_weight_dict, csc, replace, directed, disjoint, temporal_strategy, return_edge_id,
):  # fmt: skip
    assert node_types == ["users", "items", "tx"]
    assert edge_types[0] == ("tx", "tx.user", "users")
    assert (
        list(rowptr_dict) == list(col_dict) == list(num_neighbors_dict) == ["__".join(e) for e in edge_types]
    )
    assert rowptr_dict["users__tx.user__tx"].tolist() == list(range(6_001))
    assert list(node_time_dict) == ["tx"]
    assert len(seed_dict["users"]) == len(seed_time_dict["users"]) == 50
    assert (disjoint, temporal_strategy) == (True, "last")
    return ({name: col[:7] for name, col in col_dict.items()},)


def test_pyg_lib_is_called_as_its_operators_are_declared(
    shop: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    operators = SimpleNamespace(
        neighbor_sample=neighbor_sample, hetero_neighbor_sample=hetero_neighbor_sample
    )
    monkeypatch.setattr(torch.ops, "pyg", operators, raising=False)
    graph = power_law(500, 4_000)
    static = PygLib(graph).prepare(STATIC, seeds(STATIC, graph, 0), 0)
    timed = PygLib(shop).prepare(TIMED, seeds(TIMED, shop, 0), 0)
    assert static is not None
    assert timed is not None
    assert (static(), timed()) == (50, 4 * 7)
    assert PygLib(shop).prepare(replace(TIMED, strategy="recency"), seeds(TIMED, shop, 0), 0) is None


def test_torch_sparse_declines_what_it_does_not_do(shop: Graph) -> None:
    declined = (TIMED, replace(TIMED, strategy="recency"), replace(TIMED, strategy="uniform", timed=False))
    for case in declined:
        assert TorchSparse(shop).prepare(case, seeds(case, shop, 0), 0) is None


# --- capacity


def test_the_formula_gives_the_bytes_of_a_real_store(tmp_path: Path) -> None:
    store, sizes = capacity.build(4_000, tmp_path)
    predicted, real = capacity.files(sizes), capacity.files_of(store)
    exact = (
        "time_blocks.bin",
        "offsets.bin",
        "children.bin",
        "parents.bin",
        "order.bin",
        "rows.bin",
        "rows.crc",
    )
    assert {kind: predicted[kind] for kind in exact} == {kind: real[kind] for kind in exact}
    assert capacity.topology_bytes(predicted) == pytest.approx(capacity.topology_bytes(real), rel=0.05)
    assert set(real) - set(predicted) == {"manifest.json", "categories.parquet"}


def test_a_spec_is_read_and_scaled() -> None:
    sizes = capacity.Sizes.from_yaml(capacity.SPEC).scaled_to(10**10, record_bytes=64)
    assert sum(table.rows for table in sizes.tables.values()) == pytest.approx(10**10)
    assert sizes.tables["tx"].record_bytes == 64
    assert sizes.num_edges == 4 * sizes.tables["tx"].rows
    of_kind = capacity.files(sizes)
    assert capacity.topology_bytes(of_kind) / sizes.num_edges < 4.5
    assert of_kind["rows.bin"] == 64 * sum(table.rows for table in sizes.tables.values())


def test_a_width_leaves_room_for_no_row() -> None:
    assert [capacity.width(count) for count in (0, 1, 2, 3, 4, 2**32 - 1, 2**32, 2**57)] == [
        1, 1, 2, 2, 3, 32, 33, 64,
    ]  # fmt: skip


# --- reports


def test_a_quick_run_gives_rows_of_every_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "numbers.json"
    arguments = ["--quick", "--only", "small relational, [16, 8] × 128", "--rounds", "1", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["sampling", *arguments])
    sampling.main()
    content = json.loads(out.read_text())
    assert set(content) == {"machine", "notes", "rows"}
    fields = set(inspect.signature(Row).parameters)
    assert all(set(line) == fields for line in content["rows"])
    assert all(line["min"] <= line["median"] <= line["max"] for line in content["rows"])
    systems = {line["system"] for line in content["rows"]}
    absent = {note.split()[0] for note in content["notes"]}
    assert {"relhop", "replay", "memory"} <= systems
    assert set(PEERS) == absent | {name for name in PEERS if name in systems}
    ours = [line for line in content["rows"] if line["system"] == "relhop" and line["metric"] == "edges/s"]
    assert len(ours) == 6 * 3, "strategies, with time and without; one thread, two, one batch over two"
    assert all(line["ratio_to_limit"] > 0 for line in ours if "split" not in line["configuration"])
    assert capsys.readouterr().out.startswith("## Sampling\n")


def test_f1_is_sampled_with_every_strategy(tmp_path: Path) -> None:
    rows = f1_rows(tmp_path, 1)
    assert len(rows) == 3 * 2 * 3
    assert {line.metric for line in rows} == {"seeds/s", "edges/s", "ns/edge"}
    assert all(line.median > 0 for line in rows)


def test_numbers_keep_three_digits() -> None:
    assert [digits(value) for value in (1234567.0, 123.4, 12.345, 0.01234)] == [
        "1,234,567",
        "123",
        "12.3",
        "0.0123",
    ]


def test_a_report_names_what_is_absent(capsys: pytest.CaptureFixture[str]) -> None:
    publish("Title", [Row("a", "b", "c", 1.0, 0.5, 2.0, None, 0.25)], None, ["x is absent"])
    printed = capsys.readouterr().out
    assert "- x is absent\n" in printed
    assert "| a | b | c | 1 | 0.5–2 | – | 0.25 |" in printed
