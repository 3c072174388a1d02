"""The step of a build that writes edge tables: edges in their order, and the lists of who is connected to
whom.

Edges without a time keep the order of the input. Edges with one are rows in the order of their visible time:
the latest of their own time and those of their ends. So what an anchor may see of a list is a prefix of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from relhop._native import ListFiles
from relhop.edge_table import EdgeTable
from relhop.errors import SchemaError
from relhop.sources.array_columns import ArrayColumn
from relhop.store import layout, sql
from relhop.store.edge_attributes import copy_arrays, write_numbers
from relhop.store.ends import Ends, end_of, ends_of_arrays, find_ends, is_position
from relhop.store.lists import mapped_and_gone, read_weights, write_lists
from relhop.store.manifest import AttributeEntry, EdgeTableEntry
from relhop.store.presample import times_of
from relhop.store.tables import (
    ORDER_COLUMN,
    Build,
    finite_time,
    need_columns,
    need_numbers,
    need_times,
    refuse_own_names,
    write_times,
)
from relhop.times import NULL_TIME

_ENDS, _VISIBLE = "_rh_ends", "_rh_visible"


def write_edges(
    build: Build,
    edges: EdgeTable,
    arrays: Mapping[str, ArrayColumn],
    ends_given: tuple[ArrayColumn, ArrayColumn] | None,
) -> None:
    """Writes all files of an edge table.

    Args:
        build: The store; its tables' rows are sorted.
        edges: The edge table.
        arrays: Those of its columns that are kept as they are.
        ends_given: Its ends, where its source has arrays.

    Raises:
        SchemaError: If it lacks a column, or one is named like the store's own.
        SourceError: If a column is not of the type that its role needs, or a weight is none.
    """
    relation = sql.name(edges.name)
    types = build.types(relation)
    _check_columns(edges, types)
    others = [column for column in types if column not in (edges.src_col, edges.dst_col)]
    if edges.edge_ids is False and (others or arrays):
        raise SchemaError(
            f"edge table '{edges.name}' has the column '{[*others, *arrays][0]}', which needs edge_ids; leave"
            " one of them out"
        )
    by_position = all(is_position(build, edges, end, relation) for end in ("src", "dst"))
    if ends_given is not None and by_position:
        if others:
            relation = _copied(build, edges, sql.names(others), relation)
        ends = ends_of_arrays(build, edges, *(end.read(slice(None)) for end in ends_given))
    else:
        if others or not by_position:
            relation = _copied(build, edges, "*", relation)
        ends = find_ends(build, edges, relation)
    null_times = delayed = null_weights = 0
    place = layout.ROW_COLUMN
    if edges.time_col is not None:
        relation, ends, null_times, delayed = _sort(build, edges, edges.time_col, relation, others, ends)
        place = ORDER_COLUMN
    if others:
        _write_columns(build, edges, relation, others, ends)
    weights = None
    if edges.weight_col is not None:
        where = f"edge table '{edges.name}', column '{edges.weight_col}'"
        weights, null_weights = read_weights(build, where, relation, edges.weight_col, place)
    has_ids = bool(edges.edge_ids or others or arrays)
    build.edge_tables[edges.name] = EdgeTableEntry(
        rows=len(ends.src),
        edges=_write_lists(build, edges, ends, weights, has_ids),
        nulls=ends.nulls,
        dangling=ends.dangling,
        null_times=null_times,
        delayed=delayed,
        null_weights=null_weights,
        edge_ids=has_ids,
        columns=bool(others),
        attributes=_write_attributes(build, edges, arrays, len(ends.src)) if others or arrays else {},
    )


def _check_columns(edges: EdgeTable, types: dict[str, str]) -> None:
    what = f"edge table '{edges.name}'"
    used = [end_of(edges, "src")[0], end_of(edges, "dst")[0], edges.time_col, edges.weight_col]
    need_columns(what, [column for column in used if column is not None], types)
    refuse_own_names(what, types)
    if edges.time_col is not None:
        need_times(what, edges.time_col, types)
    if edges.weight_col is not None:
        need_numbers(what, edges.weight_col, "the weight", types)


def _write_attributes(
    build: Build, edges: EdgeTable, arrays: Mapping[str, ArrayColumn], rows: int
) -> dict[str, AttributeEntry]:
    return copy_arrays(build, edges, arrays, rows) if arrays else write_numbers(build, edges)


def _copied(build: Build, edges: EdgeTable, columns: str, relation: str) -> str:
    """Reads a source once; returns what to select from instead, with `_rh_row`."""
    path = build.scratch_file("edges", edges.name)
    numbered = f"SELECT {columns}, row_number() OVER () - 1 AS {layout.ROW_COLUMN} FROM {relation}"
    build.copy(numbered, path)
    return sql.parquet(path)


def _sort(
    build: Build, edges: EdgeTable, time_col: str, relation: str, others: list[str], ends: Ends
) -> tuple[str, Ends, int, int]:
    """Brings edges to the order of (visible time, position), and writes their times and order.

    Returns:
        The edges in that order to select from, their ends, and how many are never and later visible than
        their own time says.
    """
    visible, delayed = _visible_times(build, edges, time_col, relation, ends)
    path = build.scratch_file("sorted", edges.name)
    with _registered(build, ends, visible):
        selected = f"{sql.names(others, 'p.')}, p._rh_row AS {ORDER_COLUMN}, e.*"
        joined = f"SELECT {selected} FROM {relation} p POSITIONAL JOIN {_ENDS} e"
        ordered = f"SELECT * FROM ({joined}) ORDER BY {_VISIBLE}, {ORDER_COLUMN}"
        build.copy(f"SELECT *, row_number() OVER () - 1 AS _rh_row FROM ({ordered})", path)
    build.scratch_file("edges", edges.name).unlink()
    sorted_edges = sql.parquet(path)
    query = f"SELECT {_VISIBLE}, {ORDER_COLUMN} FROM {sorted_edges}"
    nulls = write_times(build, lambda file: layout.edge_file(edges.name, file), len(ends.src), query)
    src, dst = (build.scratch_file(end, edges.name) for end in ("src", "dst"))
    with src.open("wb") as sources, dst.open("wb") as targets:
        for source, target in build.stream(
            f"SELECT {layout.SRC_COLUMN}, {layout.DST_COLUMN} FROM {sorted_edges}"
        ):
            sources.write(source.data)
            targets.write(target.data)
    arranged = dataclasses.replace(
        ends, src=mapped_and_gone(src, np.int64), dst=mapped_and_gone(dst, np.int64)
    )
    return sorted_edges, arranged, nulls, delayed


def _visible_times(
    build: Build, edges: EdgeTable, time_col: str, relation: str, ends: Ends
) -> tuple[npt.NDArray[np.int64], int]:
    """When each edge is first visible, NULL_TIME for never; and how many of the others had to wait for an
    end.
    """
    of_ends = [
        (times_of(build, table), rows)
        for table, rows in ((edges.src, ends.src), (edges.dst, ends.dst))
        if build.schema.table(table).time_col is not None
    ]
    path = build.scratch_file("visible", edges.name)
    delayed = begin = 0
    with path.open("wb") as file:
        for (own,) in build.stream(
            f"SELECT coalesce(epoch_us({finite_time(time_col)}), {NULL_TIME}) FROM {relation}"
        ):
            part = slice(begin, begin + len(own))
            there = ends.src[part] >= 0
            visible = np.where(there, own.astype(np.int64), NULL_TIME)
            for times, rows in of_ends:
                visible[there] = np.maximum(visible[there], times.take(rows[part][there].astype(np.int64)))
            delayed += int(np.count_nonzero((visible > own) & (visible != NULL_TIME)))
            file.write(visible.data)
            begin = part.stop
    return mapped_and_gone(path, np.int64), delayed


@contextlib.contextmanager
def _registered(build: Build, ends: Ends, visible: npt.NDArray[np.int64] | None = None) -> Iterator[None]:
    """Ends, and times, as the relation `_ENDS`; copies nothing."""
    columns = {layout.SRC_COLUMN: ends.src, layout.DST_COLUMN: ends.dst}
    if visible is not None:
        columns[_VISIBLE] = visible
    build.connection.register(_ENDS, pa.table({name: pa.array(values) for name, values in columns.items()}))
    try:
        yield
    finally:
        build.connection.unregister(_ENDS)


def _write_columns(build: Build, edges: EdgeTable, relation: str, others: list[str], ends: Ends) -> None:
    """Writes columns.parquet: the user's columns besides the ends, then the store's own."""
    path = build.file(layout.edge_file(edges.name, "columns.parquet"))
    own = [f"nullif({end}, -1) AS {end}" for end in (layout.SRC_COLUMN, layout.DST_COLUMN)]
    selected = ", ".join([sql.names(others), layout.ROW_COLUMN])
    if edges.time_col is not None:
        time = f"CASE WHEN {_VISIBLE} != {NULL_TIME} THEN make_timestamp({_VISIBLE}) END"
        selected += f", {time} AS {layout.TIME_COLUMN}"
        build.copy(f"SELECT {selected}, {', '.join(own)} FROM {relation}", path)
        return
    with _registered(build, ends):
        build.copy(f"SELECT {selected}, {', '.join(own)} FROM {relation} POSITIONAL JOIN {_ENDS}", path)


def _write_lists(
    build: Build, edges: EdgeTable, ends: Ends, weights: npt.NDArray[np.float64] | None, has_ids: bool
) -> int:
    """Writes the lists of each direction; returns the number of edges in them."""
    count = 0
    for folder, owner, listed in layout.directions(edges):

        def file(name: str, folder: str = folder) -> str:
            return str(build.file(layout.edge_file(edges.name, f"{folder}/{name}")))

        targets, sources = (ends.dst, ends.src) if folder == "in" else (ends.src, ends.dst)
        count = write_lists(
            build,
            (targets, build.rows[owner]),
            (sources, build.rows[listed]),
            weights,
            ListFiles(
                offsets=file("offsets.bin"),
                neighbors=file("neighbors.bin"),
                edge_ids=file("edge_ids.bin") if has_ids else None,
                weights=None if weights is None else file("weights.bin"),
            ),
            sort_sources=edges.time_col is None,
        )
    return count
