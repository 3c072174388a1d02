"""The native pipeline: order, bounded look-ahead, and clean ends."""

from __future__ import annotations

import _thread
import os
import threading
import time

import numpy as np
import pytest

from relhop import _native
from relhop.errors import CorruptStore
from tests import packing
from tests.graphs import to_native
from tests.reference import Tables

FOREST = Tables([40, 200], [None, list(range(200))], [(1, 0, [i % 40 for i in range(200)])])


def feature_tables(num_rows=(40, 200)):
    parents = np.arange(num_rows[0], dtype=np.float32).view(np.uint8).reshape(-1, 4)
    children = np.zeros((num_rows[1], 0), dtype=np.uint8)
    return [
        _native.FeatureTable("parents", parents, [0, 1, 0], None, None),
        _native.FeatureTable("children", children, [0, 0, 0], packing.times(range(num_rows[1])), None),
    ]


def pipeline(topology=None, *, rows=range(40), batch_size=7, num_threads=2, depth=3):
    options = _native.SampleOptions([[2, 0]], [[_native.Strategy.uniform] * 2], 5, 1, [40, 200])
    rows = np.array(rows, dtype=np.int64)
    times = np.full(len(rows), 150, dtype=np.int64)
    return _native.Pipeline(
        topology or to_native(FOREST),
        feature_tables(),
        options,
        0,
        rows,
        times,
        batch_size,
        num_threads,
        depth,
    )


def batches(of):
    while (batch := of.next()) is not None:
        yield batch


@pytest.mark.parametrize(("num_threads", "depth"), [(1, 1), (2, 3), (8, 2)])
def test_batches_come_in_order_and_do_not_depend_on_threads(num_threads, depth):
    made = list(batches(pipeline(num_threads=num_threads, depth=depth)))
    assert [b["nodes"][0]["num_per_hop"][0] for b in made] == [7, 7, 7, 7, 7, 5]
    seeds = np.concatenate([b["nodes"][0]["rows"][: b["nodes"][0]["num_per_hop"][0]] for b in made])
    assert seeds.tolist() == list(range(40))
    alone = list(batches(pipeline(num_threads=1, depth=1)))
    for a, b in zip(made, alone, strict=True):
        np.testing.assert_array_equal(a["nodes"][1]["rows"], b["nodes"][1]["rows"])


def test_features_belong_to_the_rows_of_the_batch():
    for batch in batches(pipeline()):
        parents, children = batch["features"]
        np.testing.assert_array_equal(
            parents["numerical"][:, 0], batch["nodes"][0]["rows"].astype(np.float32)
        )
        np.testing.assert_array_equal(children["time"], batch["nodes"][1]["rows"])
        assert parents["time"] is None
        assert parents["categorical"] is None


def test_no_seeds_are_no_batches():
    assert pipeline(rows=[]).next() is None


def test_a_closed_pipeline_is_at_its_end_and_its_threads_are_gone():
    before = len(_os_threads())
    stopped = pipeline(rows=list(range(40)) * 500, num_threads=4)
    assert stopped.next() is not None
    assert len(_os_threads()) == before + 4
    stopped.close()
    assert stopped.next() is None
    stopped.close()
    assert len(_os_threads()) == before


def test_an_abandoned_pipeline_stops_its_threads():
    before = len(_os_threads())
    abandoned = pipeline(rows=list(range(40)) * 500, num_threads=4)
    abandoned.next()
    del abandoned
    assert len(_os_threads()) == before


def test_a_slow_consumer_holds_the_threads_back():
    slow = pipeline(rows=list(range(40)) * 50, batch_size=1, depth=3)
    for taken in range(1, 5):
        slow.next()
        while slow.num_started < taken + 3:
            time.sleep(0.001)
        time.sleep(0.02)
        assert slow.num_started == taken + 3


def test_an_error_arrives_at_its_batch_and_ends_the_pipeline():
    up = np.array([i % 40 for i in range(200)], dtype=np.uint32)
    offsets = np.arange(0, 201, 5).astype(np.uint64)
    children = np.sort(np.argsort(up, kind="stable").astype(np.uint32).reshape(40, 5), axis=1).ravel()
    children[5 * 30 : 5 * 31] = [
        9999,
        9999,
        110,
        9999,
        190,
    ]  # parent 30, in the fifth batch; found by no binary search
    tables = [_native.TableRows("p", 40, None), _native.TableRows("c", 200, None)]
    topology = _native.Topology(tables, [_native.LinkRows("l0", 1, 0, up, offsets, children)])
    failing = pipeline(topology)
    for _ in range(4):
        assert failing.next() is not None
    with pytest.raises(CorruptStore, match=r"^link l0: children holds 9999"):
        failing.next()
    assert failing.next() is None


def test_ctrl_c_interrupts_a_wait_for_a_batch():
    huge = Tables([1, 20000], [None, list(range(20000))], [(1, 0, [0] * 20000)])
    up = np.zeros(20000, dtype=np.uint32)
    links = [
        _native.LinkRows("l0", 1, 0, up, np.array([0, 20000], np.uint64), np.arange(20000, dtype=np.uint32))
    ]
    tables = [
        _native.TableRows("p", 1, None),
        _native.TableRows("c", 20000, np.array(huge.time[1], np.int64)),
    ]
    options = _native.SampleOptions([[-1, 0]], [[_native.Strategy.last] * 2], 0, 0, [1, 20000])
    features = feature_tables((1, 20000))
    rows, times = np.zeros(500, np.int64), np.full(500, 10**6, np.int64)
    topology = _native.Topology(tables, links)
    waiting = _native.Pipeline(
        topology, features, options, 0, rows, times, 500, 1, 1
    )  # a batch of 10 million nodes
    threading.Timer(0.05, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        waiting.next()
    assert waiting.next() is None


@pytest.mark.parametrize("argument", ["batch_size", "num_threads", "depth"])
def test_sizes_of_zero_are_refused(argument):
    with pytest.raises(ValueError, match=r"^batch_size, num_threads and depth must be at least 1$"):
        pipeline(**{argument: 0})


def _os_threads():
    return os.listdir("/proc/self/task")
