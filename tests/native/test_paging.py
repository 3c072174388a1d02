"""Files behind a pool of pages: every element is the file's, whatever the pool holds, with threads and faults."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import CorruptStore, StoreError
from relhop.times import NULL_TIME

DEVICE = (50_000.0, 1e9)
"""Reads and bytes a second."""
PARENTS = 1 << 16


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    _native.clear_faults()


def written(folder: Path, rows: np.ndarray, width: int, name: str = "rows.bin") -> Path:
    path = folder / name
    _native.pack(rows.astype(np.uint64), width).tofile(path)
    return path


def paged(
    path: Path,
    size: int,
    width: int,
    *,
    frames: int,
    page_size: int = 4096,
    device: tuple[float, float] = DEVICE,
) -> tuple[_native.PagePool, _native.PagedRows]:
    pages = -(-path.stat().st_size // page_size)
    pool = _native.PagePool(4 * pages + frames * (page_size + 8), *device, page_size)
    return pool, _native.PagedRows(pool, str(path), size, width)


@settings(deadline=None)
@given(
    width=st.sampled_from([1, 3, 8, 24, 27, 57, 64]),
    size=st.integers(1, 3000),
    frames=st.integers(1, 40),
    page_size=st.sampled_from([16, 32, 128, 4096]),
    gap=st.sampled_from([1.0, 1e5]),
    key=st.integers(0, 2**32),
)
def test_any_elements_in_any_order_are_the_file_s(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    size: int,
    frames: int,
    page_size: int,
    gap: float,
    key: int,
) -> None:
    rng = np.random.default_rng(key)
    rows = rng.integers(0, 2 ** min(width, 62), size)
    path = written(tmp_path_factory.mktemp("paging"), rows, width)
    _, column = paged(path, size, width, frames=frames, page_size=page_size, device=(1e4, 1e4 * gap))
    expected = np.where(rows == 2**width - 1, -1, rows)
    for _ in range(4):
        places = rng.integers(0, size, rng.integers(0, 2000))
        if rng.random() < 0.5:
            places.sort()
        np.testing.assert_array_equal(column.take(places), expected[places])
    begin = int(rng.integers(0, size))
    np.testing.assert_array_equal(column.decode(begin, size - begin), expected[begin:])


def test_a_pool_of_all_pages_reads_each_once(tmp_path: Path) -> None:
    rows = np.arange(100_000)
    pool, column = paged(written(tmp_path, rows, 24), len(rows), 24, frames=74)
    assert pool.num_frames == 74
    for _ in range(3):
        np.testing.assert_array_equal(column.take(rows[::-1].copy()), rows[::-1])
    assert pool.stats()["misses"] == 74
    assert pool.stats()["hits"] == 2 * 74
    assert pool.stats()["bytes"] == 300_008


def test_pages_that_are_wanted_often_outlast_a_sweep(tmp_path: Path) -> None:
    rows = np.arange(100_000)
    pool, column = paged(written(tmp_path, rows, 24), len(rows), 24, frames=8)
    hot = np.arange(4) * 20_000
    for _ in range(3):
        column.take(hot)
    column.decode(0, len(rows))
    before = pool.stats()
    column.take(hot)
    assert pool.stats()["hits"] == before["hits"] + 4
    assert pool.stats()["reads"] == before["reads"]


def test_gaps_are_read_where_that_costs_less_than_another_read(tmp_path: Path) -> None:
    path = written(tmp_path, np.arange(100_000), 24)
    for bytes_per_read, reads in ((4096, 37), (4097 * 2, 1)):
        pool, column = paged(path, 100_000, 24, frames=1, device=(1e4, 1e4 * (bytes_per_read - 1)))
        column.take(np.arange(0, 74, 2) * 4096 // 3 + 10)
        assert pool.stats()["reads"] == reads


def test_pages_are_read_as_records_are_at_the_least_cost(tmp_path: Path) -> None:
    # Long runs of pages: where to cut them decides what is read of the gaps.
    rows = np.arange(3_000_000)
    path = written(tmp_path, rows, 24)
    pages = np.flatnonzero(np.random.default_rng(0).random(2000) < 0.3).astype(np.uint64)
    device = (5e3, 1e9)
    pool, column = paged(path, len(rows), 24, frames=1, device=device)
    column.take((pages.astype(np.int64) * 4096 + 2) // 3)
    extents = _native.plan_extents(pages, 4096, _native.DirectFile(str(path)), *device)
    assert len(extents) > 4
    assert pool.stats()["reads"] == len(extents)
    assert pool.stats()["bytes"] == extents[:, 1].sum()


def test_threads_share_a_pool_and_read_a_page_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, PARENTS, 200_000)
    path = written(tmp_path, rows, 27)
    for frames in (3, 20, 200):
        pool = _native.PagePool(4 * 165 + frames * (4096 + 8), *DEVICE)
        column = _native.PagedRows(pool, str(path), len(rows), 27)
        topology = listing(column, len(rows))

        def work(key: int, topology: _native.Topology = topology) -> None:
            seeds = np.unique(np.random.default_rng(key).integers(0, len(rows), 3000))
            options = _native.SampleOptions([[_native.Rule(1)]], 0, 0, [len(rows), PARENTS], disjoint=False)
            tables, times = np.zeros(len(seeds), np.uint32), np.full(len(seeds), 2**63 - 1)
            found = topology.sample(options, tables, seeds, times)
            expected = rows[seeds]
            edges = found["edges"][0]
            np.testing.assert_array_equal(found["nodes"][1]["rows"][edges["source"]], expected)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(64)))
        if frames == 200:
            assert pool.stats()["misses"] == 165


def listing(column: _native.PagedRows, size: int) -> _native.Topology:
    """A graph whose keys are the column's."""
    edges = _native.EdgeRows.parents("key", 0, 1, column)
    return _native.Topology(
        [_native.TableRows("child", size, None), _native.TableRows("parent", PARENTS, None)], [edges]
    )


