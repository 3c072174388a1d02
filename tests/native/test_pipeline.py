"""The native pipeline: order, bounded look-ahead, and clean ends."""

from __future__ import annotations

import _thread
import contextlib
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


def empty_pipeline(topology=None, *, wanted=None, num_threads=2, ahead=3, held=(), **how):
    options = _native.SampleOptions(
        [[_native.Rule(2, _native.Strategy.uniform), _native.Rule(0)]], 5, 1, [40, 200], **how
    )
    if wanted is None:
        wanted = [(table, False, i) for i, table in enumerate(feature_tables())]
    return _native.Pipeline(topology or to_native(FOREST), wanted, options, num_threads, ahead, held=held)


def put(into, rows, time=150, table=0):
    rows = np.array(rows, dtype=np.int64)
    into.put(np.full(len(rows), table, np.uint32), rows, np.full(len(rows), time, np.int64))


def pipeline(topology=None, *, rows=range(40), batch_size=7, **how):
    made = empty_pipeline(topology, **how)
    for begin in range(0, len(rows), batch_size):
        put(made, rows[begin : begin + batch_size])
    made.finish()
    return made


def batches(of):
    while (batch := of.next()) is not None:
        yield batch


@pytest.mark.parametrize(("num_threads", "ahead"), [(1, 1), (2, 3), (8, 2)])
def test_batches_come_in_order_and_do_not_depend_on_threads(num_threads, ahead):
    made = list(batches(pipeline(num_threads=num_threads, ahead=ahead)))
    assert [b["nodes"][0]["num_per_hop"][0] for b in made] == [7, 7, 7, 7, 7, 5]
    seeds = np.concatenate([b["nodes"][0]["rows"][: b["nodes"][0]["num_per_hop"][0]] for b in made])
    assert seeds.tolist() == list(range(40))
    alone = list(batches(pipeline(num_threads=1, ahead=1)))
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


def test_batches_of_any_size_may_be_put_while_others_are_taken():
    whole = list(batches(pipeline(rows=range(40), batch_size=10)))
    growing = empty_pipeline()
    put(growing, range(10))
    for i, expected in enumerate(whole):
        if i + 1 < len(whole):
            put(growing, range(10 * (i + 1), 10 * (i + 2)))
        np.testing.assert_array_equal(growing.next()["nodes"][1]["rows"], expected["nodes"][1]["rows"])
    put(growing, [])
    assert len(growing.next()["nodes"][0]["rows"]) == 0
    growing.finish()
    assert growing.next() is None


def test_a_consumer_that_could_wait_forever_is_told():
    waiting = empty_pipeline()
    with pytest.raises(RuntimeError, match=r"^no batch to wait for: put\(\) seeds, or finish\(\)$"):
        waiting.next()
    put(waiting, [3])
    assert waiting.next()["nodes"][0]["rows"].tolist() == [3]


def test_another_thread_may_put():
    shared = empty_pipeline()
    put(shared, [0])

    def produce():
        for row in range(1, 40):
            put(shared, [row])
        shared.finish()

    producer = threading.Thread(target=produce)
    producer.start()
    seeds = []
    while len(seeds) < 40:
        with contextlib.suppress(RuntimeError):  # nothing put yet
            seeds.append(int(shared.next()["nodes"][0]["rows"][0]))
    producer.join()
    assert seeds == list(range(40))


def test_features_of_edges_are_those_of_their_ids():
    values = np.arange(1000, 1200, dtype=np.int64)
    weights = _native.FeatureTable("weights", values.view(np.uint8).reshape(200, 8), None, None, None)
    made = pipeline(wanted=[(weights, True, 0), (weights, False, 1)], edge_ids=True)
    for batch in batches(made):
        of_edges, of_nodes = (f["raw"].view(np.int64)[:, 0] for f in batch["features"])
        np.testing.assert_array_equal(of_edges, 1000 + batch["edges"][0]["ids"])
        np.testing.assert_array_equal(of_nodes, 1000 + batch["nodes"][1]["rows"])


