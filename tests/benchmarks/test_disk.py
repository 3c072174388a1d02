"""The disk benchmarks measure what they say: the floor, the policies, the peers, the tables. No time is asserted."""

import json
import sys
from collections import OrderedDict
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import policies
from benchmarks.cases import Case
from benchmarks.disk import (
    cold,
    graph_rows,
    hits,
    loading,
    paged,
    peers,
    pools,
    process,
    relhop_rows,
    training,
)
from benchmarks.disk.batches import Batches
from benchmarks.disk.device import BLOCK, FAST_DRIVE, Device, best_plan, floor, mean, measure, windows
from benchmarks.disk.matrix import Matrix, make, values
from benchmarks.graphs import EdgeArrays, Graph, TableArrays, save

# A read costs as much as two blocks and a half: a gap of two is bridged, one of three is not.
DEVICE = Device(iops=1e9 / BLOCK / 3.5, bytes_per_second=1e9, source="by hand")
BLOCK_SECONDS = BLOCK / 1e9


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return make(tmp_path_factory.mktemp("matrix"), 20_000, 32)


# --- the device and its floor


def test_a_read_costs_what_its_block_does_not() -> None:
    assert DEVICE.seconds_per_read == pytest.approx(2.5 * BLOCK_SECONDS)
    assert DEVICE.cheap_gap == pytest.approx(2.5 * BLOCK)
    assert FAST_DRIVE.cheap_gap == pytest.approx(7e9 / 800_000 - BLOCK)


@pytest.mark.parametrize(
    ("wanted", "row_bytes", "reads", "blocks"),
    [
        ([], 512, 0, 0),
        ([3], 512, 1, 1),
        ([0, 7], 512, 1, 1),
        ([0, 8], 512, 1, 2),
        ([0, 24], 512, 1, 4),
        ([0, 32], 512, 2, 2),
        ([0, 24, 56, 57], 512, 2, 5),
        ([1], 3000, 1, 2),
        ([0, 1, 2, 3], 3000, 1, 3),
        ([0, 1, 9], 8192, 2, 6),
    ],
)
def test_the_best_plan_bridges_cheap_gaps(wanted: list[int], row_bytes: int, reads: int, blocks: int) -> None:
    plan = best_plan(np.array(wanted, np.int64), row_bytes, DEVICE)
    assert (plan.reads, plan.bytes) == (reads, blocks * BLOCK)
    assert plan.seconds == pytest.approx((2.5 * reads + blocks) * BLOCK_SECONDS)


def test_no_way_to_cut_a_request_into_reads_costs_less_than_the_best_plan() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        wanted = np.unique(rng.integers(0, 40, rng.integers(1, 8)))
        costs = []
        for count in range(len(wanted)):
            for cuts in combinations(range(1, len(wanted)), count):
                parts = np.split(wanted, cuts)
                costs.append(sum(2.5 + int(part[-1] - part[0]) + 1 for part in parts) * BLOCK_SECONDS)
        assert best_plan(wanted, BLOCK, DEVICE).seconds == pytest.approx(min(costs))


def test_a_window_reads_each_row_once_and_ends_where_its_memory_does() -> None:
    batches = [np.array(batch) for batch in ([0, 100], [100, 0], [200, 300, 400])]
    one = 3.5 * BLOCK_SECONDS
    assert floor(batches, BLOCK, DEVICE) == pytest.approx(7 * one)
    assert floor(batches, BLOCK, DEVICE, look_ahead=2) == pytest.approx(5 * one)
    assert floor(batches, BLOCK, DEVICE, look_ahead=2, memory=3 * BLOCK) == pytest.approx(7 * one)
    assert [len(window) for window in windows(batches, BLOCK, 3, 4 * BLOCK)] == [2, 1]
    assert [len(window) for window in windows(batches, BLOCK, 3, 0)] == [1, 1, 1]


def test_a_mean_device_takes_the_mean_time() -> None:
    found = mean([Device(100, 10, "fio"), Device(50, 40, "fio")])
    assert (found.iops, found.bytes_per_second, found.source) == (
        pytest.approx(200 / 3),
        pytest.approx(16),
        "fio",
    )


