"""The native gather of rows against NumPy's own indexing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import CorruptStore
from tests import packing


def records(num_rows, timestamps, numerical, categorical, seed=0):
    """Random columns and the record file that holds them, padded as docs/format.md says."""
    rng = np.random.default_rng(seed)
    columns = (
        rng.integers(-(2**62), 2**62, (num_rows, timestamps)),
        rng.normal(size=(num_rows, numerical)).astype(np.float32),
        rng.integers(-1, 1000, (num_rows, categorical)).astype(np.int32),
    )
    parts = [c.view(np.uint8).reshape(num_rows, -1) for c in columns]
    packed = np.concatenate(parts, axis=1)
    pad = -packed.shape[1] % (8 if timestamps else 4)
    return columns, np.ascontiguousarray(np.pad(packed, ((0, 0), (0, pad))))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.lists(st.integers(0, 10**6)),
    st.data(),
)
def test_gathered_columns_equal_numpys(num_rows, timestamps, numerical, categorical, picks, data):
    columns, packed = records(num_rows, timestamps, numerical, categorical)
    rows = np.array([p % num_rows for p in picks], dtype=np.int64)
    time = np.sort(np.arange(num_rows) * 3) if data.draw(st.booleans()) else None
    order = np.random.default_rng(1).permutation(num_rows) if data.draw(st.booleans()) else None
    table = _native.FeatureTable(
        "t",
        packed,
        [timestamps, numerical, categorical],
        None if time is None else packing.times(time),
        None if order is None else packing.rows(order, num_rows),
    )
    got = table.gather(rows)
    for name, expected in zip(("timestamps", "numerical", "categorical"), columns, strict=True):
        if expected.shape[1] == 0:
            assert got[name] is None
        else:
            np.testing.assert_array_equal(got[name], expected[rows])
    np.testing.assert_array_equal(got["position"], rows if order is None else order[rows])
    if time is None:
        assert got["time"] is None
    else:
        np.testing.assert_array_equal(got["time"], time[rows])


@pytest.mark.parametrize("timestamps", [0, 1])
@pytest.mark.parametrize("is_raw", [False, True])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_arrays_that_are_larger_than_caches_are_gathered_alike(timestamps, is_raw, num_threads):
    columns, packed = records(1000, timestamps, 32 - 2 * timestamps * is_raw, 0)
    table = _native.FeatureTable("t", packed, None if is_raw else [timestamps, 32, 0], None, None)
    rows = np.random.default_rng(2).integers(0, 1000, 150_000)  # of 128 bytes
    got = table.gather(rows, num_threads)
    if is_raw:
        np.testing.assert_array_equal(got["raw"], packed[rows])
    else:
        np.testing.assert_array_equal(got["numerical"], columns[1][rows])


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_an_index_error(row):
    table = _native.FeatureTable("drivers", records(5, 1, 1, 1)[1], [1, 1, 1], None, None)
    with pytest.raises(IndexError, match=rf"^table drivers has 5 rows; there is no row {row}$"):
        table.gather(np.array([0, row]))


def test_fields_that_exceed_the_record_are_a_corrupt_store():
    with pytest.raises(CorruptStore, match=r"^table t: fields of 20 bytes in records of 16$"):
        _native.FeatureTable("t", records(5, 1, 1, 1)[1], [2, 1, 0], None, None)


@pytest.mark.parametrize(
    ("time", "order", "message"),
    [
        ([0] * 4, None, "table t: time.bin does not hold a time a row"),
        (None, [0] * 4, "table t: order.bin does not hold a position a row"),
    ],
)
def test_files_of_other_lengths_are_a_corrupt_store(time, order, message):
    time = None if time is None else packing.times(time)
    order = None if order is None else packing.rows(order, 5)
    with pytest.raises(CorruptStore, match=rf"^{message}$"):
        _native.FeatureTable("t", records(5, 1, 1, 1)[1], [1, 1, 1], time, order)


@pytest.mark.parametrize("mebibytes", [8, 9, 10.5, 15, 33])
def test_large_arrays_that_live_together_hold_what_was_gathered(mebibytes):
    records = np.random.default_rng(0).integers(0, 256, (256, 4096), np.uint8)
    table = _native.FeatureTable("rows", records, None, None, None)
    count = round(mebibytes * 256)
    for _ in range(2):  # the second time in memory that is used again
        wanted = [np.arange(begin, begin + count) % 256 for begin in range(3)]
        found = [table.gather(rows)["raw"] for rows in wanted]
        for rows, of_batch in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(of_batch, records[rows])
