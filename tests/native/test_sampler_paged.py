"""Sampling from disk: the bits that sampling from memory gives, however small the pool of pages is."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import CorruptStore, StoreError
from tests import packing
from tests.paged_graphs import Column, Pool, column, paged
from tests.sampler_cases import Case, cases, same_bits

END = 2**63 - 1


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    _native.clear_faults()


@settings(max_examples=150, deadline=None)
@given(
    case=cases(disjoint=True) | cases(disjoint=False),
    frames=st.integers(1, 8),
    page_size=st.sampled_from([16, 64, 4096]),
    width=st.sampled_from([None, None, 33, 57]),
    num_threads=st.integers(1, 3),
    edge_ids=st.booleans(),
)
def test_every_bit_is_that_of_memory(
    tmp_path_factory: pytest.TempPathFactory,
    case: Case,
    frames: int,
    page_size: int,
    width: int | None,
    num_threads: int,
    edge_ids: bool,
) -> None:
    topology, _ = paged(case.graph, tmp_path_factory.mktemp("graph"), frames, page_size, width)
    expected = case.run(edge_ids=edge_ids)
    assert same_bits(case.run(topology, num_threads=num_threads, edge_ids=edge_ids), expected)
    assert same_bits(case.run(topology, edge_ids=edge_ids), expected)


NUM_OWNERS, NUM_FOUND, NUM_EDGES = 400, 30_000, 60_000


class Lists:
    """Lists of up to tens of thousands of neighbors with times, weights and numbers, in memory and on disk."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        owners = np.sort((NUM_OWNERS * rng.random(NUM_EDGES) ** 4).astype(np.int64))
        neighbors = rng.integers(0, NUM_FOUND, NUM_EDGES)
        neighbors = neighbors[np.lexsort((neighbors, owners))]
        offsets = np.searchsorted(owners, np.arange(NUM_OWNERS + 1))
        # Some lists' weight is nearly all in a few neighbors, some lists have none, and many neighbors have none.
        weight = np.where(rng.random(NUM_EDGES) < 0.01, 1e6, 1e-6)
        weight[owners % 3 == 0] = rng.random(np.count_nonzero(owners % 3 == 0))
        weight[(owners % 7 == 3) | (rng.random(NUM_EDGES) < 0.2)] = 0
        sums = np.concatenate([np.cumsum(weight[a:b]) for a, b in itertools.pairwise(offsets)])
        ids = rng.permutation(NUM_EDGES)
        self.arrays = {
            "offsets": (offsets, NUM_EDGES),
            "neighbors": (neighbors, NUM_FOUND),
            "edge_ids": (ids, NUM_EDGES),
        }
        self.sums = sums
        self.times = packing.times(np.sort(rng.integers(0, 100_000, NUM_FOUND)))
        self.columns: dict[str, Column] = {
            name: column(folder, name, numbers, count) for name, (numbers, count) in self.arrays.items()
        }
        self.columns["weights"] = column(folder, "weights", sums.view(np.int64), 0, 64)

    def memory(self) -> _native.Topology:
        rows = {name: packing.rows(*array) for name, array in self.arrays.items()}
        return self._topology(_native.EdgeRows.lists("list", 0, 1, weights=self.sums, **rows))

    def disk(self, frames: int, page_size: int = 4096) -> tuple[_native.Topology, _native.PagePool]:
        pool = Pool(list(self.columns.values()), frames, page_size)
        rows = {name: pool.rows(c) for name, c in self.columns.items()}
        return self._topology(_native.EdgeRows.lists("list", 0, 1, **rows)), pool.native

    def _topology(self, edges: _native.EdgeRows) -> _native.Topology:
        tables = [
            _native.TableRows("owners", NUM_OWNERS, None),
            _native.TableRows("found", NUM_FOUND, self.times),
        ]
        return _native.Topology(tables, [edges])


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Lists:
    return Lists(tmp_path_factory.mktemp("lists"))


def batch(
    topology: _native.Topology, key: int, rule: _native.Rule, *, disjoint: bool = True, threads: int = 1
) -> Any:
    rng = np.random.default_rng(key)
    seeds = (NUM_OWNERS * rng.random(60) ** 2).astype(np.int64)
    times = rng.integers(0, 110_000, 60) if disjoint else np.full(60, END)
    options = _native.SampleOptions([[rule]], 5, key, [NUM_OWNERS, NUM_FOUND], disjoint, edge_ids=True)
    return topology.sample(options, np.zeros(60, np.uint32), seeds, times, threads)


RULES = [
    *itertools.product(["recency", "last", "uniform", "labor", "weighted"], [1, 12, 100, -1], [False]),
    *itertools.product(["uniform", "weighted"], [1, 12, 100], [True]),
]


@pytest.mark.parametrize(("strategy", "fanout", "replace"), RULES)
@pytest.mark.parametrize("window", [0, 20_000])
def test_long_lists_give_the_same(
    lists: Lists, strategy: str, fanout: int, replace: bool, window: int
) -> None:
    disk, _ = lists.disk(frames=5)
    rule = _native.Rule(fanout, getattr(_native.Strategy, strategy), replace, window)
    for key in range(3):
        assert same_bits(batch(disk, key, rule, threads=2), batch(lists.memory(), key, rule))
        if not window:
            merged = batch(disk, key, rule, disjoint=False), batch(lists.memory(), key, rule, disjoint=False)
            assert same_bits(*merged)


