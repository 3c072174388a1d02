"""All rows in memory: relhop's batches beside torch.index_select and a gather with nothing around it.

One process has the matrix once, loaded or mapped and warm; the systems take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from benchmarks import limits
from benchmarks.disk import relhop_rows
from benchmarks.disk.batches import Batches
from benchmarks.disk.matrix import Matrix
from benchmarks.disk.process import alone
from benchmarks.report import Row, row

RELHOP, FRESH, REUSED, LIMIT = (
    "relhop",
    "torch.index_select",
    "torch.index_select, output preallocated",
    "gather, output reused",
)
_BATCHES, _PASSES = 8, 3
DISTANCES = (4, 8, 16, 32)

Work = Callable[[int], None]


def cached_rows(matrix: Matrix, size: int, rounds: int) -> list[Row]:
    """The table's lines: seconds a batch of `size` rows, loaded and mapped, with one thread and with two."""
    rows = []
    for mapped in (False, True):
        for threads, seconds in alone(measure, matrix, mapped, size, rounds).items():
            configuration = (
                f"{matrix}, {'mapped and warm' if mapped else 'loaded'}, {size:,} rows a batch,"
                f" {threads} thread{'s' * (threads > 1)}"
            )
            rows += _lines(configuration, seconds, size * matrix.row_bytes)
    return rows


def _lines(configuration: str, seconds: dict[str, list[float]], num_bytes: int) -> list[Row]:
    rows = [
        row(
            name,
            configuration,
            "GB/s",
            [num_bytes / value / 1e9 for value in values],
            ratio_to_limit=median(seconds[LIMIT]) / median(values),
        )
        for name, values in seconds.items()
    ]
    for peer in (FRESH, REUSED):
        times = [theirs / ours for ours, theirs in zip(seconds[RELHOP], seconds[peer], strict=True)]
        rows.append(
            row(RELHOP, configuration, f"times as fast as {peer}", times, ratio_to_peer=median(times))
        )
    return rows


def measure(matrix: Matrix, mapped: bool, size: int, rounds: int) -> dict[int, dict[str, list[float]]]:
    """By number of threads and system, the seconds a batch of each round."""
    import torch

    values, table = relhop_rows.in_memory(matrix, mapped=mapped)
    batches = Batches(matrix.rows, size).first(_BATCHES)
    repeated = batches * _PASSES
    tensor, wanted = torch.from_numpy(values), [torch.from_numpy(batch) for batch in batches]
    output = torch.empty((size, matrix.width))
    reused = limits.memory(size * matrix.row_bytes).view(np.float32).reshape(size, matrix.width)

    def relhop(threads: int) -> None:
        for _ in relhop_rows.stream(table, matrix, repeated, num_threads=threads):
            pass

    def fresh(threads: int) -> None:
        for rows in wanted * _PASSES:
            torch.index_select(tensor, 0, rows)

    def preallocated(threads: int) -> None:
        for rows in wanted * _PASSES:
            torch.index_select(tensor, 0, rows, out=output)

    def limit(threads: int, distance: int) -> None:
        for batch in repeated:
            limits.gather(values, batch, reused, threads, distance)

    def seconds(work: Work, threads: int) -> float:
        torch.set_num_threads(threads)
        begin = time.perf_counter()
        work(threads)
        return (time.perf_counter() - begin) / len(repeated)

    values[:, 0].sum()  # all pages are there
    found = relhop_rows.stream(table, matrix, batches, num_threads=2)
    for batch, rows in zip(batches, found, strict=True):
        matrix.check(batch, rows)
    result = {}
    for threads in (1, 2):
        systems: dict[str, Work] = {RELHOP: relhop, FRESH: fresh, REUSED: preallocated}
        taken: dict[str, list[float]] = {name: [] for name in (*systems, LIMIT)}
        for work in systems.values():  # memory that a system keeps is there
            seconds(work, threads)
        for _ in range(rounds):
            for name, work in systems.items():
                taken[name].append(seconds(work, threads))
            taken[LIMIT].append(min(seconds(partial(limit, distance=d), threads) for d in DISTANCES))
        result[threads] = taken
    return result
