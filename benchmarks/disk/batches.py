"""Which rows are asked for: batches of distinct rows, the same for every system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.graphs import Array

EXPONENT, PRIME = 2.5, 7_368_787


@dataclass(frozen=True)
class Batches:
    """Batches of `size` distinct rows of `num_rows`, in no order.

    Attributes:
        num_rows: Of the matrix; no multiple of PRIME.
        size: Rows a batch.
        power_law: Whether some rows are asked for far more often than others, as the hubs of a graph are
            (benchmarks/graphs.py); else all are alike.
    """

    num_rows: int
    size: int
    power_law: bool = False

    def __getitem__(self, number: int) -> Array:
        """Batch `number`, int64 [size]."""
        rng = np.random.default_rng([number, self.num_rows, self.size])
        if not self.power_law:
            return rng.choice(self.num_rows, self.size, replace=False, shuffle=True)
        found = np.empty(0, np.int64)
        while len(found) < self.size:
            ranks = (self.num_rows * rng.random(2 * self.size) ** EXPONENT).astype(np.int64)
            found = np.concatenate([found, ranks * PRIME % self.num_rows])
            _, first = np.unique(found, return_index=True)
            found = found[np.sort(first)]
        return found[: self.size]

    def first(self, count: int) -> list[Array]:
        """Batches 0 to count - 1."""
        return [self[number] for number in range(count)]

    def __str__(self) -> str:
        return f"{self.size:,} {'power-law' if self.power_law else 'uniform'} rows a batch"
