"""The ends of edges given as one array, as PyG's `edge_index` is: a source with a column for each end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from relhop.errors import SourceError
from relhop.sources.array_columns import Array, ArrayColumn, Which
from relhop.sources.arrays import ArraySource, array_column, array_source

EDGE_INDEX = "edge_index"
"""The name of the array of ends among the columns of a mapping."""

SRC, DST = "src", "dst"
"""The names that its two columns get."""


@dataclass(frozen=True, eq=False)
class EdgeArrays:
    """Edges as the user gives them: an array of ends or its path, or a mapping of arrays that has one."""

    given: Any


def wrapped(source: Any) -> Any:
    """The source of an edge table, marked as arrays of edges if it is one."""
    if isinstance(source, Mapping):
        return EdgeArrays(source)
    if isinstance(source, (str, os.PathLike)):
        name = str(os.fspath(source))
        return EdgeArrays(source) if name.endswith((".npy", ".npz")) or ".npz:" in name else source
    is_array = isinstance(source, (np.ndarray, list)) or hasattr(source, "detach")
    return EdgeArrays(source) if is_array else source


def edge_source(edges: EdgeArrays, name: str) -> ArraySource:
    """The columns of edges: `src`, `dst`, and the mapping's others.

    An array [2, E] or [E, 2] is told by its shape; [2, 2] is [2, E].

    Raises:
        SourceError: If there is no array of ends, it has another shape or dtype, or lengths differ.
    """
    where = f"source '{name}'"
    columns = dict(edges.given) if isinstance(edges.given, Mapping) else {EDGE_INDEX: edges.given}
    if EDGE_INDEX not in columns:
        if isinstance(edges.given, Mapping) and SRC in columns and DST in columns:
            return array_source(columns, name)
        raise SourceError(f"{where} has no '{EDGE_INDEX}', an array [2, E] of the ends of edges")
    for taken in (SRC, DST):
        if taken in columns:
            raise SourceError(f"{where} has '{EDGE_INDEX}' and a column '{taken}'; rename the column")
    ends = _ends(array_column(columns.pop(EDGE_INDEX), f"{where}, '{EDGE_INDEX}'"), where)
    if not columns:
        return ArraySource(ends, ends[SRC].num_rows)
    others = array_source(columns, name)
    if others.num_rows != ends[SRC].num_rows:
        raise SourceError(
            f"{where}: '{EDGE_INDEX}' has {ends[SRC].num_rows} edges, '{next(iter(others.columns))}'"
            f" {others.num_rows} rows; the arrays of edges are of one length"
        )
    return ArraySource(ends | dict(others.columns), others.num_rows)


def _ends(index: ArrayColumn, where: str) -> dict[str, ArrayColumn]:
    shape = (index.num_rows, *index.shape)
    whole = index.read(slice(None))
    if whole.dtype.kind not in "iu":
        raise SourceError(f"{where}: '{EDGE_INDEX}' holds {whole.dtype}; the ends of edges are integers")
    if len(shape) != 2 or 2 not in shape:
        raise SourceError(f"{where}: '{EDGE_INDEX}' has the shape {list(shape)}, not [2, E] or [E, 2]")
    by_end = whole if shape[0] == 2 else whole.T
    # Ends are no attributes: they have no dtype that tensors keep.
    return {
        end: ArrayColumn(None, (), by_end.shape[1], partial(_part, by_end[i]), index.file, index.member)
        for i, end in enumerate((SRC, DST))
    }


def _part(ends: Array, which: Which) -> Array:
    found = ends[which]
    return found.astype(found.dtype.newbyteorder("="), copy=False)