@pytest.mark.parametrize("frames", [1, 20, 1000])
def test_many_threads_share_a_pool(lists: Lists, frames: int) -> None:
    disk, pool = lists.disk(frames)
    memory = lists.memory()
    rules = [_native.Rule(12, strategy) for strategy in (_native.Strategy.uniform, _native.Strategy.weighted)]
    expected = [batch(memory, key, rules[key % 2]) for key in range(24)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda key: batch(disk, key, rules[key % 2]), range(24)))
    assert all(itertools.starmap(same_bits, zip(found, expected, strict=True)))
    stats = pool.stats()
    pages = sum(-(-path.stat().st_size // 4096) for path, _, _ in lists.columns.values())
    assert stats["misses"] <= pages or frames < pages


def test_a_read_that_fails_is_raised_at_its_batch_and_nothing_stays_behind(lists: Lists) -> None:
    disk, _ = lists.disk(frames=20)
    expected = [batch(lists.memory(), key, _native.Rule(12)) for key in range(8)]
    _native.inject_fault("fail", "neighbors", errno.EIO, after=2, times=1)
    failures = 0
    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(batch, disk, key, _native.Rule(12)) for key in range(8)]
        for future, sample in zip(futures, expected, strict=True):
            error = future.exception()
            failures += error is not None
            if error is None:
                assert same_bits(future.result(), sample)
            else:
                assert isinstance(error, StoreError)
                assert "/neighbors': Input/output error" in str(error)
    assert failures == 1
    for _ in range(2):
        assert all(same_bits(batch(disk, key, _native.Rule(12)), expected[key]) for key in range(8))


def test_wrong_bytes_are_noticed(tmp_path: Path) -> None:
    def topology(offsets: list[int], neighbors: list[int]) -> _native.Topology:
        columns = [column(tmp_path, "offsets", offsets, 7), column(tmp_path, "neighbors", neighbors, 7)]
        pool = Pool(columns, 4)
        edges = _native.EdgeRows.lists("link", 0, 1, *map(pool.rows, columns))
        times = packing.times(range(5))
        return _native.Topology([_native.TableRows("a", 2, None), _native.TableRows("b", 5, times)], [edges])

    def found(topology: _native.Topology, time: int) -> Any:
        options = _native.SampleOptions([[_native.Rule(-1)]], 0, 0, [2, 5])
        sample = topology.sample(options, np.zeros(2, np.uint32), np.array([0, 1]), np.array([time] * 2))
        return sample["nodes"][1]["rows"].tolist()

    assert found(topology([0, 2, 4], [1, 3, 0, 4]), 3) == [1, 3, 0]
    with pytest.raises(CorruptStore, match="link link: offsets holds 5, which cannot be there"):
        found(topology([0, 5, 4], [1, 3, 0, 4]), 3)
    with pytest.raises(CorruptStore, match="link link: children holds 6, which cannot be there"):
        found(topology([0, 2, 4], [1, 3, 6, 1]), 3)
    with pytest.raises(CorruptStore, match="link link: children holds 4 entries, expected 5"):
        topology([0, 2, 5], [1, 3, 0, 4])


def test_keys_that_lead_nowhere_are_noticed(tmp_path: Path) -> None:
    columns = [column(tmp_path, "parents", [1, -1, 5, 0], 3, 4)]
    edges = _native.EdgeRows.parents("key", 0, 1, *map(Pool(columns, 1).rows, columns))
    topology = _native.Topology([_native.TableRows("a", 4, None), _native.TableRows("b", 3, None)], [edges])

    def found(row: int) -> Any:
        options = _native.SampleOptions([[_native.Rule(1)]], 0, 0, [4, 3])
        sample = topology.sample(options, np.zeros(1, np.uint32), np.array([row]), np.array([END]))
        return sample["nodes"][1]["rows"].tolist()

    assert [found(row) for row in (0, 1, 3)] == [[1], [], [0]]
    with pytest.raises(CorruptStore, match="link key: parents holds 5, which cannot be there"):
        found(2)


def test_an_edge_type_has_one_pool_and_one_place(tmp_path: Path) -> None:
    columns = [column(tmp_path, "offsets", [0, 1], 1), column(tmp_path, "neighbors", [0], 1)]
    with pytest.raises(ValueError, match="an edge type has one pool"):
        _native.EdgeRows.lists("link", 0, 1, *(Pool(columns, 1).rows(c) for c in columns))
    offsets, neighbors = map(Pool(columns, 1).rows, columns)
    with pytest.raises(ValueError, match="an edge type is in memory or on disk, not both"):
        _native.EdgeRows.lists("link", 0, 1, offsets, packing.rows([0], 1))
    with pytest.raises(ValueError, match="sums of weights have 64 bits"):
        _native.EdgeRows.lists("link", 0, 1, offsets, neighbors, weights=neighbors)