@pytest.mark.parametrize(
    ("is_edge", "number", "error", "message"),
    [
        (False, 2, IndexError, "wanted names a table or an edge type that the topology lacks"),
        (True, 2, IndexError, "wanted names a table or an edge type that the topology lacks"),
        (True, 0, ValueError, "features of edges need the option edge_ids"),
    ],
)
def test_what_cannot_be_wanted_is_refused(is_edge, number, error, message):
    with pytest.raises(error, match=rf"^{message}$"):
        empty_pipeline(wanted=[(feature_tables()[0], is_edge, number)])


def test_seeds_without_a_time_are_refused():
    with pytest.raises(ValueError, match=r"^a seed has a table, a row and a time$"):
        empty_pipeline().put(np.zeros(2, np.uint32), np.zeros(2, np.int64), np.zeros(1, np.int64))


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
    slow = pipeline(rows=list(range(40)) * 50, batch_size=1, ahead=3)
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
    lists = _native.EdgeRows.lists("l0", 0, 1, packing.rows(offsets, 200), packing.rows(children, 9999))
    topology = _native.Topology(tables, [lists, _native.EdgeRows.parents("l0", 1, 0, packing.rows(up, 40))])
    failing = pipeline(topology)
    for _ in range(4):
        assert failing.next() is not None
    with pytest.raises(CorruptStore, match=r"^link l0: children holds 9999"):
        failing.next()
    assert failing.next() is None


def test_ctrl_c_interrupts_a_wait_for_a_batch():
    huge = Tables([1, 20000], [None, list(range(20000))], [(1, 0, [0] * 20000)])
    options = _native.SampleOptions([[_native.Rule(-1), _native.Rule(0)]], 0, 0, [1, 20000])
    features = feature_tables((1, 20000))
    wanted = [(table, False, i) for i, table in enumerate(features)]
    waiting = _native.Pipeline(to_native(huge), wanted, options, 1, 1)
    put(waiting, [0] * 500, 10**6)  # a batch of 10 million nodes
    threading.Timer(0.05, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        waiting.next()
    assert waiting.next() is None


@pytest.mark.parametrize("argument", ["num_threads", "ahead"])
def test_sizes_of_zero_are_refused(argument):
    with pytest.raises(ValueError, match=r"^num_threads and ahead must be at least 1$"):
        pipeline(**{argument: 0})


def _os_threads():
    return os.listdir("/proc/self/task")


def test_the_time_that_threads_took_is_told_once():
    of = pipeline()
    assert len(list(batches(of))) == 6
    sampling, gathering = of.take_seconds()
    assert min(sampling, gathering) > 0
    assert of.take_seconds() == (0.0, 0.0)
    of.close()


def held_of(rows, num_rows):
    return _native.HeldRows(np.array(rows, np.int64), num_rows)


def test_rows_that_are_held_are_not_gathered():
    tables = feature_tables()
    for held in ([], [0, 3, 4, 39], range(40)):
        plain = batches(pipeline(wanted=[(tables[0], False, 0)]))
        lean = batches(pipeline(wanted=[(tables[0], False, 0)], held=[held_of(held, 40)]))
        values = np.array([*held, -1], np.float32)
        for expected, got in zip(plain, lean, strict=True):
            assert got["nodes"][0]["rows"].tolist() == expected["nodes"][0]["rows"].tolist()
            features = got["features"][0]
            assert len(features["numerical"]) == len(features["places"])
            filled = values[features["slots"]]
            filled[features["places"]] = features["numerical"][:, 0]
            np.testing.assert_array_equal(filled, expected["features"][0]["numerical"][:, 0])


def test_held_rows_ascend_and_are_of_the_table():
    for rows, wrong in (([2, 1], 1), ([1, 1], 1), ([64], 64), ([-1], -1)):
        with pytest.raises(
            ValueError, match=f"^row {wrong} is not of a table of 64 rows, or not above the one before it$"
        ):
            held_of(rows, 64)
    assert len(held_of([0, 63], 64)) == 2
    with pytest.raises(ValueError, match=r"^held: rows of a table of another size$"):
        pipeline(held=[held_of([], 41), None])
    with pytest.raises(ValueError, match=r"^held: of each that is wanted what is held, or None$"):
        pipeline(held=[None])
