"""Records on disk behind a pool: the same bits as in memory, whatever the pool, the window and the batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import CorruptStore
from tests.native.test_features import records

KINDS = ("timestamps", "numerical", "categorical")


def on_disk(path, packed, num_fields, **changes):
    packed.tofile(path)
    num_records, record_size = packed.shape
    options = {"pool_bytes": 0, "reads_per_second": 1e4, "bytes_per_second": 1e9} | changes
    return _native.DiskRecords("t", str(path), record_size, num_fields, num_records, **options)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_read_from_disk_equals_what_is_in_memory(tmp_path_factory, data):
    draw = data.draw
    num_records = draw(st.integers(1, 300))
    num_fields = draw(st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any))
    num_fields[1] += draw(st.sampled_from([0, 0, 0, 125, 1023, 1025, 2500]))
    columns, packed = records(num_records, *num_fields)
    path = tmp_path_factory.mktemp("disk") / "rows.bin"
    pool = draw(st.integers(0, int(1.2 * (packed.nbytes + 30 * num_records))))
    speed = draw(st.sampled_from([1e3, 1e5, 1e7]))
    disk = on_disk(path, packed, num_fields, pool_bytes=pool, reads_per_second=speed)
    rows = st.lists(st.integers(0, num_records - 1), max_size=draw(st.sampled_from([3, 40])))
    ahead = draw(st.integers(0, 26))
    batches = [np.array(r, np.int64) for r in draw(st.lists(rows, max_size=40))]
    requests = [_native.Request(b) for b in batches]
    entered = done = 0
    while done < len(batches):
        while entered < min(done + ahead, len(batches)):
            disk.enter(requests[entered])
            entered += 1
        together = draw(st.integers(1, 4))
        if draw(st.integers(0, 9)) == 0:
            for request in requests[done : min(done + together, entered)]:
                disk.leave(request)
        read = disk.read(requests[done : done + together], draw(st.integers(1, 3)))
        for got, wanted in zip(read, batches[done : done + together], strict=True):
            for kind, expected in zip(KINDS, columns, strict=True):
                if expected.shape[1]:
                    np.testing.assert_array_equal(got[kind], expected[wanted])
        done += len(read)
        entered = max(entered, done)
    stats = disk.stats()
    assert stats["rows"] == sum(map(len, batches))
    assert stats["records"] <= stats["rows"]
    assert stats["bytes"] >= packed.shape[1] * stats["records"] or stats["reads"] < stats["records"]


def test_a_pool_of_half_the_table_reads_the_other_half_only(tmp_path):
    _, packed = records(1000, 0, 128, 0)
    disk = on_disk(tmp_path / "rows.bin", packed, [0, 128, 0], pool_bytes=500 * (512 + 37), reads_ahead=False)
    assert disk.num_slots == 500
    everything = _native.Request(np.arange(1000))
    disk.read([everything])
    assert disk.stats()["records"] == 1000
    disk.read([everything])
    assert disk.stats()["records"] == 1500


def test_batches_that_are_larger_than_caches_are_the_same_from_pool_and_disk(tmp_path):
    columns, packed = records(1000, 1, 32, 0)
    disk = on_disk(tmp_path / "rows.bin", packed, [1, 32, 0], pool_bytes=500 * (136 + 37))
    rows = np.random.default_rng(2).integers(0, 1000, 150_000)
    for _ in range(2):
        (got,) = disk.read([_native.Request(rows)], 2)
        np.testing.assert_array_equal(got["numerical"], columns[1][rows])
    assert 0 < disk.stats()["records"] < 2000


@pytest.mark.parametrize("size", [99, 101])
def test_a_file_of_another_size_is_a_corrupt_store(tmp_path, size):
    path = tmp_path / "rows.bin"
    path.write_bytes(bytes(4 * size))
    with pytest.raises(CorruptStore, match=f"holds {4 * size} bytes, expected 400$"):
        _native.DiskRecords(
            "t", str(path), 4, [0, 1, 0], 100, pool_bytes=0, reads_per_second=1e4, bytes_per_second=1e9
        )
