"""The ends of an edge table as rows of their tables: found by key, or by position in the input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop._native import PackedRows, width_of
from relhop.edge_table import EdgeTable
from relhop.errors import SourceError
from relhop.sources.columns import INTEGERS
from relhop.store import layout, sql
from relhop.store.links import parents_of
from relhop.store.order import scatter_memory
from relhop.store.packed import PackedColumn, PackedWriter
from relhop.store.presample import mapped
from relhop.store.scatter import Scatter
from relhop.store.tables import ORDER_COLUMN, Build

Numbers: TypeAlias = npt.NDArray[np.integer[Any]]

_NULL, _DANGLING = -1, -2
_NO_NUMBER = np.iinfo(np.int64).min  # Stands for null among positions.
_CHUNK_ROWS = 1 << 20
_READABLE = ("<i4", "<i8", "<u4", "<u8")
"""What native code reads as it lies, strides included."""


@dataclass(frozen=True)
class Ends:
    """The rows that edges connect, in the order of the edges.

    Attributes:
        src: [rows]; -1 where the edge is left out.
        dst: [rows]; -1 at the same places.
        nulls: Edges with an end that is null.
        dangling: Edges with an end that no row has, and none that is null.
    """

    src: Numbers
    dst: Numbers
    nulls: int = 0
    dangling: int = 0


def find_ends(build: Build, edges: EdgeTable, relation: str) -> Ends:
    """The ends of edges that are selected from `relation`, which has `_rh_row` where keys must be joined.

    Raises:
        SourceError: If an end should be a position and is no integer.
    """
    paths = {end: build.scratch_file(end, edges.name) for end in ("src", "dst")}
    with contextlib.ExitStack() as stack:
        files = {end: stack.enter_context(path.open("wb")) for end, path in paths.items()}
        positions = {end: end_of(edges, end) for end in paths if is_position(build, edges, end, relation)}
        values = [
            f"coalesce(TRY_CAST({sql.name(column)} AS BIGINT), {_NO_NUMBER})"
            for column, _ in positions.values()
        ]
        rows_at = {end: _rows_at(build, table) for end, (_, table) in positions.items()}
        for batch in build.stream(f"SELECT {', '.join(values)} FROM {relation}") if positions else ():
            for end, numbers in zip(positions, batch, strict=True):
                files[end].write(rows_at[end](numbers.astype(np.int64)).data)
        for end in paths.keys() - positions.keys():
            column, table = end_of(edges, end)
            joined = parents_of(build, relation, [column], table)
            found = f"CASE WHEN is_null THEN {_NULL} ELSE coalesce(parent, {_DANGLING}) END"
            for (rows,) in build.stream(f"SELECT {found} FROM ({joined}) ORDER BY child"):
                files[end].write(rows.astype(np.int64).data)
    return _settled(paths["src"], paths["dst"])


def ends_of_arrays(build: Build, edges: EdgeTable, src: Numbers, dst: Numbers) -> Ends:
    """The ends of edges from arrays of positions. Arrays that need no change are taken as they are."""
    arrays = {"src": src, "dst": dst}
    numbers = {end: build.rows[end_of(edges, end)[1]] for end in arrays}
    if all(
        array.dtype in _READABLE
        and build.schema.table(end_of(edges, end)[1]).time_col is None
        and _all_below(array, numbers[end])
        for end, array in arrays.items()
    ):
        return Ends(src, dst)
    paths = {end: build.scratch_file(end, edges.name) for end in arrays}
    for end, array in arrays.items():
        rows_at = _rows_at(build, end_of(edges, end)[1])
        with paths[end].open("wb") as file:
            for begin in range(0, len(array), _CHUNK_ROWS):
                file.write(rows_at(array[begin : begin + _CHUNK_ROWS].astype(np.int64)).data)
    return _settled(paths["src"], paths["dst"])


def end_of(edges: EdgeTable, end: str) -> tuple[str, str]:
    """The column of an end, "src" or "dst", and its table."""
    column, table = (edges.src_col, edges.src) if end == "src" else (edges.dst_col, edges.dst)
    assert column is not None, "the edge table is resolved"
    return column, table


def is_position(build: Build, edges: EdgeTable, end: str, relation: str) -> bool:
    """Whether the values of an end are positions in the input of its table: it has no key, or they are the
    key.

    Raises:
        SourceError: If they should be and are no integers.
    """
    column, table = end_of(edges, end)
    kind = build.types(relation)[column]
    if build.schema.table(table).pkey:
        return kind in INTEGERS and key_is_position(build, table)
    if kind not in INTEGERS:
        raise SourceError(
            f"edge table '{edges.name}': the column '{column}' has type {kind}, but '{table}' has no primary"
            " key, so ends in it are positions, which are integers; name its key in pkey_col"
        )
    return True


def key_is_position(build: Build, table: str) -> bool:
    """Whether the primary key of each row is its position in the input, so that there is nothing to join."""
    if table not in build.keys_are_positions:
        build.keys_are_positions[table] = _is_key_position(build, table)
    return build.keys_are_positions[table]


def _is_key_position(build: Build, table: str) -> bool:
    (key,) = build.schema.table(table).pkey
    rows = sql.parquet(build.scratch_file("sorted", table))
    types = build.types(rows)
    if types[key] not in INTEGERS:
        return False
    place = ORDER_COLUMN if ORDER_COLUMN in types else layout.ROW_COLUMN
    query = f"SELECT count(*) FILTER (coalesce({sql.name(key)} != {place}, true)) FROM {rows}"
    [(others,)] = build.connection.execute(query).fetchall()
    return bool(others == 0)


def _rows_at(build: Build, table: str) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
    """From positions in a table's input to rows; a position that it does not have gives `_DANGLING`."""
    count = build.rows[table]
    places = None if build.schema.table(table).time_col is None else _rows_by_position(build, table)

    def rows(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        there = (positions >= 0) & (positions < count)
        if places is None:
            found = np.where(there, positions, _DANGLING)
        else:
            found = np.full(len(positions), _DANGLING, np.int64)
            found[there] = places.take(positions[there])
        found[positions == _NO_NUMBER] = _NULL
        return found

    return rows


def _rows_by_position(build: Build, table: str) -> PackedRows:
    """The inverse of a timed table's order, mapped."""
    count, width = build.rows[table], width_of(build.rows[table])
    path = build.scratch_file("positions", table)
    if not path.exists():
        order = PackedColumn(
            PackedRows(mapped(build.file(layout.table_file(table, "order.bin"))), count, width)
        )
        with (
            Scatter(count, 8, build.scratch, scatter_memory(build)) as scatter,
            PackedWriter(path, width) as rows,
        ):
            for begin in range(0, count, _CHUNK_ROWS):
                places = order[begin : begin + _CHUNK_ROWS]
                numbers = np.arange(begin, begin + len(places))
                scatter.add(places, numbers.view(np.uint8).reshape(-1, 8))
            for piece in scatter.pieces():
                rows.write(piece.reshape(-1).view(np.int64))
    return PackedRows(mapped(path), count, width)


def _all_below(numbers: Numbers, count: int) -> bool:
    for begin in range(0, len(numbers), _CHUNK_ROWS):
        part = numbers[begin : begin + _CHUNK_ROWS]
        if part.min() < 0 or part.max() >= count:
            return False
    return True


def _settled(src_path: Path, dst_path: Path) -> Ends:
    """Counts the edges that lack an end, and takes both ends from them."""
    src, dst = (
        np.memmap(path, np.int64, mode="r+") if path.stat().st_size else np.empty(0, np.int64)
        for path in (src_path, dst_path)
    )
    for path in (src_path, dst_path):
        path.unlink()
    nulls = missing = 0
    for begin in range(0, len(src), _CHUNK_ROWS):
        part = slice(begin, begin + _CHUNK_ROWS)
        without = (src[part] < 0) | (dst[part] < 0)
        missing += int(np.count_nonzero(without))
        nulls += int(np.count_nonzero((src[part] == _NULL) | (dst[part] == _NULL)))
        src[part][without] = dst[part][without] = -1
    return Ends(src, dst, nulls, missing - nulls)
