"""The pipeline over records on disk: the same batches as from memory, bounded, and clean at its ends."""

from __future__ import annotations

import errno
import os
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import StoreError
from tests import threads
from tests.graphs import to_native
from tests.native.test_features import records
from tests.paged_graphs import Pool, column
from tests.reference import Tables
from tests.sampler_cases import same_bits

NUM_ROWS = (40, 400)
FOREST = Tables(list(NUM_ROWS), [None, None], [(1, 0, [i % 40 for i in range(400)])])
TOPOLOGY = to_native(FOREST)
FIELDS = ([0, 5, 1], [1, 3, 0])
RECORDS = [records(n, *fields, seed=n)[1] for n, fields in zip(NUM_ROWS, FIELDS, strict=True)]
DISK = {"reads_per_second": 1e4, "bytes_per_second": 1e9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    for i, packed in enumerate(RECORDS):
        packed.tofile(path / f"{i}.bin")
    return path


def on_disk(folder, frames):
    """TOPOLOGY in files behind so many pages, and their pool."""
    columns = [
        column(folder, "offsets", range(0, 401, 10), 400),
        column(folder, "neighbors", [c for row in range(40) for c in range(row, 400, 40)], 400),
        column(folder, "parents", [i % 40 for i in range(400)], 40),
    ]
    pool = Pool(columns, frames, page_size=64)
    offsets, neighbors, parents = (pool.rows(one) for one in columns)
    tables = [_native.TableRows(f"t{i}", count, None) for i, count in enumerate(NUM_ROWS)]
    lists = _native.EdgeRows.lists("l0", 0, 1, offsets, neighbors, 1)
    return _native.Topology(tables, [lists, _native.EdgeRows.parents("l0", 1, 0, parents, 0)]), pool.native


def features(folder, pools):
    """The two tables: in memory for a pool of None, else on disk."""
    tables = []
    for i, (packed, fields, pool) in enumerate(zip(RECORDS, FIELDS, pools, strict=True)):
        source = packed
        if pool is not None:
            path = str(folder / f"{i}.bin")
            source = _native.DiskRecords(
                f"t{i}", path, packed.shape[1], fields, len(packed), pool_bytes=pool, **DISK
            )
        tables.append(_native.FeatureTable(f"t{i}", source, fields, None, None))
    return tables


def pipeline(
    tables,
    seeds,
    *,
    batch_size=7,
    num_threads=2,
    ahead=2,
    look_ahead=4,
    finish=True,
    held=(),
    topology=TOPOLOGY,
):
    rules = [[_native.Rule(3, _native.Strategy.uniform), _native.Rule(1)]] * 2
    options = _native.SampleOptions(rules, 5, 1, list(NUM_ROWS))
    wanted = [(table, False, i) for i, table in enumerate(tables)]
    made = _native.Pipeline(topology, wanted, options, num_threads, ahead, look_ahead, held)
    put_all(made, seeds, batch_size)
    if finish:
        made.finish()
    return made


def put_all(into, seeds, batch_size):
    for begin in range(0, len(seeds), batch_size):
        rows = np.array(seeds[begin : begin + batch_size], np.int64)
        into.put(np.zeros(len(rows), np.uint32), rows, np.full(len(rows), 10**9, np.int64))


def batches(of):
    while (batch := of.next()) is not None:
        yield batch


def assert_same(got, expected):
    for a, b in zip(got["features"], expected["features"], strict=True):
        for kind in a:
            np.testing.assert_array_equal(a[kind], b[kind])


@settings(max_examples=20, deadline=None)
@given(
    pools=st.tuples(
        st.one_of(st.none(), st.integers(0, 3000)), st.one_of(st.none(), st.integers(0, 30000))
    ).filter(any),
    num_seeds=st.integers(0, 150),
    batch_size=st.integers(1, 40),
    num_threads=st.integers(1, 3),
    ahead=st.integers(1, 3),
    look_ahead=st.none() | st.integers(0, 22),
)
def test_batches_from_disk_equal_those_from_memory(folder, pools, num_seeds, **how):
    seeds = np.random.default_rng(num_seeds).integers(0, 40, num_seeds)
    expected = list(batches(pipeline(features(folder, (None, None)), seeds, **how)))
    got = list(batches(pipeline(features(folder, pools), seeds, **how)))
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert_same(a, b)


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 8),
    pools=st.tuples(st.none() | st.integers(0, 3000), st.none() | st.integers(0, 30000)),
    num_seeds=st.integers(0, 150),
    batch_size=st.integers(1, 40),
    num_threads=st.integers(1, 3),
    ahead=st.integers(1, 3),
    look_ahead=st.none() | st.integers(0, 22),
)
def test_batches_with_links_on_disk_equal_those_from_memory(folder, frames, pools, num_seeds, **how):
    seeds = np.random.default_rng(num_seeds).integers(0, 40, num_seeds)
    expected = list(batches(pipeline(features(folder, (None, None)), seeds, **how)))
    topology, _ = on_disk(folder, frames)
    got = list(batches(pipeline(features(folder, pools), seeds, topology=topology, **how)))
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert same_bits(a, b)
        assert_same(a, b)


