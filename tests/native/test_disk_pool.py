"""The buffer pool against its slow twin: the same reads and evictions; and against Belady's optimum."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import StoreError
from tests import pool_reference
from tests.native.test_disk_records import on_disk
from tests.native.test_features import records

BOOKKEEPING = 37
"""Bytes that a slot takes besides its record."""


@pytest.fixture(scope="module")
def packed():
    return records(200, 0, 4, 0)[1]


def pool_of(num_slots, path, packed):
    num_bytes = num_slots * (packed.shape[1] + BOOKKEEPING)
    disk = on_disk(path / "rows.bin", packed, [0, 4, 0], pool_bytes=num_bytes, reads_ahead=False)
    assert disk.num_slots == num_slots
    return disk


batch = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 199)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(
    num_slots=st.integers(0, 60),
    batches=st.lists(batch, max_size=60),
    ahead=st.integers(0, 25),
    together=st.integers(1, 3),
)
def test_reads_and_evictions_are_those_of_the_twin(
    tmp_path_factory, packed, num_slots, batches, ahead, together
):
    disk = pool_of(num_slots, tmp_path_factory.mktemp("pool"), packed)
    twin = pool_reference.Pool(200, num_slots)
    requests = [_native.Request(np.array(b, np.int64)) for b in batches]
    seats: list[pool_reference.Seat | None] = []
    for begin in range(0, len(batches), together):
        while len(seats) < min(begin + ahead, len(batches)):
            has_room = disk.enter(requests[len(seats)])
            seats.append(twin.enter(batches[len(seats)]))
            assert has_room == (seats[-1] is not None)
        end = min(begin + together, len(batches))
        seats += [None] * (end - len(seats))
        disk.read(requests[begin:end])
        twin.read(list(zip(batches[begin:end], seats[begin:end], strict=True)))
        stats = disk.stats()
        assert (stats["records"], stats["evictions"]) == (twin.read_records, twin.evictions)


def test_the_twin_ages_as_the_pool_does(tmp_path, packed):
    rng = np.random.default_rng(0)
    disk, twin = pool_of(7, tmp_path, packed), pool_reference.Pool(200, 7)
    for _ in range(300):
        rows = (200 * rng.random(30) ** 3).astype(np.int64)
        disk.read([_native.Request(rows)])
        twin.read([(rows.tolist(), None)])
    assert disk.stats()["records"] == twin.read_records
    assert disk.stats()["evictions"] == twin.evictions


@settings(max_examples=40, deadline=None)
@given(
    num_slots=st.integers(0, 30),
    batches=st.lists(st.lists(st.integers(0, 40), min_size=11, max_size=25), max_size=23),
)
def test_a_window_over_all_batches_is_beladys_optimum(tmp_path_factory, packed, num_slots, batches):
    disk = pool_of(num_slots, tmp_path_factory.mktemp("pool"), packed)
    requests = [_native.Request(np.array(b, np.int64)) for b in batches]
    for request in requests:
        disk.enter(request)
    for request in requests:
        disk.read([request])
    assert disk.stats()["records"] == pool_reference.fewest_reads(batches, num_slots)


def test_records_that_come_along_are_kept_for_the_batch_that_wants_them(tmp_path, large):
    disk = on_disk(tmp_path / "rows.bin", large, [0, 128, 0], pool_bytes=10**5, reads_per_second=1e6)
    now, later = (_native.Request(np.array(rows)) for rows in ([3], [5, 4, 5]))
    for request in (now, later):
        disk.enter(request)
    disk.read([now])
    assert disk.stats()["along"] == 2
    disk.read([later])
    assert {k: disk.stats()[k] for k in ("rows", "records", "reads", "bytes")} == {
        "rows": 4,
        "records": 1,
        "reads": 1,
        "bytes": 4096,
    }


def test_records_near_those_that_are_read_are_read_for_the_batch_that_wants_them(tmp_path, packed):
    disk = on_disk(tmp_path / "rows.bin", packed, [0, 4, 0], pool_bytes=10**5)
    now, later = (_native.Request(np.array(rows)) for rows in ([3], [150, 4, 150]))
    for request in (now, later):
        disk.enter(request)
    disk.read([now])
    assert {k: disk.stats()[k] for k in ("records", "reads")} == {"records": 3, "reads": 1}
    disk.read([later])
    assert {k: disk.stats()[k] for k in ("records", "reads")} == {"records": 3, "reads": 1}


def test_a_batch_that_left_the_window_is_wanted_no_more(tmp_path, packed):
    disk = on_disk(tmp_path / "rows.bin", packed, [0, 4, 0], pool_bytes=10**5)
    now, later = (_native.Request(np.array(rows)) for rows in ([3], [5]))
    for request in (now, later):
        disk.enter(request)
    disk.leave(later)
    disk.read([now])
    assert disk.stats()["along"] == 0


@pytest.fixture(scope="module")
def large():
    return records(40_000, 0, 128, 0)[1]


def far_apart(path, large, num_slots, seed=0):
    """Records of 512 bytes where a read costs as much as 16 KiB; batches of one in 60 of them."""
    rng = np.random.default_rng(seed)
    batches = [rng.choice(len(large), len(large) // 60, replace=False) for _ in range(9)]
    num_bytes = num_slots * (large.shape[1] + BOOKKEEPING)
    device = {"reads_per_second": 1e5, "bytes_per_second": 1e5 * 2**14}
    disk = on_disk(path / "rows.bin", large, [0, 128, 0], pool_bytes=num_bytes, **device)
    requests = [_native.Request(b) for b in batches]
    for request in requests:
        disk.enter(request)
    return disk, requests, batches


def test_one_sweep_serves_all_batches_that_the_pool_has_room_for(tmp_path, large):
    disk, requests, batches = far_apart(tmp_path, large, 40_000)
    for request, rows in zip(requests, batches, strict=True):
        got = disk.read([request])[0]["numerical"]
        np.testing.assert_array_equal(got.view(np.uint8), large[rows].view(np.uint8).reshape(len(rows), -1))
    stats = disk.stats()
    assert stats["records"] + stats["along"] == len(np.unique(np.concatenate(batches)))
    # Each batch by itself would read about two thirds of the file.
    assert stats["bytes"] < 1.05 * large.nbytes


def test_a_sweep_takes_no_slot_of_what_is_wanted_sooner(tmp_path, large):
    disk, requests, batches = far_apart(tmp_path, large, 1000)
    read = []
    for request in requests:
        before = disk.stats()
        disk.read([request])
        read.append(int(disk.stats()["records"] - before["records"]))
    assert len(batches[0]) + 500 < read[0] <= len(batches[0]) + 1000
    # Nothing was read twice, but for what two batches want.
    assert sum(read) <= sum(map(len, batches))


def test_what_fails_for_a_coming_batch_is_that_batch_s_error(tmp_path, large):
    disk = on_disk(tmp_path / "rows.bin", large[:200], [0, 128, 0], pool_bytes=10**6)
    now, coming = (_native.Request(np.array(rows)) for rows in ([100], [130]))
    for request in (now, coming):
        disk.enter(request)
    os.truncate(tmp_path / "rows.bin", 120 * 512)
    (got,) = disk.read([now])
    np.testing.assert_array_equal(got["numerical"].view(np.uint8)[0], large[100])
    with pytest.raises(StoreError, match=r"table t, row 130: cannot read .* the file ends before"):
        disk.read([coming])
