"""The native sampler against its slow twin, and its draws against their stated distributions."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from relhop import _native
from relhop.errors import CorruptStore
from tests import packing
from tests.graphs import graphs, to_native
from tests.reference import Stream, Tables, choose, fold, recency_strata, sample_seed

NATIVE = {s: getattr(_native.Strategy, s) for s in ("recency", "last", "uniform")}


def rules(num_neighbors, strategies):
    return [
        [_native.Rule(n, NATIVE[s]) for n, s in zip(*hop, strict=True)]
        for hop in zip(num_neighbors, strategies, strict=True)
    ]


def run(topology, tables, seeds, num_neighbors, strategies, key=(0, 0), num_threads=1):
    caps = tables.caps or tables.num_rows
    options = _native.SampleOptions(rules(num_neighbors, strategies), key[0], key[1], caps)
    tables_, rows, times = np.array(seeds, dtype=np.int64).T
    return topology.sample(options, tables_.astype(np.uint32), rows.copy(), times.copy(), num_threads)


def of_seed(sample, seed, tables):
    """One seed's subgraph out of a batch, in the reference's form."""
    rows, edges = [], []
    for nodes in sample["nodes"]:
        bounds = np.cumsum([0, *nodes["num_per_hop"]])
        hops = [slice(a, b) for a, b in itertools.pairwise(bounds)]
        rows.append([nodes["rows"][h][nodes["batch"][h] == seed].tolist() for h in hops])
    for e, of_type in enumerate(sample["edges"]):
        child, parent, _ = tables.links[e // 2]
        expanded, source = (parent, child) if e % 2 == 0 else (child, parent)
        bounds = np.cumsum([0, *of_type["num_per_hop"]])
        hops = []
        for a, b in itertools.pairwise(bounds):
            s, t = of_type["source"][a:b], of_type["target"][a:b]
            mine = sample["nodes"][expanded]["batch"][t] == seed
            assert (sample["nodes"][source]["batch"][s] == sample["nodes"][expanded]["batch"][t]).all()
            found = sample["nodes"][source]["rows"][s[mine]].tolist()
            hops.append(list(zip(found, sample["nodes"][expanded]["rows"][t[mine]].tolist(), strict=True)))
        edges.append(hops)
    return rows, edges


@st.composite
def cases(draw):
    tables = draw(graphs())
    if draw(st.booleans()):
        tables.caps = [draw(st.integers(0, n)) for n in tables.num_rows]
    table = st.integers(0, len(tables.num_rows) - 1)
    seeds = table.flatmap(
        lambda t: st.tuples(st.just(t), st.integers(0, tables.num_rows[t] - 1), st.integers(-1, 11))
    )
    seeds = draw(st.lists(seeds, min_size=1, max_size=6))
    hops = draw(st.integers(1, 6))
    e = 2 * len(tables.links)
    per_hop = lambda values: [draw(st.lists(values, min_size=e, max_size=e)) for _ in range(hops)]  # noqa: E731
    fanouts = per_hop(st.sampled_from([-1, 0, 1, 2, 3, 5]))
    strategies = per_hop(st.sampled_from(sorted(NATIVE)))
    key = (draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 5)))
    return tables, seeds, fanouts, strategies, key


@settings(max_examples=300, deadline=None)
@given(cases())
def test_every_bit_equals_the_reference(case):
    tables, seeds, fanouts, strategies, key = case
    sample = run(to_native(tables), tables, seeds, fanouts, strategies, key)
    for i, seed in enumerate(seeds):
        expected = sample_seed(tables, seed, fanouts, strategies, key)
        assert of_seed(sample, i, tables) == (expected.rows, expected.edges)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(1, 5), st.sampled_from([None, 13, 32, 57, 64]))
def test_threads_batch_splits_and_row_width_change_nothing(case, num_threads, width):
    tables, seeds, fanouts, strategies, key = case
    whole = run(to_native(tables), tables, seeds, fanouts, strategies, key)
    threaded = run(to_native(tables, width=width), tables, seeds, fanouts, strategies, key, num_threads)
    for kind, fields in (("nodes", ("rows", "batch")), ("edges", ("source", "target"))):
        for a, b in zip(whole[kind], threaded[kind], strict=True):
            assert a["num_per_hop"] == b["num_per_hop"]
            for field in fields:
                np.testing.assert_array_equal(a[field], b[field])
    for i, seed in enumerate(seeds):
        alone = run(to_native(tables), tables, [seed], fanouts, strategies, key)
        assert of_seed(alone, 0, tables) == of_seed(whole, i, tables)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_no_invisible_row_and_no_duplicate_is_ever_sampled(case):
    tables, seeds, fanouts, strategies, key = case
    sample = run(to_native(tables), tables, seeds, fanouts, strategies, key)
    for table, nodes in enumerate(sample["nodes"]):
        first = nodes["num_per_hop"][0]
        pairs = list(zip(nodes["batch"].tolist(), nodes["rows"].tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
        for seed, row in pairs[first:]:
            assert tables.visible(table, row, seeds[seed][2])
    for of_type in sample["edges"]:
        pairs = list(zip(of_type["source"].tolist(), of_type["target"].tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)


def hub(n: int) -> Tables:
    """One parent with n children."""
    return Tables([1, n], [None, list(range(n))], [(1, 0, [0] * n)])


def drawn_ranks(strategy: str, n: int, k: int, draws: int) -> Counter[int]:
    tables = hub(n)
    topology = to_native(tables)
    ranks: Counter[int] = Counter()
    for epoch in range(draws):
        options_ = _native.SampleOptions(rules([[k, 0]], [[strategy] * 2]), 7, epoch, tables.num_rows)
        sample = topology.sample(options_, np.zeros(1, np.uint32), np.array([0]), np.array([n]), 1)
        rows = sample["nodes"][1]["rows"]
        assert len(np.unique(rows)) == k
        ranks.update((n - 1 - rows).tolist())
    return ranks


@pytest.mark.parametrize(("n", "k"), [(10, 3), (100, 16), (1000, 40)])
def test_uniform_includes_every_neighbor_equally_often(n, k):
    draws = 4000
    ranks = drawn_ranks("uniform", n, k, draws)
    counts = np.array([ranks[r] for r in range(n)])
    expected = draws * k / n
    # Inclusions without replacement vary less than independent draws, by (1 - k/n): scale to a chi-square.
    statistic = ((counts - expected) ** 2 / (expected * (1 - k / n))).sum() * (n - 1) / n
    assert stats.chi2.sf(statistic, n - 1) > 1e-4


@pytest.mark.parametrize(("n", "k"), [(10, 3), (100, 16), (1000, 40)])
def test_recency_draws_one_rank_of_each_stratum_uniformly(n, k):
    draws = 4000
    ranks = drawn_ranks("recency", n, k, draws)
    strata = recency_strata(n, k)
    assert sorted(r for s in strata for r in s) == list(range(n))
    assert all(len(older) >= len(newer) - 1 for newer, older in itertools.pairwise(strata))
    pvalues = []
    for stratum in strata:
        counts = [ranks[r] for r in stratum]
        assert sum(counts) == draws
        if len(counts) > 1:
            pvalues.append(stats.chisquare(counts).pvalue)
    assert min(pvalues) * len(pvalues) > 1e-4


def test_last_takes_exactly_the_newest_visible():
    tables = hub(50)
    sample = run(to_native(tables), tables, [(0, 0, 30), (0, 0, 2), (0, 0, -1)], [[5, 0]], [["last", "last"]])
    rows, batch = sample["nodes"][1]["rows"], sample["nodes"][1]["batch"]
    assert rows[batch == 0].tolist() == [26, 27, 28, 29, 30]
    assert rows[batch == 1].tolist() == [0, 1, 2]
    assert rows[batch == 2].tolist() == []


@pytest.mark.parametrize("k", [1, 31, 32, 33, 100])
def test_uniform_choice_is_the_same_whether_scanned_or_hashed(k):
    tables = hub(200)
    sample = run(to_native(tables), tables, [(0, 0, 500)], [[k, 0]], [["uniform", "uniform"]], (3, 1))
    stream = Stream(fold(fold(3, 1, 0, 0, 500), 0, 0))
    assert sample["nodes"][1]["rows"].tolist() == choose("uniform", 200, k, stream)


def test_neighborhoods_of_thousands_of_nodes_outgrow_the_first_hash_table():
    tables = hub(5000)
    sample = run(to_native(tables), tables, [(0, 0, 9999), (0, 0, 9999)], [[-1, 0]], [["last", "last"]])
    assert sample["nodes"][1]["num_per_hop"] == [0, 10000]
    assert sample["nodes"][1]["rows"].tolist() == [*range(5000)] * 2


def test_a_parent_of_the_future_is_not_visible():
    tables = Tables([2, 1], [[5, 9], [3]], [(1, 0, [1])])  # the child at time 3 names a parent born at 9
    early = run(to_native(tables), tables, [(1, 0, 8)], [[-1, -1]], [["last"] * 2])
    late = run(to_native(tables), tables, [(1, 0, 9)], [[-1, -1]], [["last"] * 2])
    assert early["nodes"][0]["rows"].tolist() == []
    assert late["nodes"][0]["rows"].tolist() == [1]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("children", "link l0: children holds 40, which cannot be there; run `relhop verify`"),
        ("offsets", "link l0: offsets holds 4, which cannot be there; run `relhop verify`"),
        ("parents", "link l0: parents holds 77, which cannot be there; run `relhop verify`"),
    ],
)
def test_a_damaged_list_is_an_error_and_no_neighbor(damage, message):
    up, offsets, children = [0] * 4, [0, 4], [0, 1, 2, 3]
    if damage == "children":
        children[1] = 40
    elif damage == "offsets":
        offsets = [9, 4]
    else:
        up[0] = 77
    tables = [_native.TableRows("p", 1, None), _native.TableRows("c", 4, packing.times([0, 1, 2, 3]))]
    edge_types = [
        _native.EdgeRows.lists("l0", 0, 1, packing.rows(offsets, 100), packing.rows(children, 100)),
        _native.EdgeRows.parents("l0", 1, 0, packing.rows(up, 100)),
    ]
    topology = _native.Topology(tables, edge_types)
    options = _native.SampleOptions(rules([[-1, -1]] * 2, [["last"] * 2] * 2), 0, 0, [1, 4])
    seed_table = 1 if damage == "parents" else 0
    with pytest.raises(CorruptStore) as raised:
        topology.sample(options, np.array([seed_table], np.uint32), np.array([0]), np.array([9]), 2)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [5]}, "seed 0 is row 5 of a table of 1 rows"),
        ({"times": [1, 2]}, "1 seed rows, but 2 anchor times"),
        ({"caps": [1]}, "caps must name each of the 2 tables"),
        ({"fanouts": [[1]]}, "hop 1 does not name each of the 2 edge types"),
        ({"table": 2}, "seed 0 is of table 2; there are 2"),
    ],
)
def test_calls_that_do_not_fit_the_graph_are_refused(change, message):
    call = {"rows": [0], "times": [5], "caps": [1, 3], "fanouts": [[1, 1]], "table": 0} | change
    options = _native.SampleOptions(
        [[_native.Rule(n) for n in hop] for hop in call["fanouts"]], 0, 0, call["caps"]
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        to_native(hub(3)).sample(
            options,
            np.array([call["table"]], np.uint32),
            np.array(call["rows"]),
            np.array(call["times"]),
            1,
        )