def pages_looked_up(folder, *, put_ahead):
    """By an epoch of batches of one seed with links on disk."""
    topology, pool = on_disk(folder, 4)
    filled = pipeline(
        features(folder, (500, 5000)), [], num_threads=1, look_ahead=200, finish=False, topology=topology
    )
    put = 0
    for taken in range(300):
        while put < min(300, taken + put_ahead):
            put_all(filled, [put % 40], 1)
            put += 1
        assert filled.next() is not None
    stats = pool.stats()
    return stats["hits"] + stats["misses"]


def test_batches_that_wait_together_look_up_a_page_once(folder):
    assert pages_looked_up(folder, put_ahead=300) < pages_looked_up(folder, put_ahead=1) / 4


@pytest.mark.parametrize("wrong", [0, 1, 30])
def test_a_seed_that_is_none_is_an_error_at_its_batch_alone(folder, wrong):
    topology, _ = on_disk(folder, 4)
    seeds = [number % 40 for number in range(60)]
    seeds[wrong] = 40
    failing = pipeline(features(folder, (500, 5000)), seeds, batch_size=1, look_ahead=22, topology=topology)
    expected = batches(pipeline(features(folder, (None, None)), seeds[:wrong], batch_size=1))
    for batch in expected:
        assert_same(failing.next(), batch)
    with pytest.raises(ValueError, match=r"^seed 0 is row 40 of a table of 40 rows$"):
        failing.next()
    assert failing.next() is None


