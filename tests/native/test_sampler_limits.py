"""Fanouts of thousands, calls that make no sense, and damaged lists."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from relhop import _native
from relhop.errors import CorruptStore
from tests import packing
from tests.sampler_cases import Case, native_rule, to_native
from tests.sampler_reference import END, EdgeType, Graph, Neighbor, Options, Rule


def hub(weights: list[float]) -> Graph:
    neighbors = [Neighbor(i, i, w) for i, w in enumerate(weights)]
    return Graph(
        [1, len(weights)], [None, list(range(len(weights)))], [EdgeType(0, 1, [neighbors], weighted=True)]
    )


@pytest.mark.parametrize("fanout", [4097, 5000])
@pytest.mark.parametrize(
    "rule",
    [Rule(0, s) for s in ("recency", "last", "uniform", "labor", "weighted")]
    + [Rule(0, s, True) for s in ("uniform", "weighted")],
    ids=lambda rule: f"{rule.strategy}{' again' * rule.replace}",
)
def test_fanouts_larger_than_any_queue_equal_the_reference(rule: Rule, fanout: int) -> None:
    graph = hub([1.0] * 5001 if rule.strategy == "weighted" and not rule.replace else [1.0] * 6000)
    rules = [[Rule(fanout, rule.strategy, rule.replace)]]
    case = Case(graph, Options(rules, graph.num_rows), [(0, 0, 5990), (0, 0, 5990)])
    batch = case.run()
    if rule.strategy != "weighted":  # the twin is too slow for weighted draws of thousands
        assert case.of_batch(batch) == case.expected()
    for seed in (0, 1):
        mine = batch["nodes"][0]["batch"][batch["edges"][0]["target"]] == seed
        rows = batch["nodes"][1]["rows"][batch["edges"][0]["source"][mine]]
        assert len(rows) == fanout
        assert (np.diff(rows) >= int(not rule.replace)).all()


@pytest.mark.parametrize("strategy", ["recency", "last", "uniform", "labor", "weighted"])
def test_enormous_fanouts_are_met_exactly(strategy: str) -> None:
    n, k = (3_000_000, 2_700_000) if strategy == "recency" else (300_000, 270_000)
    offsets, neighbors = packing.rows([0, n], n), packing.rows(np.arange(n), n)
    sums = np.arange(1, n + 1, dtype=np.float64)
    edges = _native.EdgeRows.lists("e", 0, 1, offsets, neighbors, weights=sums)
    topology = _native.Topology([_native.TableRows("a", 1, None), _native.TableRows("b", n, None)], [edges])
    options = _native.SampleOptions(
        [[_native.Rule(k, _native.Strategy[strategy])]], 0, 0, [1, n], disjoint=False
    )
    rows = topology.sample(options, np.zeros(1, np.uint32), np.zeros(1, np.int64), np.full(1, END))["nodes"][
        1
    ]["rows"]
    assert len(rows) == k
    assert (np.diff(rows) > 0).all()
    assert rows[-1] < n
    if strategy == "recency":  # of stratum i < 300,000 the ranks i and at most the next few
        assert (n - 1 - rows[::-1][:300_000] <= np.arange(300_000) * 1.01 + 1).all()


def call(change: dict[str, Any]) -> None:
    options = {
        "rules": [[Rule(1)] * 2],
        "random_seed": 0,
        "epoch": 0,
        "caps": [1, 3],
        "tables": [0],
        "rows": [0],
        "times": [5],
    } | change
    tables, rows, times = (np.array(options.pop(name), np.int64) for name in ("tables", "rows", "times"))
    options["rules"] = [[native_rule(rule) for rule in hop] for hop in options["rules"]]
    graph = Graph(
        [1, 3],
        [None, None],
        [
            EdgeType(0, 1, [[Neighbor(r, r) for r in range(3)]], 1),
            EdgeType(1, 0, [[Neighbor(0, c)] for c in range(3)], 0, True),
        ],
    )
    to_native(graph).sample(_native.SampleOptions(**options), tables.astype(np.uint32), rows, times)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rules": [[Rule(1)] * 2, [Rule(1)]]},
            "hop 2 does not name each of the 2 edge types",
        ),
        ({"rules": [[Rule(-2), Rule(1)]]}, "a fanout is -2"),
        ({"rules": [[Rule(1, window=-5), Rule(1)]]}, "a window is -5"),
        (
            {"rules": [[Rule(1), Rule(1, "labor", True)]]},
            "only uniform and weighted sampling can draw with replacement",
        ),
        (
            {"rules": [[Rule(1, "recency", True), Rule(1)]]},
            "only uniform and weighted sampling can draw with replacement",
        ),
        ({"rules": [[Rule(1, "weighted"), Rule(1)]]}, "e0 has no weights"),
        ({"caps": [1]}, "caps must name each of the 2 tables"),
        ({"group": 0}, "a group holds at least one node"),
        ({"metapaths": [[0]] * 65}, "at most 64 metapaths can be followed"),
        ({"metapaths": [[0, 2]]}, "a metapath names an edge type that does not exist"),
        ({"adaptive": True, "disjoint": False, "times": [END]}, "adaptive fanouts need disjoint subgraphs"),
        ({"tables": [2]}, "seed 0 is of table 2; there are 2"),
        ({"rows": [0, 0]}, "2 seed rows, but 1 tables"),
        ({"tables": [0, 0], "rows": [0, 0]}, "2 seed rows, but 1 anchor times"),
        ({"tables": [1, 0], "rows": [2, 1], "times": [5, 5]}, "seed 1 is row 1 of a table of 1 rows"),
        ({"rows": [-1]}, "seed 0 is row -1 of a table of 1 rows"),
        (
            {"rules": [[Rule(1, window=1)] * 2], "times": [END]},
            "a window needs an anchor time for every seed",
        ),
        ({"disjoint": False}, "seeds with anchor times of their own need disjoint subgraphs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_calls_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(change)


def test_the_call_is_otherwise_sound() -> None:
    call({})
    call({"rules": [[Rule(1), Rule(1, "weighted")]]})  # a key's parent is taken whatever the weights
    call({"metapaths": [[0]] * 64, "tables": [], "rows": [], "times": []})
    call({"tables": [1, 0], "rows": [2, 0], "times": [5, 5]})


def tables() -> list[_native.TableRows]:
    return [_native.TableRows("a", 2, None), _native.TableRows("b", 3, None)]


def lists(offsets: list[int], neighbors: list[int], **more: Any) -> _native.EdgeRows:
    return _native.EdgeRows.lists("e", 0, 1, packing.rows(offsets, 100), packing.rows(neighbors, 100), **more)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lists([0, 1], [0]), CorruptStore, "link e: offsets holds 2 entries, expected 3"),
        (lambda: lists([0, 1, 2], [0]), CorruptStore, "link e: children holds 1 entries, expected 2"),
        (lambda: lists([0, 1, 1], [0], weights=np.ones(2)), CorruptStore, "link e: weights holds 2 entries, expected 1"),
        (lambda: lists([0, 1, 1], [0], edge_ids=packing.rows([0, 1], 9)), CorruptStore, "link e: edge_ids holds 2 entries, expected 1"),
        (lambda: _native.EdgeRows.parents("e", 1, 0, packing.rows([0], 2)), CorruptStore, "link e: parents holds 1 entries, expected 3"),
        (lambda: lists([0, 1, 1], [0], reverse=1), IndexError, "e: its reverse 1 does not exist"),
        (lambda: lists([0, 1, 1], [0], reverse=0), ValueError, "e: its reverse does not lead back"),
    ],
)  # fmt: skip
def test_edges_that_do_not_fit_together_are_refused(make: Any, error: type[Exception], message: str) -> None:
    edges = make()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        _native.Topology(tables(), [edges])


@pytest.mark.parametrize("disjoint", [True, False])
@pytest.mark.parametrize("subgraph", ["directional", "bidirectional", "induced"])
@pytest.mark.parametrize(
    ("edges", "seed_table", "message"),
    [
        (lambda: lists([0, 9, 2], [0, 1]), 0, "offsets holds 9"),
        (lambda: lists([0, 2, 2], [0, 70]), 0, "children holds 70"),
        (lambda: _native.EdgeRows.parents("e", 1, 0, packing.rows([90, 0, 1], 100)), 1, "parents holds 90"),
    ],
    ids=["offsets", "children", "parents"],
)
def test_damage_is_an_error_whatever_the_subgraph(
    edges: Any, seed_table: int, message: str, subgraph: str, disjoint: bool
) -> None:
    topology = _native.Topology(tables(), [edges()])
    for fanout in (-1, 0):  # followed, and seen by the induced subgraph only
        options = _native.SampleOptions(
            [[_native.Rule(fanout)]], 0, 0, [2, 3], disjoint=disjoint, subgraph=_native.Subgraph[subgraph]
        )
        if fanout == 0 and subgraph != "induced":
            continue
        with pytest.raises(
            CorruptStore, match=f"^link e: {message}, which cannot be there; run `relhop verify`$"
        ):
            topology.sample(
                options, np.full(1, seed_table, np.uint32), np.zeros(1, np.int64), np.full(1, END)
            )
