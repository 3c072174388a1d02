"""What is sampled: a graph, fanouts, a strategy; and which seeds, the same for every system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks.graphs import START, YEAR, Array, Graph

FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Case:
    """One line of questions.

    Attributes:
        graph: A name of `graphs.GRAPHS`.
        num_neighbors: Per hop, along every edge type.
        batch_size: Seeds a batch; rows of table 0, none of them twice in all batches.
        strategy: `uniform`, `last` or `recency`.
        disjoint: Whether each seed has a subgraph of its own.
        timed: Whether a seed has an anchor time, so that only what is older exists; else all exists.
    """

    graph: str
    num_neighbors: tuple[int, ...]
    batch_size: int
    strategy: str = "uniform"
    disjoint: bool = False
    timed: bool = False

    def __str__(self) -> str:
        kind = "temporal" if self.timed else "static"
        return (
            f"{self.graph}, {list(self.num_neighbors)} × {self.batch_size}, {kind}"
            f" {'disjoint' if self.disjoint else 'merged'}, {self.strategy}"
        )


@dataclass(frozen=True)
class Seeds:
    """The seeds of one batch: rows of table 0 and their anchor times, int64."""

    rows: Array
    times: Array


def seeds(case: Case, graph: Graph, number: int) -> Seeds:
    """The seeds of a batch; which come around again when all rows were seeds."""
    num_rows = graph.tables[0].num_rows
    order = _order(num_rows)
    rows = order[np.arange(number * case.batch_size, (number + 1) * case.batch_size) % num_rows]
    if not case.timed:
        return Seeds(rows, np.full(len(rows), FOREVER))
    return Seeds(rows, anchor_times(graph)[rows])


def anchor_times(graph: Graph) -> Array:
    """Of each row of table 0, the anchor time that it has as a seed: any of the graph's two years."""
    return START + np.random.default_rng(2).integers(0, 2 * YEAR, graph.tables[0].num_rows)


@lru_cache(maxsize=1)
def _order(num_rows: int) -> Array:
    return np.random.default_rng(1).permutation(num_rows)


def cases(*, quick: bool) -> list[Case]:
    small, sparse, relational = (
        (["small"], "small sparse", "small relational")
        if quick
        else (["1 M / 10 M", "10 M / 150 M"], "1 M / 3 M", "relational")
    )
    divisor = 8 if quick else 1
    static = [
        Case(graph, num_neighbors, batch_size // divisor)
        for graph in small
        for num_neighbors, batch_size in (((15, 10, 5), 1024), ((12, 12, 12), 1152), ((10, 10), 1024))
    ]
    timed = [
        Case(relational, num_neighbors, 1024 // divisor, strategy, disjoint=True, timed=timed)
        for num_neighbors in ((16, 8), (16, 8, 4))
        for strategy in ("last", "uniform", "recency")
        for timed in (True, False)
    ]
    deep = Case(sparse, (4,) * 6, 1024 // divisor, disjoint=True)
    return [*static, *timed, deep]
