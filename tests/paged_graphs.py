"""Graphs whose arrays are files behind a small pool of pages."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from relhop import _native
from tests.sampler_cases import tables_to_native
from tests.sampler_reference import Graph

DEVICE = (50_000.0, 1e9)
"""Reads and bytes a second."""

Column: TypeAlias = tuple[Path, int, int]
"""A file, how many numbers are in it, and their width."""


def column(folder: Path, name: str, numbers: npt.ArrayLike, count: int, width: int | None = None) -> Column:
    """Writes numbers up to `count`, -1 for none."""
    width = width or _native.width_of(count)
    stored = np.asarray(numbers, np.int64).astype(np.uint64) & np.uint64((1 << width) - 1)
    path = folder / name
    _native.pack(stored, width).tofile(path)
    return path, len(stored), width


class Pool:
    """A pool with so many frames for some columns."""

    def __init__(
        self, columns: list[Column], frames: int, page_size: int = 4096, device: tuple[float, float] = DEVICE
    ):
        pages = sum(-(-path.stat().st_size // page_size) for path, _, _ in columns)
        self.native = _native.PagePool(4 * pages + frames * (page_size + 8), *device, page_size)

    def rows(self, column: Column) -> _native.PagedRows:
        path, size, width = column
        return _native.PagedRows(self.native, str(path), size, width)


def paged(
    graph: Graph, folder: Path, frames: int, page_size: int = 4096, width: int | None = None
) -> tuple[_native.Topology, _native.PagePool]:
    """What `sampler_cases.to_native` makes, on disk."""
    written = [_write(graph, e, folder, width) for e in range(len(graph.edge_types))]
    pool = Pool([column for columns in written for column in columns.values()], frames, page_size)
    edge_types = []
    for e, columns in enumerate(written):
        edges = graph.edge_types[e]
        make = _native.EdgeRows.parents if edges.is_key else _native.EdgeRows.lists
        more = {name: pool.rows(c) for name, c in columns.items()}
        if edges.timed_by >= 0:
            more["timed_by"] = edges.timed_by
        edge_types.append(make(f"e{e}", edges.expanded, edges.found, reverse=edges.reverse, **more))
    return _native.Topology(tables_to_native(graph), edge_types), pool.native


def _write(graph: Graph, e: int, folder: Path, width: int | None) -> dict[str, Column]:
    edges = graph.edge_types[e]
    num_found = graph.num_rows[edges.found]

    def write(name: str, numbers: npt.ArrayLike, count: int, width: int | None = width) -> Column:
        return column(folder, f"{name}{e}", numbers, count, width)

    if edges.is_key:
        return {"parents": write("parents", [n[0].row if n else -1 for n in edges.lists], num_found)}
    all_edges = list(itertools.chain(*edges.lists))
    columns = {
        "offsets": write("offsets", [0, *itertools.accumulate(map(len, edges.lists))], len(all_edges)),
        "neighbors": write("neighbors", [n.row for n in all_edges], num_found),
    }
    if edges.weighted:
        sums = [s for of_row in edges.lists for s in itertools.accumulate(n.weight for n in of_row)]
        columns["weights"] = write("weights", np.array(sums, np.float64).view(np.int64), 0, 64)
    if edges.numbered:
        numbers = [n.edge for n in all_edges]
        columns["edge_ids"] = write("edge_ids", numbers, max(numbers, default=0) + 1)
    return columns