def test_a_read_that_fails_names_the_file_and_leaves_the_pool_usable(tmp_path: Path) -> None:
    rows = np.arange(100_000)
    path = written(tmp_path, rows, 24)
    _, column = paged(path, len(rows), 24, frames=20, device=(1e5, 1e6))
    column.take(rows[:5000].copy())
    _native.inject_fault("fail", "rows.bin", errno.EIO, after=1, times=1)
    with pytest.raises(StoreError, match=r"rows\.bin': Input/output error"):
        column.take(rows[::3000].copy())
    for _ in range(3):
        np.testing.assert_array_equal(column.take(rows[::-7].copy()), rows[::-7])


def test_a_file_that_was_cut_short_says_so(tmp_path: Path) -> None:
    rows = np.arange(100_000)
    path = written(tmp_path, rows, 24)
    _, column = paged(path, len(rows), 24, frames=20)
    with path.open("r+b") as file:
        file.truncate(150_000)
    np.testing.assert_array_equal(column.take(rows[:100].copy()), rows[:100])
    with pytest.raises(StoreError, match=r"rows\.bin': the file ends before"):
        column.take(rows[-100:].copy())


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, np.arange(1000), 24)
    pool, column = paged(path, 1000, 24, frames=1)
    with pytest.raises(IndexError, match="beyond the last row"):
        column.take(np.array([1000]))
    with pytest.raises(IndexError, match="beyond the last row"):
        column.decode(999, 2)
    pool = _native.PagePool(1 << 20, *DEVICE)
    with pytest.raises(CorruptStore, match="3008 bytes for 1001 rows of 24 bits"):
        _native.PagedRows(pool, str(path), 1001, 24)
    with pytest.raises(StoreError, match="No such file"):
        _native.PagedRows(pool, str(tmp_path / "none"), 1, 24)
    with pytest.raises(ValueError, match="a pool of 4000 bytes has no room: its directory takes 4 bytes"):
        _native.PagedRows(_native.PagePool(4000, *DEVICE), str(path), 1000, 24)
    with pytest.raises(ValueError, match="a page of 8 bytes; give a power of two from 16 on"):
        _native.PagePool(4000, *DEVICE, 8)
    with pytest.raises(ValueError, match="a device reads more than nothing a second"):
        _native.PagePool(4000, 0, 1)


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 300), st.sampled_from([0, 1, 7, 60, 86_400 * 10**6, 2**40]), st.integers(1, 9)
        ),
        min_size=1,
        max_size=8,
    ),
    page_size=st.sampled_from([16, 128, 4096]),
    key=st.integers(0, 2**32),
)
def test_times_on_disk_are_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]], page_size: int, key: int
) -> None:
    rng = np.random.default_rng(key)
    distances = np.concatenate([unit * rng.integers(0, most, count) for count, unit, most in steps])
    times = np.cumsum(distances) - 10**9
    times[-1] = rng.choice([times[-1], NULL_TIME])
    blocks, stream = _native.encode_times(times, 0)
    path = tmp_path_factory.mktemp("times") / "time.bin"
    np.append(stream, np.zeros(8, np.uint8)).tofile(path)
    pool = _native.PagePool(
        4 * (path.stat().st_size // page_size + 1) + 3 * (page_size + 8), *DEVICE, page_size
    )
    column = _native.PackedTimes.paged(blocks, pool, str(path), len(times))
    rows = rng.integers(0, len(times), 500)
    np.testing.assert_array_equal(column.take(rows), times[rows])
    np.testing.assert_array_equal(column.decode(0, len(times)), times)
    for anchor in [*rng.choice(times, 20), *(rng.choice(times, 5) - 1), -(2**62), NULL_TIME - 1]:
        assert column.cut(int(anchor)) == np.searchsorted(times, anchor, "right")


def test_times_whose_stream_is_too_short_are_refused(tmp_path: Path) -> None:
    blocks, stream = _native.encode_times(np.arange(1000) ** 2, 0)
    path = tmp_path / "time.bin"
    stream.tofile(path)
    pool = _native.PagePool(1 << 16, *DEVICE)
    with pytest.raises(CorruptStore, match=r"^block 7 of times lies beyond their end$"):
        _native.PackedTimes.paged(blocks, pool, str(path), 1000)


def test_rows_are_found_in_records_and_input_by_orders_on_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    count = 5000
    slots, order = rng.permutation(count), rng.permutation(count)
    records = np.empty(count, np.float32)
    records[slots] = np.arange(count)
    width = _native.width_of(count)
    pool = _native.PagePool(1 << 13, *DEVICE)
    columns = [
        _native.PagedRows(pool, str(written(tmp_path, rows, width, name)), count, width)
        for rows, name in ((slots, "slots.bin"), (order, "order.bin"))
    ]
    packed = records.view(np.uint8).reshape(count, 4)
    packed.tofile(tmp_path / "rows.bin")
    path = str(tmp_path / "rows.bin")
    speed = {"reads_per_second": DEVICE[0], "bytes_per_second": DEVICE[1]}
    on_disk = _native.DiskRecords("t", path, 4, [0, 1, 0], count, pool_bytes=2000, **speed)
    rows = rng.integers(0, count, 3000)
    for source in (packed, on_disk):
        table = _native.FeatureTable("t", source, [0, 1, 0], None, columns[1], slots=columns[0])
        found = table.gather(rows, 2)
        np.testing.assert_array_equal(found["numerical"][:, 0], rows)
        np.testing.assert_array_equal(found["position"], order[rows])
    _native.inject_fault("fail", "order.bin", errno.EIO)
    with pytest.raises(StoreError, match=r"order\.bin': Input/output error"):
        table.gather(rows)


def test_threads_read_times_and_rows_at_once(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).integers(0, 1000, 50_000))
    blocks, stream = _native.encode_times(times, 0)
    np.append(stream, np.zeros(8, np.uint8)).tofile(tmp_path / "time.bin")
    order = np.random.default_rng(1).permutation(len(times))
    width = _native.width_of(len(times))
    pool = _native.PagePool(1 << 15, *DEVICE)
    column = _native.PackedTimes.paged(blocks, pool, str(tmp_path / "time.bin"), len(times))
    places = _native.PagedRows(pool, str(written(tmp_path, order, width, "order.bin")), len(times), width)
    table = _native.FeatureTable("t", np.empty((len(times), 0), np.uint8), [0, 0, 0], column, places)

    def read(key: int) -> None:
        rows = np.random.default_rng(key).integers(0, len(times), 300)
        found = table.gather(rows)
        np.testing.assert_array_equal(found["time"], times[rows])
        np.testing.assert_array_equal(found["position"], order[rows])
        assert column.cut(int(times[rows[0]])) == np.searchsorted(times, times[rows[0]], "right")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read, range(40)))
