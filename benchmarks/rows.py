"""Rows from disk and from memory: relhop, the device's limit by fio, and other ways to the same rows.

    python -m benchmarks.rows [--quick] [--data FOLDER] [--only cold|cached|pools] [--rounds N] [--json FILE]

- cold: nothing in memory; seconds beside the floor that the cost model of benchmarks/disk/device.py gives
  with fio's figures for the same file, taken around each pass. A window of the floor holds the batch that is
  read and those that relhop looks ahead at, and at most MEMORY bytes of rows; so does relhop's pool.
- cached: everything in memory, loaded or mapped; beside torch.index_select.
- pools: from the whole matrix down to a twentieth of it; beside NumPy, Kùzu and GraphBolt where they are.

Aims: 0.9 of the floor (cold); 2 times as fast as index_select with fresh output, and 0.9 times as with a
preallocated one (cached); faster than each peer (pools).

Matrices are made once and kept under --data: 5 GB for cold and cached, 2 GB and Kùzu's copy for pools. What
is behind the device's driver may have a cache of its own, which fio's figures and ours share.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.disk import cold, pools
from benchmarks.disk.batches import Batches
from benchmarks.disk.cached import cached_rows
from benchmarks.disk.device import measure
from benchmarks.disk.matrix import Matrix, make
from benchmarks.report import Row, options, publish, row

SECTIONS = ("cold", "cached", "pools")
MEMORY = 1 << 30
ROWS, QUICK_ROWS, WIDTH = 10_000_000, 128_000, 128
LOOK_AHEADS = (1, 4, 16)
SHARES = (1.0, 0.5, 0.25, 0.1, 0.05)
SIZES = {1_000: 64, 15_000: 16, 150_000: 4, 900_000: 2}
"""Rows a batch, and how many batches a pass has at least."""


def main() -> None:
    chosen = options(__doc__, SECTIONS)
    notes: list[str] = []
    publish("Rows", rows_of(chosen, notes), chosen.json, notes)


def rows_of(chosen: argparse.Namespace, notes: list[str]) -> Iterator[Row]:
    """The table's lines, as they are measured; adds to the notes."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        folder = chosen.data or Path(scratch)
        narrow = make(folder, QUICK_ROWS if chosen.quick else ROWS, WIDTH)
        matrices = [narrow, narrow.wider(8)]
        device = measure(matrices[0].path, chosen.fio_seconds)
        notes.append(f"{matrices[0].path}: {device}")
        yield row("device", str(matrices[0]), "random reads of 4 KiB/s", [device.iops])
        yield row("device", str(matrices[0]), "GB/s in sequence", [device.bytes_per_second / 1e9])
        if "cold" in chosen.only:
            yield from cold.cold_rows(
                cold_tasks(matrices, quick=chosen.quick), chosen.rounds, chosen.fio_seconds / 2
            )
        if "cached" in chosen.only:
            yield from cached_rows(matrices[0], 20_000 if chosen.quick else 300_000, chosen.rounds)
        if "pools" in chosen.only:
            of_peers = make(folder, 100_000 if chosen.quick else 4_000_000, WIDTH)
            batches = Batches(of_peers.rows, 5_000 if chosen.quick else 150_000, power_law=True)
            task = pools.Task(
                matrix=of_peers,
                folder=folder,
                batches=batches,
                num_batches=2 if chosen.quick else 4,
                rounds=chosen.rounds,
                shares=SHARES[::2] if chosen.quick else SHARES,
                device=device,
            )
            found, more = pools.pool_rows(task)
            yield from found
            notes += more


def cold_tasks(matrices: list[Matrix], *, quick: bool) -> list[cold.Task]:
    """All lines of the section `cold`."""
    divisor = ROWS // QUICK_ROWS if quick else 1
    return [
        cold.Task(matrix, Batches(matrix.rows, size // divisor), max(least, look_ahead), look_ahead, MEMORY)
        for matrix in matrices
        for size, least in list(SIZES.items())[:: 2 if quick else 1]
        for look_ahead in LOOK_AHEADS[:: 2 if quick else 1]
    ]


if __name__ == "__main__":
    main()
