"""Splits of the examples of a static query, which has no windows: by the time of their rows, or at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.query.anchors import Dates
from relhop.times import format_time
from relhop.training_table import SPLIT_NAMES, TEST, TRAIN, VAL


def split_by_time(times: NDArray[np.int64], dates: Dates) -> NDArray[np.int8]:
    """The split of each example by its time [n]: the newest share for test, the one before for validation.

    Examples of the same time share a split. Dates, if given, say where validation and test begin.

    Raises:
        TrainingError: If a split gets no example, or one date is given without the other.
    """
    dates.check()
    if not len(times):
        return np.empty(0, np.int8)
    if dates.val_start is None or dates.test_start is None:
        val_start, test_start = (
            int(np.sort(times)[int((1 - share) * len(times))])
            for share in (sum(dates.shares), dates.shares[1])
        )
    else:
        val_start, test_start = dates.val_start, dates.test_start
    split = np.full(len(times), TRAIN, np.int8)
    split[times >= val_start] = VAL
    split[times >= test_start] = TEST
    _require_all(split, f"from {format_time(val_start)} and {format_time(test_start)} on; choose other dates")
    return split


def split_at_random(rows: NDArray[np.int64], shares: tuple[float, float]) -> NDArray[np.int8]:
    """The split of each example by a hash of its row [n]: these shares are for validation and test.

    Raises:
        TrainingError: If there are fewer than three examples.
    """
    rank = np.empty(len(rows), np.int64)
    rank[np.argsort(mixed(rows), kind="stable")] = np.arange(len(rows))
    num_val, num_test = (max(1, int(len(rows) * share)) for share in shares)
    split = np.full(len(rows), TRAIN, np.int8)
    split[rank < num_val + num_test] = VAL
    split[rank < num_test] = TEST
    if len(rows):
        _require_all(split, "")
    return split


def mixed(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """splitmix64 of row numbers: the same on every machine."""
    x = rows.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _require_all(split: NDArray[np.int8], where: str) -> None:
    for name, code in SPLIT_NAMES.items():
        if not (split == code).any():
            raise TrainingError(f"{len(split):,} examples leave none for {name} {where}".rstrip())
