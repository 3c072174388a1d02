"""Plans of reads against all plans that there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relhop import _native
from relhop.errors import StoreError

MOST = 2**20
SIZE = 64 * 2**20 + 1000  # its end is no whole block

Plan = list[tuple[int, int, int, int]]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> _native.DirectFile:
    path = tmp_path_factory.mktemp("io") / "sparse.bin"
    path.touch()
    os.truncate(path, SIZE)
    return _native.DirectFile(str(path))


def plan(file: _native.DirectFile, records: Sequence[int], size: int, reads: float, rate: float) -> Plan:
    array = _native.plan_extents(np.array(records, np.uint64), size, file, reads, rate)
    return [tuple(row) for row in array.tolist()]


def blocks_of(file: _native.DirectFile, record: int, size: int) -> tuple[int, int]:
    block = file.block_size
    begin, end = record * size // block * block, -(-(record + 1) * size // block) * block
    return begin, min(end, file.size)


def least_cost(
    file: _native.DirectFile, records: Sequence[int], size: int, reads: float, rate: float
) -> float:
    """The least over all ways to cut the records into neighbors: every last extent, with the best of what is before."""
    blocks = [blocks_of(file, record, size) for record in records]
    best = [0.0]
    for i in range(len(records)):
        costs = []
        for j in range(i + 1):
            length = blocks[i][1] - blocks[j][0]
            if length <= MOST or i == j:
                costs.append(best[j] + 1 / reads + length / rate)
        best.append(min(costs))
    return best[-1]


@st.composite
def a_request(draw: st.DrawFn) -> tuple[list[int], int, float, float]:
    size = draw(st.sampled_from([1, 512, 1000, 4096, 5000, 100_000, 300_000, 2**20, 3 * 2**20]))
    number = SIZE // size
    near = draw(st.integers(1, 400))
    begin = draw(st.integers(0, number - 1))
    places = st.integers(0, number - 1) | st.integers(begin, min(begin + near, number - 1))
    records = sorted(draw(st.sets(places, max_size=40)))
    reads = draw(st.sampled_from([5e3, 1e5, 1e6]))
    return records, size, reads, draw(st.sampled_from([1e8, 1e9, 7e9, 1e12]))


@settings(max_examples=300, deadline=None)
@given(request=a_request())
def test_a_plan_covers_all_records_at_the_least_cost(
    file: _native.DirectFile, request: tuple[list[int], int, float, float]
) -> None:
    records, size, reads, rate = request
    extents = plan(file, *request)
    assert [i for *_, first, last in extents for i in range(first, last)] == list(range(len(records)))
    for offset, length, first, last in extents:
        assert offset == blocks_of(file, records[first], size)[0]
        assert offset + length == blocks_of(file, records[last - 1], size)[1]
        assert length <= MOST or last == first + 1
    cost = sum(1 / reads + length / rate for _, length, _, _ in extents)
    assert cost == pytest.approx(least_cost(file, records, size, reads, rate))


def test_a_dense_sweep_is_read_in_pieces_of_a_mebibyte(file: _native.DirectFile) -> None:
    extents = plan(file, range(SIZE // 512), 512, 1e5, 1e9)
    assert len(extents) == 65
    lengths = sorted(length for _, length, _, _ in extents)
    assert lengths[1] > MOST - 4096
    assert sum(lengths) == SIZE


def test_a_record_of_many_in_a_block_is_read_with_its_neighbors(file: _native.DirectFile) -> None:
    assert plan(file, [0, 3, 7, 8], 512, 1e9, 1e9) == [(0, 8192, 0, 4)]
    assert plan(file, [0, 3, 7, 16], 512, 1e9, 1e9) == [(0, 4096, 0, 3), (8192, 4096, 3, 4)]


def test_a_gap_is_read_where_it_costs_no_more_than_a_read(file: _native.DirectFile) -> None:
    gap = 10 * 4096
    assert plan(file, [0, 11], 4096, 1e4, 1e4 * gap) == [(0, 12 * 4096, 0, 2)]
    assert plan(file, [0, 12], 4096, 1e4, 1e4 * gap) == [(0, 4096, 0, 1), (12 * 4096, 4096, 1, 2)]


def test_a_record_that_straddles_blocks_is_read_whole(file: _native.DirectFile) -> None:
    assert plan(file, [4], 1000, 1e5, 1e9) == [(0, 8192, 0, 1)]
    assert plan(file, [8, 16], 1000, 1e9, 1e9) == [(4096, 16384, 0, 2)]


def test_a_record_longer_than_the_longest_extent_is_one(file: _native.DirectFile) -> None:
    assert plan(file, [0, 1], 3 * 2**20, 1, 1e12) == [(0, 3 * MOST, 0, 1), (3 * MOST, 3 * MOST, 1, 2)]


def test_no_records_need_no_reads(file: _native.DirectFile) -> None:
    assert plan(file, [], 512, 1e5, 1e9) == []


def test_a_record_that_the_file_ends_before_is_named(file: _native.DirectFile) -> None:
    last = SIZE // 512 - 1
    assert plan(file, [last], 512, 1e5, 1e9) == [(64 * MOST, 1000, 0, 1)]
    with pytest.raises(StoreError) as raised:
        plan(file, [0, last + 1], 512, 1e5, 1e9)
    message = f"cannot read record {last + 1} of 512 bytes at offset {(last + 1) * 512}"
    assert str(raised.value) == f"{message} of '{Path(file.path)}': the file ends before"


def least_of_two_plans(
    file: _native.DirectFile,
    records: Sequence[int],
    needed: Sequence[int],
    size: int,
    reads: float,
    rate: float,
) -> tuple[float, list[int]]:
    """The least over all ways to share records between now and later, and the first records of which to read now.

    A read goes on to the next record where that is in the same plan, and costs no more than another read.
    """
    blocks = [blocks_of(file, record, size) for record in records]
    best = (float("inf"), [0])
    for choice in product((0, 1), repeat=len(records)):
        if any(need and not now for need, now in zip(needed, choice, strict=True)):
            continue
        cost, last = 0.0, 0
        for i, (begin, end) in enumerate(blocks):
            goes_on = i > 0 and choice[i] == choice[i - 1]
            another = 1 / reads + (end - begin) / rate
            further = min(max(begin - last, 0) / rate, 1 / reads) + (end - max(begin, last)) / rate
            cost += further if goes_on else another
            last = end
        best = min(best, (cost, list(choice)))
    return best


@settings(max_examples=100, deadline=None)
@given(request=a_request(), data=st.data())
def test_records_are_read_now_where_that_makes_now_and_later_cheapest(
    file: _native.DirectFile, request: tuple[list[int], int, float, float], data: st.DataObject
) -> None:
    records, size, reads, rate = request
    records = records[:9]
    needed = data.draw(st.lists(st.integers(0, 1), min_size=len(records), max_size=len(records)))
    arrays = np.array(records, np.uint64), np.array(needed, np.uint8)
    now = _native.choose_now(*arrays, size, file, reads, rate).tolist()
    assert all(now[i] for i in range(len(records)) if needed[i])
    least, _ = least_of_two_plans(file, records, needed, size, reads, rate)
    found, _ = least_of_two_plans(file, records, now, size, reads, rate)
    assert found == pytest.approx(least)


def test_nothing_is_read_now_where_nothing_is_needed(file: _native.DirectFile) -> None:
    records = np.arange(0, 4000, 40, dtype=np.uint64)
    assert not _native.choose_now(records, np.zeros(100, np.uint8), 512, file, 1e4, 1e9).any()


def test_what_lies_near_a_needed_record_is_read_with_it(file: _native.DirectFile) -> None:
    # A read costs as much as 25 blocks of 8 records.
    records = np.array([0, 100, 180, 2000, 5000, 5150], np.uint64)
    needed = np.array([0, 1, 0, 0, 0, 1], np.uint8)
    now = _native.choose_now(records, needed, 512, file, 1e4, 1e4 * 25 * 4096)
    assert now.tolist() == [1, 1, 1, 0, 1, 1]
