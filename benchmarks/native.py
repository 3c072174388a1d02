"""relhop's sampler over a graph of plain arrays, packed as a store has them; no store is needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases import Case, Seeds
from benchmarks.graphs import Array, Graph, TableArrays
from relhop import _native


class Relhop:
    """The native sampler with a graph in its memory.

    Args:
        graph: Is not kept.
        num_threads: Over how many threads one batch is split.
    """

    def __init__(self, graph: Graph, num_threads: int = 1) -> None:
        self._caps = [table.num_rows for table in graph.tables]
        self._num_edge_types = len(graph.edge_types)
        self._topology = topology(graph)
        self.num_threads = num_threads

    def sample(self, case: Case, seeds: Seeds, number: int) -> dict[str, list[dict[str, Any]]]:
        """Batch `number`, which is the key of its draws, too."""
        tables = np.zeros(len(seeds.rows), np.uint32)
        return self._topology.sample(
            self._options(case, number), tables, seeds.rows, seeds.times, self.num_threads
        )

    def prepare(self, case: Case, seeds: Seeds, number: int) -> Any:
        """See `peers.System`."""
        options, threads = self._options(case, number), self.num_threads
        tables = np.zeros(len(seeds.rows), np.uint32)

        def work() -> int:
            sample = self._topology.sample(options, tables, seeds.rows, seeds.times, threads)
            return sum(len(of_type["source"]) for of_type in sample["edges"])

        return work

    def _options(self, case: Case, number: int) -> Any:
        strategy = _native.Strategy[case.strategy]
        rules = [[_native.Rule(k, strategy)] * self._num_edge_types for k in case.num_neighbors]
        return _native.SampleOptions(rules, 0, number, self._caps, disjoint=case.disjoint)


def topology(graph: Graph) -> _native.Topology:
    """A graph's arrays, packed for the native code."""
    return _native.Topology(
        [_native.TableRows(table.name, table.num_rows, packed_times(table)) for table in graph.tables],
        [_edge_rows(graph, number) for number in range(len(graph.edge_types))],
    )


def packed_times(table: TableArrays) -> _native.PackedTimes | None:
    """A table's times, in blocks."""
    if table.times is None:
        return None
    blocks, stream = _native.encode_times(table.times, 0)
    return _native.PackedTimes(blocks, np.concatenate([stream, np.zeros(8, np.uint8)]), table.num_rows)


def packed_rows(rows: Array, count: int) -> _native.PackedRows:
    """Numbers up to `count`."""
    width = _native.width_of(count)
    return _native.PackedRows(_native.pack(rows.astype(np.uint64), width), len(rows), width)


def _edge_rows(graph: Graph, number: int) -> _native.EdgeRows:
    edges = graph.edge_types[number]
    back = graph.reverse(number)
    reverse = -1 if back is None else back
    neighbors = packed_rows(edges.neighbors, graph.tables[edges.found].num_rows)
    if edges.offsets is None:
        return _native.EdgeRows.parents(edges.name, edges.expanded, edges.found, neighbors, reverse)
    offsets = packed_rows(edges.offsets, edges.num_edges)
    return _native.EdgeRows.lists(edges.name, edges.expanded, edges.found, offsets, neighbors, reverse)