def test_the_device_is_measured_by_fio_or_the_table_says_who_did(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"jobs": [{"read": {"iops": 1000.5, "bw_bytes": 7}}]}
    printed = SimpleNamespace(stdout="fio: a warning\n" + json.dumps(figures))
    monkeypatch.setattr("benchmarks.disk.device.shutil.which", lambda name: "/usr/bin/fio")
    monkeypatch.setattr("benchmarks.disk.device.subprocess.run", lambda *_, **__: printed)
    assert measure(matrix.path, 1) == Device(1000.5, 7, "fio, io_uring")
    monkeypatch.setattr("benchmarks.disk.device.shutil.which", lambda name: None)
    found = measure(matrix.path, 0.1)
    assert found.source == "relhop's assumption for small files, as fio is absent"
    assert found.source in str(found)


# --- rows


def test_a_matrix_knows_its_rows_at_every_width(matrix: Matrix) -> None:
    stored = np.fromfile(matrix.path, np.float32).reshape(matrix.rows, matrix.width)
    wanted = np.array([19_999, 0, 5_000])
    matrix.check(wanted, stored[wanted])
    assert (values(wanted, 32) == stored[wanted]).all()
    wide = matrix.wider(4)
    assert (wide.rows, wide.row_bytes, wide.num_bytes) == (5_000, 512, matrix.num_bytes)
    wanted = np.array([4_999, 17])
    wide.check(wanted, stored.reshape(5_000, 128)[wanted])
    with pytest.raises(ValueError, match="row 17, at place 1, is not what"):
        wide.check(wanted, stored.reshape(5_000, 128)[[4_999, 18]])


def test_a_matrix_is_made_once(matrix: Matrix) -> None:
    written = matrix.path.stat().st_mtime_ns
    assert make(matrix.path.parent, matrix.rows, matrix.width) == matrix
    assert matrix.path.stat().st_mtime_ns == written


@pytest.mark.parametrize("power_law", [False, True])
def test_batches_hold_distinct_rows_and_are_the_same_each_time(power_law: bool) -> None:
    batches = Batches(5_000, 400, power_law)
    first = batches.first(3)
    assert all(len(np.unique(batch)) == 400 for batch in first)
    assert all(set(batch) <= set(range(5_000)) for batch in first)
    assert (batches[2] == first[2]).all()
    shared = len(np.intersect1d(first[0], first[1]))
    assert (shared > 40) is power_law


@pytest.mark.parametrize("share", [None, 0.0, 0.1, 1.0])
def test_relhop_delivers_the_rows_of_each_batch(matrix: Matrix, share: float | None) -> None:
    wanted = Batches(matrix.rows, 500, power_law=True).first(6)
    if share is None:
        table = relhop_rows.in_memory(matrix, mapped=True)[1]
    else:
        table = relhop_rows.on_disk(matrix, int(share * matrix.num_bytes), DEVICE)[1]
    for rows_of, found in zip(wanted, relhop_rows.stream(table, matrix, wanted), strict=True):
        matrix.check(rows_of, found)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Kùzu's
def test_a_memmap_and_kuzu_where_it_is_deliver_the_same_rows(matrix: Matrix, tmp_path: Path) -> None:
    wanted = Batches(matrix.rows, 500).first(2)
    for name in (peers.MEMMAP, peers.KUZU):
        if peers.absence(name) is not None:
            continue
        peers.PEERS[name].prepare(matrix, tmp_path)
        peers.PEERS[name].drop_cached(matrix, tmp_path)
        peer = peers.PEERS[name](matrix, tmp_path, 64 << 20)
        for rows_of in wanted:
            matrix.check(rows_of, peer.rows(rows_of))


