import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.store.packed import PackedColumn, PackedWriter, TimeWriter, packed_bytes, time_bytes
from relhop.times import NULL_TIME
from tests import packing

WIDTHS = st.one_of(st.integers(1, 57), st.just(64))


EVERY_TIME = st.integers(-(2**63), 2**63 - 1)


def cut(values, places):
    """Pieces of an array, some of them empty."""
    return np.split(values, sorted(place % (len(values) + 1) for place in places))


@settings(max_examples=200, deadline=None)
@given(st.data(), WIDTHS, st.integers(0, 300), st.lists(st.integers(0, 300), max_size=5))
def test_pieces_of_any_length_are_written_as_one(tmp_path_factory, data, width, size, places):
    largest = (1 << min(width, 63)) - 1
    numbers = np.array(
        data.draw(st.lists(st.integers(-1, largest - 1), min_size=size, max_size=size)), np.int64
    )
    path = tmp_path_factory.mktemp("packed") / "x.bin"
    with PackedWriter(path, width) as file:
        for piece in cut(numbers, places):
            file.write(piece)
    written = np.fromfile(path, np.uint8)
    assert len(written) == packed_bytes(size, width)
    none = (1 << width) - 1
    bits = sum((none if n < 0 else int(n)) << i * width for i, n in enumerate(numbers))
    assert int.from_bytes(written.tobytes(), "little") == bits
    assert PackedColumn(_native.PackedRows(written, size, width))[:].tolist() == numbers.tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(EVERY_TIME, st.integers(0, 10**9), st.just(NULL_TIME)), max_size=400),
    st.sampled_from([1, 1_000_000]),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_times_come_back_from_blocks_written_in_pieces(tmp_path_factory, values, unit, places):
    times = np.sort(np.array([v if v == NULL_TIME else v // unit for v in values], np.int64))
    times[times != NULL_TIME] *= unit
    folder = tmp_path_factory.mktemp("times")
    with TimeWriter(folder / "blocks", folder / "stream") as file:
        for piece in cut(times, places):
            file.write(piece)
    blocks, stream = (np.fromfile(folder / name, np.uint8) for name in ("blocks", "stream"))
    assert (len(blocks), len(stream)) == (24 * -(-len(times) // 128), time_bytes(blocks))
    whole, whole_stream = _native.encode_times(times, 0)
    assert blocks.tolist() == whole.tolist()
    assert stream.tolist() == [*whole_stream.tolist(), *[0] * 8]
    assert PackedColumn(_native.PackedTimes(blocks, stream, len(times)))[:].tolist() == times.tolist()


def test_whole_seconds_within_an_hour_take_12_bits():
    seconds = np.arange(0, 3_600_000_000, 28_000_000)
    blocks, stream = _native.encode_times(seconds[:128], 0)
    assert len(blocks) == 24
    assert len(stream) == 128 * 7 // 8  # Multiples of 28 seconds: the block's unit.
    blocks, stream = _native.encode_times(np.sort(np.append(seconds[:127], 1_000_000)), 0)
    assert len(stream) == 128 * 12 // 8


def test_a_failed_build_leaves_the_file_unfinished(tmp_path):
    with contextlib.suppress(RuntimeError), PackedWriter(tmp_path / "x.bin", 3) as file:
        file.write(np.arange(7))
        raise RuntimeError
    assert (tmp_path / "x.bin").read_bytes() == b""


def test_a_number_that_does_not_fit_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match=r"^row 8 does not fit 3 bits$"),
        PackedWriter(tmp_path / "x", 3) as file,
    ):
        file.write(np.arange(9))


ARRAY = np.array([4, -1, 0, 3, 2])


@pytest.fixture
def column():
    return PackedColumn(packing.rows(ARRAY, 5))


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(1, 3),
        slice(3, 1),
        slice(7, 9),
        slice(-2, None),
        slice(0, 5, 2),
        slice(None, None, -1),
        np.array([4, 0, 0]),
        np.array([1], np.uint32),
        np.array([], np.int64),
    ],
    ids=str,
)
def test_a_column_is_indexed_like_an_array(column, index):
    found = column[index]
    assert found.dtype == np.int64
    assert found.tolist() == ARRAY[index].tolist()


def test_a_column_has_a_length_and_single_numbers(column):
    assert len(column) == 5
    assert [column[i] for i in (0, 1, -1, np.int64(3))] == [4, -1, 2, 3]
    assert type(column[0]) is int
    np.testing.assert_array_equal(column, ARRAY)
    assert np.asarray(column, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match=r"^a packed column becomes an array only by decoding it$"):
        np.array(column, copy=False)


@pytest.mark.parametrize("index", [5, -6, np.array([5]), np.array([-1])], ids=str)
def test_what_is_not_in_the_column_is_an_index_error(column, index):
    with pytest.raises(IndexError):
        column[index]


def test_a_mask_is_no_index(column):
    with pytest.raises(IndexError, match=r"^rows are integers, not bool$"):
        column[np.array([True, False, True, False, True])]


def test_the_largest_offset_is_a_number_not_no_row():
    offsets = PackedColumn(packing.rows([0, 1, 3, 3], 3), largest=3)
    assert offsets[:].tolist() == [0, 1, 3, 3]
    assert offsets[-1] == 3
    assert offsets[np.array([2, 0])].tolist() == [3, 0]
