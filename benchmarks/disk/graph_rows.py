"""A graph with features in files: sampled neighborhoods and their rows, through relhop's pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, seeds
from benchmarks.disk.device import Device
from benchmarks.disk.matrix import Matrix, make
from benchmarks.disk.relhop_rows import LOOK_AHEAD
from benchmarks.graphs import Array, Graph, TableArrays, load
from relhop import _native
from relhop.store.order import hottest_first

WIDTH = 128


@dataclass(frozen=True)
class GraphFiles:
    """A graph of one table, as a store has it, and its nodes' features.

    Attributes:
        case: What is sampled.
        folder: Where the packed arrays are.
        num_nodes: Rows of the table.
        num_edges: Of the only edge type.
        matrix: Features of the nodes, those to which most edges lead first.
    """

    case: Case
    folder: Path
    num_nodes: int
    num_edges: int
    matrix: Matrix

    @property
    def columns(self) -> list[tuple[Path, int, int]]:
        """Offsets and neighbors: file, how many numbers, and their bits."""
        return [
            (self.folder / "offsets.bin", self.num_nodes + 1, _native.width_of(self.num_edges)),
            (self.folder / "neighbors.bin", self.num_edges, _native.width_of(self.num_nodes)),
        ]

    @property
    def topology_bytes(self) -> int:
        """Of offsets and neighbors."""
        return sum(path.stat().st_size for path, _, _ in self.columns)

    def topology(self) -> _native.Topology:
        """The graph, loaded."""
        packed = [
            _native.PackedRows(np.fromfile(path, np.uint8), size, width) for path, size, width in self.columns
        ]
        return self._topology(packed)

    def paged_topology(self, pool_bytes: int, device: Device) -> tuple[_native.PagePool, _native.Topology]:
        """The graph on disk behind a pool."""
        pool = _native.PagePool(pool_bytes, 1 / device.seconds_per_read, device.bytes_per_second)
        columns = [_native.PagedRows(pool, str(path), size, width) for path, size, width in self.columns]
        return pool, self._topology(columns)

    def options(self) -> _native.SampleOptions:
        """The case's, as the sampler takes them."""
        strategy = _native.Strategy[self.case.strategy]
        rules = [[_native.Rule(fanout, strategy)] for fanout in self.case.num_neighbors]
        return _native.SampleOptions(rules, 0, 0, [self.num_nodes], disjoint=False)

    def seeds(self, count: int) -> Array:
        """The seeds of batches 0 to count - 1, one after another."""
        graph = Graph([TableArrays("nodes", self.num_nodes)], [])
        return np.concatenate([seeds(self.case, graph, number).rows for number in range(count)])

    def trace(self, count: int) -> list[Array]:
        """The rows that each batch wants, int64, in the order in which they are found."""
        return list(self._sampled(0, count))

    def visits(self, begin: int, end: int) -> Array:
        """How many of the batches from `begin` on, before `end`, want each node, int64 [num_nodes]."""
        counts = np.zeros(self.num_nodes, np.int64)
        for rows in self._sampled(begin, end):
            counts[rows] += 1
        return counts

    def _sampled(self, begin: int, end: int) -> Iterator[Array]:
        topology, options = self.topology(), self.options()
        for of_batch in self.seeds(end).reshape(end, -1)[begin:]:
            tables, times = np.zeros(len(of_batch), np.uint32), np.full(len(of_batch), _FOREVER)
            yield topology.sample(options, tables, of_batch, times)["nodes"][0]["rows"]

    def records(self, rows: Array) -> Array:
        """Where in the matrix's file rows [N] are."""
        slots = self.matrix.packed_slots()
        return rows if slots is None else slots.take(rows)

    def _topology(self, columns: list[Any]) -> _native.Topology:
        lists = _native.EdgeRows.lists("edges", 0, 0, *columns)
        return _native.Topology([_native.TableRows("nodes", self.num_nodes, None)], [lists])


_CHUNK = 1 << 24
_FOREVER = np.iinfo(np.int64).max


def prepare(case: Case, folder: Path) -> GraphFiles:
    """Makes the files; a second time it finds them."""
    home = folder / f"{case.graph.replace(' ', '').replace('/', '-')}.packed"
    facts = home / "graph.json"
    if not facts.exists():
        graph = load(case.graph, folder)
        edges = graph.edge_types[0]
        assert edges.offsets is not None
        home.mkdir(parents=True, exist_ok=True)
        num_nodes, num_edges = graph.tables[0].num_rows, edges.num_edges
        for name, numbers, count in (
            ("offsets", edges.offsets, num_edges),
            ("neighbors", edges.neighbors, num_nodes),
        ):
            packed = _native.pack(numbers.astype(np.uint64), _native.width_of(count))
            packed.tofile(home / f"{name}.bin")
        facts.write_text(json.dumps([num_nodes, num_edges]))
    num_nodes, num_edges = json.loads(facts.read_text())
    neighbors = _native.PackedRows(
        np.fromfile(home / "neighbors.bin", np.uint8), num_edges, _native.width_of(num_nodes)
    )
    slots = hottest_first(_times_found(neighbors, num_nodes))
    return GraphFiles(case, home, num_nodes, num_edges, make(folder, num_nodes, WIDTH, slots))


def _times_found(neighbors: _native.PackedRows, num_nodes: int) -> Array:
    counts = np.zeros(num_nodes, np.int64)
    for begin in range(0, len(neighbors), _CHUNK):
        found = neighbors.decode(begin, min(_CHUNK, len(neighbors) - begin))
        counts += np.bincount(found, minlength=num_nodes)
    return counts


def stream(
    files: GraphFiles,
    topology: _native.Topology,
    table: _native.FeatureTable,
    count: int,
    *,
    num_threads: int = 2,
    look_ahead: int | None = LOOK_AHEAD,
) -> Iterator[dict[str, Any]]:
    """Batches 0 to count - 1 with their rows, as the pipeline gives them.

    `look_ahead`: batches beyond those that are read; `None`: as many as it finds to be of use.
    """
    rows = files.seeds(count)
    pipeline = _native.Pipeline(
        topology, [(table, False, 0)], files.options(), num_threads, 2 * num_threads, look_ahead
    )
    with closing(pipeline):
        for seeds in np.split(rows, count):
            pipeline.put(np.zeros(len(seeds), np.uint32), seeds, np.full(len(seeds), _FOREVER))
        pipeline.finish()
        for _ in range(count):
            batch = pipeline.next()
            assert batch is not None, "the pipeline makes as many batches as there are"
            yield batch
