"""Temporal sampling on the F1 store: seeds and sampled edges a second, per strategy and number of threads.

    python -m benchmarks.sampling [--quick] [--json FILE]

Seeds are the training rows of driver-dnf in one batch. No peer is measured yet, and no limit of the machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import relhop as rh
from benchmarks.report import Row, arguments, publish, rates, row
from examples.f1.formula1 import QUESTIONS, graph
from relhop.sampling import STRATEGIES, NeighborSampler


def measure(
    store: rh.Store, table: rh.TrainingTable, strategy: str, num_threads: int, repeats: int
) -> list[Row]:
    sampler = NeighborSampler(store, [16, 16], strategy)
    edges = 0

    def work() -> int:
        nonlocal edges
        sampled = sampler.sample(table.entity_table, table.rows, table.anchor_times, num_threads=num_threads)
        edges = sum(len(of_type.source) for of_type in sampled.edges.values())
        return len(table)

    seeds = rates(work, repeats)
    configuration = f"F1, [16, 16], {strategy}, {num_threads} thread{'s' * (num_threads > 1)}"
    per_seed = edges / len(table)
    return [
        row("relhop", configuration, "seeds/s", seeds),
        row("relhop", configuration, "edges/s", [rate * per_seed for rate in seeds]),
    ]


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        store = graph().snapshot(Path(folder) / "f1.rh", progress=False)
        table = QUESTIONS["driver-dnf"].training_table(store).splits["train"]
        rows = [
            line
            for strategy in STRATEGIES
            for num_threads in (1, 2)
            for line in measure(store, table, strategy, num_threads, 3 if options.quick else 11)
        ]
    publish("Temporal sampling", rows, options.json)


if __name__ == "__main__":
    main()
