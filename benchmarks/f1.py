"""The Formula 1 example through the public API: the training rows of driver-dnf as one batch."""

from __future__ import annotations

import time
from pathlib import Path

import relhop as rh
from benchmarks.report import Row, row
from examples.f1.formula1 import QUESTIONS, graph
from relhop.sampling import SeedSampler

STRATEGIES = ("recency", "last", "uniform")


def f1_rows(folder: Path, repeats: int) -> list[Row]:
    """Builds the store in `folder`, and samples [16, 16] from it; per strategy and number of threads."""
    store = graph().snapshot(folder / "f1.rh", progress=False)
    table = QUESTIONS["driver-dnf"].training_table(store).splits["train"]
    return [
        line
        for strategy in STRATEGIES
        for num_threads in (1, 2)
        for line in _measure(store, table, strategy, num_threads, repeats)
    ]


def _measure(
    store: rh.Store, table: rh.TrainingTable, strategy: str, num_threads: int, repeats: int
) -> list[Row]:
    sampler = SeedSampler(store, [16, 16], strategy)
    seconds, edges = [], 0
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        sampled = sampler.sample(table.entity_table, table.rows, table.anchor_times, num_threads=num_threads)
        seconds.append(time.perf_counter() - begin)
        edges = sum(len(of_type.source) for of_type in sampled.edges.values())
    del seconds[0]
    split = "1 thread" if num_threads == 1 else "one batch split over 2 threads"
    configuration = f"F1, [16, 16] × {len(table)}, temporal disjoint, {strategy}, {split}"
    return [
        row("relhop", configuration, "seeds/s", [len(table) / s for s in seconds]),
        row("relhop", configuration, "edges/s", [edges / s for s in seconds]),
        row("relhop", configuration, "ns/edge", [s / edges * 1e9 for s in seconds]),
    ]
