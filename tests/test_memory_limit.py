"""Batches of rows from a file that is several times larger than all memory that there is."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from benchmarks.disk import relhop_rows
from benchmarks.disk.batches import Batches
from benchmarks.disk.device import FAST_DRIVE
from benchmarks.disk.matrix import Matrix, drop_cached, make
from benchmarks.disk.process import enter, make_group, remove_group

LIMIT, POOL = 96 << 20, 16 << 20


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return make(tmp_path_factory.mktemp("limit"), 4 * LIMIT // 512, 128)


@pytest.fixture
def group() -> Iterator[Path]:
    made = make_group(LIMIT)
    if made is None:
        pytest.skip("no control group with a limit of memory can be made here")
    yield made
    remove_group(made)


def rows_of_all_batches(group: Path, matrix: Matrix, is_loaded: bool) -> int:
    """Checks every row of some batches, whose memory counts together with the page cache; how many there were."""
    batches = Batches(matrix.rows, 2000).first(100)
    enter(group)
    drop_cached(matrix.path)
    if is_loaded:
        _, table = relhop_rows.in_memory(matrix, mapped=False)
    else:
        _, table = relhop_rows.on_disk(matrix, POOL, FAST_DRIVE)
    found = 0
    for batch, rows in zip(batches, relhop_rows.stream(table, matrix, batches, look_ahead=4), strict=True):
        matrix.check(batch, rows)
        found += len(rows)
    return found


def in_another_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def test_batches_come_from_a_file_of_four_times_the_memory(matrix: Matrix, group: Path) -> None:
    assert in_another_process(rows_of_all_batches, group, matrix, False) == 100 * 2000


def test_the_limit_is_too_small_for_the_file_in_memory(matrix: Matrix, group: Path) -> None:
    with pytest.raises(BrokenProcessPool):
        in_another_process(rows_of_all_batches, group, matrix, True)