def test_graphbolt_is_called_as_its_features_are_declared(
    matrix: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiskBasedFeature:
        def __init__(self, path: str) -> None:
            self.rows = torch.from_numpy(np.load(path))

    class CPUCachedFeature:
        def __init__(self, fallback_feature: DiskBasedFeature, max_cache_size_in_bytes: int) -> None:
            self.fallback, self.size = fallback_feature, max_cache_size_in_bytes

        def read(self, ids: torch.Tensor) -> torch.Tensor:
            return self.fallback.rows[ids]

    module = SimpleNamespace(DiskBasedFeature=DiskBasedFeature, CPUCachedFeature=CPUCachedFeature)
    monkeypatch.setitem(sys.modules, "dgl", SimpleNamespace(graphbolt=module))
    monkeypatch.setitem(sys.modules, "dgl.graphbolt", module)
    assert peers.absence(peers.GRAPHBOLT) is None
    peers.PEERS[peers.GRAPHBOLT].prepare(matrix, tmp_path)
    wanted = np.array([3, 19_999])
    matrix.check(wanted, peers.PEERS[peers.GRAPHBOLT](matrix, tmp_path, 1).rows(wanted))
    del module.DiskBasedFeature
    assert peers.absence(peers.GRAPHBOLT) == "GraphBolt is absent: this version has no DiskBasedFeature"


def test_what_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kuzu", None)
    assert peers.absence(peers.KUZU).startswith("Kùzu is absent: import of kuzu halted")
    monkeypatch.setitem(sys.modules, "kuzu", SimpleNamespace(Database=object))
    assert peers.absence(peers.KUZU) == "Kùzu is absent: it has no remote backend for PyTorch Geometric"


def test_a_process_keeps_its_globals_and_has_a_peak() -> None:
    with process.Process() as own:
        own.call(process.forget_peak)
        assert own.call(process.peak_bytes) >= own.call(process.resident_bytes) // 2 > 0
        assert not own.is_limited


def test_a_process_that_wants_more_than_its_limit_is_out_of_memory() -> None:
    if not process.can_limit():
        pytest.skip("who runs the tests may not make control groups")
    with process.Process(192 << 20) as own:
        assert own.is_limited
        with pytest.raises(process.OutOfMemory, match="full: the process was killed"):
            own.call(np.full, 512 << 20, 1, np.uint8)


# --- policies


def lru(trace: list[int], capacity: int) -> list[bool]:
    pool: OrderedDict[int, None] = OrderedDict()
    hit = []
    for row in trace:
        hit.append(row in pool)
        if row in pool:
            pool.move_to_end(row)
        else:
            if len(pool) == capacity:
                pool.popitem(last=False)
            pool[row] = None
    return hit


def clock(trace: list[int], capacity: int) -> list[bool]:
    # Rows in the order in which the hand will come to them.
    queue: list[int] = []
    used: dict[int, bool] = {}
    hit = []
    for row in trace:
        hit.append(row in used)
        if row in used:
            used[row] = True
            continue
        if len(queue) == capacity:
            while used[queue[0]]:
                used[queue[0]] = False
                queue.append(queue.pop(0))
            del used[queue.pop(0)]
        queue.append(row)
        used[row] = False
    return hit


def sieve(trace: list[int], capacity: int) -> list[bool]:
    # Oldest first; the hand is at a row.
    queue: list[int] = []
    used: dict[int, bool] = {}
    hand = None
    hit = []
    for row in trace:
        hit.append(row in used)
        if row in used:
            used[row] = True
            continue
        if len(queue) == capacity:
            at = 0 if hand is None else queue.index(hand)
            while used[queue[at]]:
                used[queue[at]] = False
                at = (at + 1) % capacity
            hand = queue[at + 1] if at + 1 < capacity else None
            del used[queue.pop(at)]
        queue.append(row)
        used[row] = False
    return hit


def s3_fifo(trace: list[int], capacity: int) -> list[bool]:
    # Oldest first.
    room = max(1, capacity // 10)
    small: list[int] = []
    large: list[int] = []
    ghosts: list[int] = []
    uses: dict[int, int] = {}
    hit = []

    def evict_large() -> None:
        while uses[large[0]] > 0:
            uses[large[0]] -= 1
            large.append(large.pop(0))
        large.pop(0)

    def evict_small() -> None:
        while small:
            row = small.pop(0)
            if uses[row] <= 1 or capacity == room:
                ghosts.append(row)
                del ghosts[: max(0, len(ghosts) - (capacity - room))]
                return
            if len(large) >= capacity - room:
                evict_large()
            uses[row] = 0
            large.append(row)

    for row in trace:
        hit.append(row in small or row in large)
        if hit[-1]:
            uses[row] = min(3, uses[row] + 1)
            continue
        known = row in ghosts
        if known:
            ghosts.remove(row)
        while len(small) + len(large) >= capacity:
            if len(small) >= room or not large:
                evict_small()
            else:
                evict_large()
        uses[row] = 0
        (large if known and capacity > room else small).append(row)
    return hit


def most_hits(trace: list[int], capacity: int) -> int:
    """Of any choice of what to keep, by trying all after each access."""
    pools: dict[frozenset[int], int] = {frozenset(): 0}
    for row in trace:
        after: dict[frozenset[int], int] = {}
        for pool, count in pools.items():
            seen = pool | {row}
            for kept in map(frozenset, combinations(seen, min(capacity, len(seen)))):
                after[kept] = max(after.get(kept, 0), count + (row in pool))
        pools = after
    return max(pools.values())


TWINS = {"LRU": lru, "CLOCK": clock, "SIEVE": sieve, "S3-FIFO": s3_fifo}


@pytest.mark.parametrize("policy", TWINS)
@pytest.mark.parametrize("scans", [False, True])
def test_a_policy_hits_where_its_slow_twin_does(policy: str, scans: bool) -> None:
    trace = (80 * np.random.default_rng(1).random(3_000) ** 2.5).astype(np.int64)
    if scans:
        trace[1_000:1_400] = np.arange(400) % 80
    for capacity in (1, 2, 3, 10, 25, 60, 90):
        assert policies.hits(policy, trace, 80, capacity).tolist() == TWINS[policy](trace.tolist(), capacity)


def test_belady_hits_as_often_as_any_choice_can() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        trace = (7 * rng.random(25) ** 2).astype(np.int64)
        capacity = int(rng.integers(1, 5))
        assert policies.hits("Belady", trace, 7, capacity).sum() == most_hits(trace.tolist(), capacity)


def test_without_room_nothing_hits() -> None:
    assert not any(policies.hits(policy, np.zeros(5, int), 1, 0).any() for policy in policies.POLICIES)


def test_misses_are_told_by_batch() -> None:
    batches = [np.array([4, 1]), np.array([1, 2]), np.array([4])]
    assert [found.tolist() for found in policies.misses("LRU", batches, 5, 2)] == [[4, 1], [2], [4]]
    assert [found.tolist() for found in policies.misses("Belady", batches, 5, 2)] == [[4, 1], [2], []]


def test_rows_a_block_count_what_one_read_brings() -> None:
    assert hits.rows_per_block(np.array([0, 7, 8]), 512) == 1.5
    assert hits.rows_per_block(np.array([1]), 3000) == 0.5


# --- tables


def test_a_cold_line_sets_a_pass_beside_its_floor(matrix: Matrix) -> None:
    task = cold.Task(matrix, Batches(matrix.rows, 100), 4, 2, 1 << 20)
    done = cold.run(task, DEVICE)
    assert done.records <= 400
    assert done.bytes >= BLOCK * done.reads > 0
    slow = cold.Pass(2 * task.floors([DEVICE])[0], 300, 100, 1_000_000)
    found = {line.metric: line for line in cold.lines(task, [slow], [DEVICE]) if line.system == "relhop"}
    assert found["ms a batch"].ratio_to_limit == pytest.approx(0.5)
    assert found["rows a read"].median == 3
    assert found["rows/s"].median == pytest.approx(400 / slow.seconds)
    assert found["share of fio's reads/s"].median == pytest.approx(100 / slow.seconds / DEVICE.iops)


def test_relhop_is_set_beside_the_best_peer() -> None:
    found = pools.lines("some", {"relhop": [2.0], "a": [3.0], "b": [8.0]}, 1.0)
    assert [(line.system, line.ratio_to_peer, line.ratio_to_limit) for line in found] == [
        ("relhop", 1.5, 0.5),
        ("a", None, pytest.approx(1 / 3)),
        ("b", None, 0.125),
    ]
    assert pools.lines("some", {"relhop": [2.0]}, 0.0)[0].ratio_to_limit is None


def test_hit_rates_are_set_beside_beladys_and_the_best_other() -> None:
    found = hits.lines("some", {"Belady": 0.8, "LRU": 0.2, "SIEVE": 0.4, "relhop": 0.6})
    assert {line.system: (line.ratio_to_peer, line.ratio_to_limit) for line in found} == {
        "Belady": (None, 1.0),
        "LRU": (None, 0.25),
        "SIEVE": (None, 0.5),
        "relhop": (pytest.approx(1.5), pytest.approx(0.75)),
    }


def test_quoted_figures_are_named_as_such() -> None:
    found = loading.lines(f"{loading.QUOTED_CASE}, more", False, {"relhop": [0.061], loading.PEER: [0.122]})
    assert [(line.system, line.ratio_to_peer) for line in found] == [
        ("relhop", pytest.approx(2)),
        (loading.PEER, None),
        ("PyG with pyg-lib (quoted, not measured)", None),
        ("relhop", pytest.approx(12)),
    ]
    assert len(loading.lines("another case", False, {"relhop": [0.061]})) == 1


def test_a_slowdown_is_set_beside_the_floor_that_is_higher() -> None:
    trained = training.Trained([3.0, 5.0], [1.0, 1.0], 0.9, 2.0, 4.0)
    found = training.lines("some", trained, 2.0, {"fio": 3.0, "fast": 0.5})
    slowdowns = [
        (line.system, line.median, line.ratio_to_limit) for line in found if line.metric == "slowdown"
    ]
    assert slowdowns == [("relhop", 2.0, 0.75), ("floor", 1.5, None), ("floor", 1.0, None)]


def test_sampling_from_disk_is_set_beside_what_the_reads_allow() -> None:
    done = {"edges": 1000, "elapsed": 2.0, "misses": 50.0, "hits": 150.0}
    found = paged.lines("some", [done], [Device(100, 1e9, "fio")])
    assert [(line.metric, line.median) for line in found] == [
        ("edges/s", 500),
        ("edges/s that its reads/s allow", 2000),
        ("hit rate of pages", 0.75),
    ]
    assert found[0].ratio_to_limit == 0.25


# --- a graph in files

RING = Graph(
    [TableArrays("nodes", 500)],
    [EdgeArrays("edges", 0, 0, np.arange(501), np.roll(np.arange(500, dtype=np.uint32), 1))],
)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> graph_rows.GraphFiles:
    """Each node has the one before it for a neighbor."""
    folder = tmp_path_factory.mktemp("ring")
    save(RING, folder / "ring")
    return graph_rows.prepare(Case("ring", (3, 3), 10), folder)


def test_batches_of_a_graph_come_with_their_rows(ring: graph_rows.GraphFiles) -> None:
    seeds, traces = ring.seeds(4).reshape(4, 10), ring.trace(4)
    for of_batch, wanted in zip(seeds, traces, strict=True):
        assert set(wanted) == {int(row - hop) % 500 for row in of_batch for hop in range(3)}
    table = relhop_rows.on_disk(ring.matrix, 1 << 16, DEVICE)[1]
    batches = graph_rows.stream(ring, ring.topology(), table, 4)
    for wanted, batch in zip(traces, batches, strict=True):
        assert (batch["nodes"][0]["rows"] == wanted).all()
        ring.matrix.check(wanted, batch["features"][0]["numerical"])


def test_links_on_disk_give_the_same_edges(ring: graph_rows.GraphFiles) -> None:
    done = paged.sample(ring, 30.0, 2, 1, DEVICE)
    assert done["edges"] >= 2 * 10
    assert done["hits"] + done["misses"] > 0


def test_a_step_is_trained_from_a_pool_and_from_memory(ring: graph_rows.GraphFiles) -> None:
    for share in (None, 0.5):
        done = training.train(ring, share, 2, 3, DEVICE)
        assert (len(done.seconds), len(done.waited)) == (3, 3)
        assert 0 <= done.hit_rate <= 1
