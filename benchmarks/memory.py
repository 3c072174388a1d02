"""Training from a graph whose rows, and links, are in memory in part: relhop, the device's limit, and peers.

    python -m benchmarks.memory [--quick] [--data FOLDER] [--only SECTION] [--rounds N] [--json FILE]

- loading: neighborhoods and rows, all in memory; and from opening to the first batch.
- hits: hit rate of the pool, beside Belady's optimum, SIEVE, S3-FIFO, LRU and CLOCK on the same batches; and
  rows that one read brings, ordered and not, beside the best order where rows are wanted independently.
- training: a three-layer GraphSAGE with pools of 100 to 10 % of the rows, beside all in memory and the floor
  that the cost model of benchmarks/disk/device.py gives, here and on a drive of 0.8 M reads/s and 7 GB/s.
- peak: resident memory, beside the pool and a constant.
- links: links on disk, with a pool of a tenth of them.

Lines come as they are measured. Aims: 6 times as fast as PyG (loading); a hit rate of 0.97 of Belady's and
above all others', and twice as many rows a read when ordered (hits); a slowdown of 1.05 with 50 % and of 1.25
with 10 %, or 1.1 times the floor's (training); a peak within 5 % of pool and constant (peak); half of the
edges that the device's reads allow (links).

The graph has 10 M nodes, 150 M edges that follow a power law, and float32[128] a node: 6.5 GB under --data,
made once.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.disk import graph_rows, hits, loading, paged, training
from benchmarks.disk.device import measure
from benchmarks.disk.process import alone
from benchmarks.report import Row, options, publish

SECTIONS = ("loading", "hits", "training", "peak", "links")
CASE, QUICK_CASE = Case("10 M / 150 M", (12, 12, 12), 1152), Case("small", (4, 4, 4), 32)
SHARES, TRAINING_SHARES, PEAK_SHARES = (0.05, 0.1, 0.25, 0.5), (1.0, 0.5, 0.25, 0.1), (0.05, 0.1, 0.25)
TENTH = 0.1


def main() -> None:
    chosen = options(__doc__, SECTIONS)
    notes: list[str] = []
    publish("Memory", rows_of(chosen, notes), chosen.json, notes)


def rows_of(chosen: argparse.Namespace, notes: list[str]) -> Iterator[Row]:
    """The table's lines, as they are measured; adds to the notes."""
    quick = chosen.quick
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        data = chosen.data or Path(scratch)
        files = alone(graph_rows.prepare, QUICK_CASE if quick else CASE, data)
        device = measure(files.matrix.path, chosen.fio_seconds)
        notes.append(f"{files.matrix.path}: {device}")
        batches = 8 if quick else 24
        if "loading" in chosen.only:
            found, more = loading.loading_rows(files, data, batches, chosen.rounds)
            notes += more
            yield from found
            yield from loading.first_rows(files, TENTH, device)
        if "hits" in chosen.only:
            yield from hits.hit_rows(files, batches // 2, SHARES[1:3] if quick else SHARES, device)
            yield from hits.order_rows(files, batches // 2, TENTH)
        if "training" in chosen.only:
            shares = TRAINING_SHARES[::3] if quick else TRAINING_SHARES
            yield from training.training_rows(files, batches // 2, batches // 2, shares, device)
        if "peak" in chosen.only:
            yield from training.memory_rows(
                files, batches // 2, PEAK_SHARES[1:2] if quick else PEAK_SHARES, device
            )
        if "links" in chosen.only:
            yield from paged.paged_rows(files, TENTH, batches // 4, chosen.rounds, chosen.fio_seconds)


if __name__ == "__main__":
    main()
