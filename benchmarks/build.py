"""Neighbor lists from foreign keys: edges a second, per memory limit and number of threads.

    python -m benchmarks.build [--quick] [--json FILE]

Targets follow a power law. The limit is measured in the same run: on one thread, the memory traffic of
reading the input twice and writing and reading the records once, as memcpy does it, and then the files,
written one after another. The peer is DuckDB's ORDER BY, streamed to files of 64-bit numbers.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from benchmarks.report import Row, parser, publish, row
from relhop import _native

_PIECE = 1 << 20


def power_law(num_edges: int, num_targets: int) -> npt.NDArray[np.int32]:
    generator = np.random.default_rng(1)
    targets = np.empty(num_edges, np.int32)
    for begin in range(0, num_edges, _PIECE):
        piece = targets[begin : begin + _PIECE]
        piece[:] = num_targets * generator.random(len(piece)) ** 3
    return targets


def native_build(
    targets: npt.NDArray[np.int32], num_targets: int, folder: Path, memory_limit: int, num_threads: int
) -> Callable[[], int]:
    files = _native.ListFiles(str(folder / "offsets.bin"), str(folder / "neighbors.bin"))

    def work() -> int:
        _native.build_lists(
            targets,
            num_targets,
            None,
            len(targets),
            None,
            files,
            memory_limit=memory_limit,
            num_threads=num_threads,
            scratch_folder=str(folder),
        )
        return len(targets)

    return work


def machine_limit(targets: npt.NDArray[np.int32], num_targets: int, folder: Path) -> Callable[[], int]:
    record_bits = _native.width_of(num_targets) + _native.width_of(len(targets))
    traffic = 2 * targets.nbytes + 2 * len(targets) * record_bits // 8
    written = (num_targets + len(targets)) * _native.width_of(len(targets)) // 8
    piece, copy = np.ones(64 * _PIECE, np.uint8), np.ones(64 * _PIECE, np.uint8)

    def work() -> int:
        # A copy reads and writes: two bytes of traffic for one copied.
        for _ in range(0, traffic // 2, len(piece)):
            np.copyto(copy, piece)
        with (folder / "limit.bin").open("wb", buffering=0) as file:
            for begin in range(0, written, _PIECE):
                file.write(piece[: min(_PIECE, written - begin)].data)
        return len(targets)

    return work


def duckdb_sort(
    targets: npt.NDArray[np.int32], folder: Path, memory_limit: int, num_threads: int
) -> Callable[[], int]:
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory_limit >> 20}MiB'; SET threads = {num_threads}")
    connection.execute("SET temp_directory = ?", [str(folder / "spill")])
    connection.register("edges", {"parent": targets, "child": np.arange(len(targets))})

    def work() -> int:
        lists = connection.sql("SELECT parent, child FROM edges ORDER BY parent, child")
        with (folder / "parents.bin").open("wb") as parents, (folder / "children.bin").open("wb") as children:
            for batch in lists.to_arrow_reader(_PIECE):
                parents.write(batch.column(0).to_numpy().astype(np.int64).data)
                children.write(batch.column(1).to_numpy().data)
        return len(targets)

    return work


def rates(work: Callable[[], int], repeats: int) -> list[float]:
    """Units of work a second of each repeat."""
    result = []
    for _ in range(repeats):
        begin = time.perf_counter()
        count = work()
        result.append(count / (time.perf_counter() - begin))
    return result


def measure(num_edges: int, num_targets: int, repeats: int, folder: Path) -> list[Row]:
    targets = power_law(num_edges, num_targets)
    name = f"{num_edges / 1e6:g} M edges, {num_targets / 1e6:g} M targets"
    most_threads = min(2, os.cpu_count() or 1)
    ample, tight = max(1 << 28, 40 * num_edges), max(1 << 24, 3 * num_edges)
    limit = rates(machine_limit(targets, num_targets, folder), repeats)
    peer = rates(duckdb_sort(targets, folder, ample, most_threads), 1)
    rows = [
        row("memcpy and sequential write", name, "edges/s", limit),
        row("DuckDB", f"{name}, {most_threads} threads", "edges/s", peer),
    ]
    for memory_limit in (ample, tight):
        for num_threads in range(1, most_threads + 1):
            found = rates(native_build(targets, num_targets, folder, memory_limit, num_threads), repeats)
            edges = statistics.median(found)
            configuration = f"{name}, {memory_limit >> 20} MiB, {num_threads} thread{'s' * (num_threads > 1)}"
            ratios = {
                "ratio_to_peer": edges / statistics.median(peer),
                "ratio_to_limit": edges / statistics.median(limit),
            }
            rows.append(row("relhop", configuration, "edges/s", found, **ratios))
    return rows


def main() -> None:
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        num_edges, num_targets = (5_000_000, 500_000) if options.quick else (100_000_000, 10_000_000)
        rows = measure(num_edges, num_targets, 3 if options.quick else 5, Path(folder))
    publish("Building neighbor lists", rows, options.json)


if __name__ == "__main__":
    main()
