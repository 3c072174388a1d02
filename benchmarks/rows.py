"""Rows from disk and from memory: relhop, the device's limit by fio, and other ways to the same rows.

    python -m benchmarks.rows [--quick] [--data FOLDER] [--only cold|cached|pools] [--rounds N] [--json FILE]

- cold: nothing in memory; seconds beside the floor that the cost model of benchmarks/disk/device.py gives
  with fio's figures for the same file, taken around each pass. A window of the floor holds as many batches as
  relhop may look ahead, and at most MEMORY bytes of rows.
- cached: everything in memory, loaded or mapped; beside torch.index_select.
- pools: from the whole matrix down to a twentieth of it; beside NumPy, Kùzu and GraphBolt where they are.

Matrices are made once and kept under --data: 5 GB for cold and cached, 2 GB and Kùzu's copy for pools. What
is behind the device's driver may have a cache of its own, which fio's figures and ours share.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.disk import cold, pools
from benchmarks.disk.batches import Batches
from benchmarks.disk.cached import cached_rows
from benchmarks.disk.device import measure
from benchmarks.disk.matrix import Matrix, make
from benchmarks.report import Row, parser, publish, row

SECTIONS = ("cold", "cached", "pools")
MEMORY = 1 << 30
ROWS, QUICK_ROWS, WIDTH = 10_000_000, 128_000, 128
LOOK_AHEADS = (1, 4, 16)
SHARES = (1.0, 0.5, 0.25, 0.1, 0.05)
SIZES = {1_000: 64, 15_000: 16, 150_000: 4, 900_000: 2}
"""Rows a batch, and how many batches a pass has at least."""


def main() -> None:
    options = _options()
    rows: list[Row] = []
    notes = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        folder = options.data or Path(scratch)
        narrow = make(folder, QUICK_ROWS if options.quick else ROWS, WIDTH)
        matrices = [narrow, narrow.wider(8)]
        device = measure(matrices[0].path, options.fio_seconds)
        notes.append(f"{matrices[0].path}: {device}")
        rows += [
            row("device", str(matrices[0]), "random reads of 4 KiB/s", [device.iops]),
            row("device", str(matrices[0]), "GB/s in sequence", [device.bytes_per_second / 1e9]),
        ]
        if "cold" in options.only:
            rows += cold.cold_rows(
                cold_tasks(matrices, quick=options.quick), options.rounds, options.fio_seconds
            )
        if "cached" in options.only:
            rows += cached_rows(matrices[0], 20_000 if options.quick else 300_000, options.rounds)
        if "pools" in options.only:
            of_peers = make(folder, 100_000 if options.quick else 4_000_000, WIDTH)
            batches = Batches(of_peers.rows, 5_000 if options.quick else 150_000, power_law=True)
            task = pools.Task(
                matrix=of_peers,
                folder=folder,
                batches=batches,
                num_batches=2 if options.quick else 4,
                rounds=options.rounds,
                shares=SHARES[::2] if options.quick else SHARES,
                device=device,
            )
            found, more = pools.pool_rows(task)
            rows, notes = rows + found, notes + more
    publish("Rows", rows, options.json, notes)


def cold_tasks(matrices: list[Matrix], *, quick: bool) -> list[cold.Task]:
    """All lines of the section `cold`."""
    divisor = ROWS // QUICK_ROWS if quick else 1
    return [
        cold.Task(matrix, Batches(matrix.rows, size // divisor), max(least, look_ahead), look_ahead, MEMORY)
        for matrix in matrices
        for size, least in list(SIZES.items())[:: 2 if quick else 1]
        for look_ahead in LOOK_AHEADS[:: 2 if quick else 1]
    ]


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="keeps the matrices in this folder for the next run")
    options.add_argument("--only", choices=SECTIONS, help="one section; default all")
    options.add_argument("--rounds", type=int, help="passes a system and line; default 5, quick 1")
    result = options.parse_args()
    result.rounds = result.rounds or (1 if result.quick else 5)
    result.only = (result.only,) if result.only else SECTIONS
    result.fio_seconds = 0.4 if result.quick else 2.0
    return result


if __name__ == "__main__":
    main()