def test_rows_that_are_held_are_not_read(folder):
    held = [_native.HeldRows(np.arange(0, count, 2), count) for count in NUM_ROWS]
    seeds = np.arange(40)
    whole = batches(pipeline(features(folder, (None, None)), seeds))
    tables = features(folder, (500, 5000))
    lean = pipeline(tables, seeds, held=held)
    wanted = 0
    for expected, got in zip(whole, batches(lean), strict=True):
        for a, b, nodes in zip(got["features"], expected["features"], expected["nodes"], strict=True):
            np.testing.assert_array_equal(a["places"], np.flatnonzero(nodes["rows"] % 2))
            np.testing.assert_array_equal(a["slots"], nodes["rows"] // 2 * (nodes["rows"] % 2 == 0))
            np.testing.assert_array_equal(a["numerical"], b["numerical"][a["places"]])
            wanted += len(a["places"])
    assert sum(of_one["rows"] for of_one in lean.take_stats()) == wanted


@settings(max_examples=20, deadline=None)
@given(
    put_ahead=st.integers(1, 40),
    ahead=st.integers(1, 3),
    look_ahead=st.none() | st.integers(0, 22),
    batch_size=st.integers(1, 20),
)
def test_a_consumer_may_put_as_few_ahead_as_it_likes(folder, put_ahead, **how):
    seeds = np.random.default_rng(put_ahead).integers(0, 40, 100)
    size = how.pop("batch_size")
    expected = list(batches(pipeline(features(folder, (None, None)), seeds, batch_size=size)))
    filled = pipeline(features(folder, (500, 5000)), [], finish=False, **how)
    put = 0
    for taken, batch in enumerate(expected):
        while put < min(len(expected), taken + put_ahead):
            put_all(filled, seeds[put * size : (put + 1) * size], size)
            put += 1
        assert_same(filled.next(), batch)
    filled.finish()
    assert filled.next() is None


@pytest.mark.parametrize("pool", [0, 3000])
def test_more_than_a_thousand_batches_are_read_at_once(folder, pool):
    seeds = np.random.default_rng(pool).integers(0, 40, 1500)
    expected = list(batches(pipeline(features(folder, (None, None)), seeds, batch_size=1)))
    got = list(batches(pipeline(features(folder, (None, pool)), seeds, batch_size=1, look_ahead=1024)))
    for a, b in zip(got, expected, strict=True):
        assert_same(a, b)


def test_what_keeps_the_look_ahead_full_is_said(folder):
    assert pipeline(features(folder, (0, 0)), [], ahead=2, look_ahead=8).capacity == 8 + 2 * 8 + 8
    assert pipeline(features(folder, (0, 0)), [], ahead=2, look_ahead=0).capacity == 2 + 2 * 1 + 0
    assert pipeline(features(folder, (None, None)), [], ahead=2, look_ahead=8).capacity == 2


def taken_until_capacity(of, seeds):
    """The capacity after each batch of one seed."""
    found, put = [], 0
    for taken in range(len(seeds)):
        while put < min(len(seeds), taken + of.capacity):
            put_all(of, seeds[put : put + 1], 1)
            put += 1
        assert of.next() is not None
        found.append(of.capacity)
    return found


def test_the_look_ahead_grows_by_a_batch_a_batch_as_far_as_the_pool_can_foresee(folder):
    seeds = [i % 40 for i in range(400)]
    # From 8 on. A round may have as many batches, one waits and one comes next.
    reached = 8 + len(seeds)
    blind = pipeline(features(folder, (None, 0)), [], look_ahead=None, finish=False)
    assert blind.capacity == 3 * 8 + 8
    assert taken_until_capacity(blind, seeds)[-1] == 3 * reached
    found = taken_until_capacity(
        pipeline(features(folder, (None, 5000)), [], look_ahead=None, finish=False), seeds
    )
    assert found == sorted(found)
    foreseen = found[-1] - 3 * reached
    assert 0 < foreseen < reached
    assert foreseen % 23 == 0  # places of the window


def test_a_slow_consumer_holds_all_back(folder):
    slow = pipeline(features(folder, (None, 5000)), [i % 40 for i in range(400)], batch_size=1, look_ahead=3)
    most = 0
    for taken in range(1, 20):
        slow.next()
        time.sleep(0.01)
        # Three rounds of three batches at most wait, are read or come next, and three are looked ahead at.
        most = max(most, slow.num_started - taken)
    assert most <= 3 * 3 + 3 + 2


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_closed_pipeline_leaves_no_thread_and_no_mark(folder, taken):
    before = threads.running()
    tables = features(folder, (2000, 5000))
    stopped = pipeline(tables, [i % 40 for i in range(4000)])
    for _ in range(taken):
        stopped.next()
    stopped.close()
    assert stopped.next() is None
    # The pools serve the next one, which has the whole window to itself.
    assert len(list(batches(pipeline(tables, range(40), look_ahead=22)))) == 6
    del tables, stopped
    assert threads.none_beyond(before)


def test_two_pipelines_share_a_pool(folder):
    tables = features(folder, (1000, 5000))
    expected = list(batches(pipeline(features(folder, (None, None)), range(40), batch_size=3)))
    pair = [pipeline(tables, range(40), batch_size=3, look_ahead=n) for n in (9, 22)]
    for batch in expected:
        for one in pair:
            assert_same(one.next(), batch)


@pytest.mark.parametrize("look_ahead", [None, 0, 1, 8, 22])
def test_a_file_that_was_cut_is_an_error_at_the_first_batch_beyond_it(folder, tmp_path, look_ahead):
    (tmp_path / "0.bin").write_bytes((folder / "0.bin").read_bytes())
    packed = np.repeat(RECORDS[1], 50, axis=0)
    (tmp_path / "1.bin").write_bytes(packed.tobytes())
    disk = _native.DiskRecords(
        "orders", str(tmp_path / "1.bin"), packed.shape[1], FIELDS[1], len(packed), pool_bytes=3000, **DISK
    )
    size = packed.shape[1]
    os.truncate(tmp_path / "1.bin", 8192)
    table = _native.FeatureTable("orders", disk, FIELDS[1], None, None)
    last = 8192 // size - 1
    topology = _native.Topology([_native.TableRows("orders", len(packed), None)], [])
    options = _native.SampleOptions([[]], 5, 1, [len(packed)])
    rows = np.arange(1000, dtype=np.int64)
    failing = _native.Pipeline(topology, [(table, False, 0)], options, 2, 2, look_ahead)
    put_all(failing, rows, 10)
    failing.finish()
    for begin in range(0, (last + 1) // 10 * 10, 10):
        batch = failing.next()
        np.testing.assert_array_equal(batch["features"][0]["position"], rows[begin : begin + 10])
    with pytest.raises(StoreError, match=r"^table orders, row \d+: cannot read .* the file ends before$"):
        failing.next()
    assert failing.next() is None


@settings(max_examples=20, deadline=None)
@given(
    after=st.integers(0, 60),
    times=st.integers(1, 3),
    pools=st.tuples(st.one_of(st.none(), st.integers(0, 3000)), st.integers(0, 8000)),
    taken_before_close=st.one_of(st.none(), st.integers(0, 8)),
    is_slow=st.booleans(),
    batch_size=st.integers(1, 20),
    num_threads=st.integers(1, 3),
    ahead=st.integers(1, 3),
    look_ahead=st.none() | st.integers(0, 22),
)
def test_a_device_that_fails_is_an_error_in_place_and_does_no_harm(
    folder, after, times, pools, taken_before_close, is_slow, **how
):
    seeds = np.random.default_rng(after).integers(0, 40, 60)
    expected = list(batches(pipeline(features(folder, (None, None)), seeds, **how)))
    before = threads.running()
    tables = features(folder, pools)
    _native.inject_fault("fail", path=str(folder), value=errno.EIO, after=after, times=times)
    failing = pipeline(tables, seeds, **how)
    message = None
    try:
        for i, batch in enumerate(expected):
            if i == taken_before_close:
                failing.close()
                break
            try:
                got = failing.next()
            except StoreError as error:
                message = str(error)
                break
            assert_same(got, batch)
            if is_slow:
                time.sleep(0.002)
    finally:
        failing.close()
        _native.clear_faults()
    if message is not None:
        assert re.match(r"table t[01], row \d+: cannot read", message)
        assert failing.next() is None
    # What the pools hold is still true.
    for got, batch in zip(batches(pipeline(tables, seeds, **how)), expected, strict=True):
        assert_same(got, batch)
    del tables, failing
    assert threads.none_beyond(before)
