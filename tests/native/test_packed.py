"""Packed rows and times against plain lists, and blocks that no writer would have made."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import CorruptStore
from tests import packing

WIDTHS = st.integers(1, 57) | st.just(64)
TIMES = st.integers(-(2**63), 2**63 - 1)
LEAST, MOST = -(2**63), 2**63 - 1


@st.composite
def packed(draw: st.DrawFn) -> tuple[list[int], int]:
    width = draw(WIDTHS)
    return draw(st.lists(st.integers(0, 2**width - 1), max_size=200)), width


@settings(max_examples=200, deadline=None)
@given(packed(), st.data())
def test_elements_come_back_wherever_they_are_read(
    rows_and_width: tuple[list[int], int], data: st.DataObject
) -> None:
    rows, width = rows_and_width
    stream = _native.pack(np.array(rows, np.uint64), width)
    assert int.from_bytes(stream.tobytes(), "little") == sum(row << i * width for i, row in enumerate(rows))
    assert len(stream) == 8 * -(-len(rows) * width // 64) + 8
    column = _native.PackedRows(stream, len(rows), width)
    # The largest number stands for "no row"; numbers beyond int64 wrap around.
    shown = [-1 if row == 2**width - 1 else row - (row >> 63 << 64) for row in rows]
    begin = data.draw(st.integers(0, len(rows)))
    count = data.draw(st.integers(0, len(rows) - begin))
    assert (len(column), column.width) == (len(rows), width)
    assert column.decode(begin, count).tolist() == shown[begin : begin + count]
    places = data.draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=20 if rows else 0))
    assert column.take(np.array(places, np.int64)).tolist() == [shown[i] for i in places]


@pytest.mark.parametrize(
    ("count", "width"),
    [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (2**32 - 1, 32), (2**32, 33), (2**57 - 1, 57), (2**57, 64), (2**64 - 1, 64)],
)  # fmt: skip
def test_a_width_holds_every_row_and_one_more_number(count: int, width: int) -> None:
    assert _native.width_of(count) == width
    assert 2**width - 1 >= count


@pytest.mark.parametrize("width", [0, 58, 63, 65, 200, 2**32 - 1])
def test_widths_that_no_load_can_read_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"^rows cannot be packed to {width} bits$"):
        _native.pack(np.zeros(1, np.uint64), width)
    with pytest.raises(CorruptStore, match=f"^rows of {width} bits; 1 to 57 and 64 can be read$"):
        _native.PackedRows(np.zeros(64, np.uint8), 1, width)


@pytest.mark.parametrize(
    ("size", "width", "num_bytes"), [(1, 1, 8), (1, 1, 17), (0, 5, 0), (2**57, 64, 16), (2**63, 1, 16)]
)
def test_streams_of_another_length_are_refused(size: int, width: int, num_bytes: int) -> None:
    with pytest.raises(CorruptStore, match=f"^{num_bytes} bytes for {size} rows of {width} bits$"):
        _native.PackedRows(np.zeros(num_bytes, np.uint8), size, width)


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^row 8 does not fit 3 bits$"):
        _native.pack(np.array([7, 8], np.uint64), 3)


@pytest.mark.parametrize(("begin", "count"), [(0, 4), (4, 0), (2, 2), (1, 2**64 - 1)])
def test_what_is_beyond_the_end_is_an_index_error(begin: int, count: int) -> None:
    for column in (packing.rows([0, 1, 2], 3), packing.times([0, 1, 2])):
        with pytest.raises(IndexError, match=r"^beyond the last row$"):
            column.decode(begin, count)
        for place in (-1, 3):
            with pytest.raises(IndexError, match=r"^beyond the last row$"):
                column.take(np.array([place]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(TIMES | st.integers(0, 300) | st.sampled_from([LEAST, MOST]), max_size=300).map(sorted),
    st.lists(TIMES | st.integers(-1, 301) | st.sampled_from([LEAST, MOST]), max_size=10),
    st.sampled_from([1, 1_000_000]),
)
def test_times_come_back_and_are_cut_as_by_counting(times: list[int], anchors: list[int], unit: int) -> None:
    times = [t // unit * unit if t // unit * unit >= LEAST else t for t in times]
    column = packing.times(times)
    assert len(column) == len(times)
    assert column.decode(0, len(times)).tolist() == times
    assert column.take(np.arange(len(times))[::-1].copy()).tolist() == times[::-1]
    for anchor in [*anchors, *times[:3], *(t - 1 for t in times[:3] if t > LEAST)]:
        assert column.cut(anchor) == sum(t <= anchor for t in times)


def test_cuts_of_a_table_of_many_blocks() -> None:
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 3, 5_000_000) ** 20 * rng.integers(0, 2, 5_000_000)
    times = np.cumsum(steps)
    times[2_000_000:2_100_000] = times[2_000_000]  # blocks that are alike
    blocks, stream = _native.encode_times(times, 0)
    column = _native.PackedTimes(blocks, np.concatenate([stream, np.zeros(8, np.uint8)]), len(times))
    anchors = np.concatenate([rng.choice(times, 300), rng.integers(-5, times[-1] + 5, 300)])
    found = [column.cut(int(anchor)) for anchor in anchors]
    assert found == np.searchsorted(times, anchors, "right").tolist()


def block(base: int, unit: int, begin: int, width: int) -> np.ndarray:
    return np.frombuffer(struct.pack("<qQQ", base, unit, begin << 8 | width), np.uint8)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 127) | st.integers(-200, 200),
    st.lists(
        st.tuples(
            TIMES,
            st.integers(0, 2**64 - 1),
            st.integers(0, 300) | st.integers(0, 2**56 - 1),
            st.integers(0, 20) | st.integers(0, 255),
        ),
        max_size=4,
    ),
    st.binary(max_size=600),
    st.lists(TIMES, max_size=5),
)
def test_hostile_blocks_are_refused_or_read_within_their_stream(
    missing: int, blocks: list[tuple[int, int, int, int]], stream: bytes, anchors: list[int]
) -> None:
    num_rows = max(0, 128 * len(blocks) - missing)
    packed_blocks = np.concatenate([block(*b) for b in blocks]) if blocks else np.zeros(0, np.uint8)
    fits = all(
        (width == 0 and begin <= len(stream))
        or ((width <= 57 or width == 64) and begin + 16 * width + 8 <= len(stream))
        for _, _, begin, width in blocks
    )
    if len(blocks) != -(-num_rows // 128) or not fits:
        with pytest.raises(
            CorruptStore,
            match=r"(blocks of times for|of times lies beyond their end|of times has a unit of 0)",
        ):
            _native.PackedTimes(packed_blocks, np.frombuffer(stream, np.uint8), num_rows)
        return
    if any(unit == 0 for _, unit, _, _ in blocks):
        with pytest.raises(CorruptStore, match=r"^block \d of times has a unit of 0$"):
            _native.PackedTimes(packed_blocks, np.frombuffer(stream, np.uint8), num_rows)
        return
    column = _native.PackedTimes(packed_blocks, np.frombuffer(stream, np.uint8), num_rows)
    assert len(column.decode(0, num_rows)) == num_rows
    assert all(0 <= column.cut(anchor) <= num_rows for anchor in anchors)


@pytest.mark.parametrize("shift", [1, 4])
def test_blocks_that_are_not_whole_or_aligned_are_refused(shift: int) -> None:
    blocks, _ = _native.encode_times(np.arange(3), 0)
    room = np.zeros(64, np.uint8)
    begin = shift - room.ctypes.data % 8
    for wrong in (
        blocks[:-shift].copy(),
        room[begin : begin + 24] if begin >= 0 else room[begin + 8 : begin + 32],
    ):
        with pytest.raises(ValueError, match=r"^blocks of times must be whole and aligned to 8 bytes$"):
            _native.PackedTimes(wrong, np.zeros(99, np.uint8), 3)
