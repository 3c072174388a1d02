"""Databases of Kùzu, or of Ladybug, which continues it: read through their own Python packages.

Knows what a database holds by its `show_tables`, `table_info` and `show_connection`.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from relhop.edge_table import EdgeTable
from relhop.errors import SourceError
from relhop.schema import Table
from relhop.sources.array_columns import Array, ArrayColumn, dense
from relhop.sources.arrays import ArraySource
from relhop.sources.numbered import edge_table_names
from relhop.sources.quoting import first_line
from relhop.sources.spooled import spooled

_PACKAGES = ("kuzu", "ladybug")
_DTYPES = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "INT64": "int64",
    "INT32": "int32",
    "INT16": "int16",
    "INT8": "int8",
    "UINT8": "uint8",
}
_VECTOR = re.compile(rf"({'|'.join(_DTYPES)})\[(\d+)\]")
_CHUNK_ROWS = 1 << 16
_PIECE_BYTES = 64 << 20


def tables_of_kuzu(
    path: str | os.PathLike[str],
) -> tuple[list[Table], list[EdgeTable], list[tuple[str, str]]]:
    """The tables and edge tables of a database, and the columns (table, column) that neither can hold.

    Args:
        path: The database: a folder, or a file as newer versions write it.

    Raises:
        SourceError: If no package for it is installed, or it cannot be read.
    """
    connection = _connect(Path(path).absolute())
    try:
        return _read(connection)
    except RuntimeError as error:
        raise SourceError(f"{path} cannot be read: {first_line(error)}") from error


def _connect(path: Path) -> Any:
    if not path.exists():
        raise SourceError(f"there is no database at {path}")
    problems = []
    for package in _PACKAGES:
        try:
            module = importlib.import_module(package)
        except ImportError:
            continue
        try:
            return module.Connection(module.Database(str(path), read_only=True))
        except RuntimeError as error:
            problems.append(f"{package}: {first_line(error)}")
    if problems:
        raise SourceError(
            f"{path} cannot be opened: {'; '.join(problems)}; install the version that wrote it"
        )
    raise SourceError(
        f'to read {path}, install the package of the database: pip install "relhop[kuzu]" for Kùzu, in the'
        " version that wrote it, or pip install ladybug for Ladybug"
    )


def _read(connection: Any) -> tuple[list[Table], list[EdgeTable], list[tuple[str, str]]]:
    left_out: list[tuple[str, str]] = []
    shown = _rows(connection, "CALL show_tables() RETURN *")
    kinds = {row["name"]: row["type"] for row in sorted(shown, key=lambda row: str(row["name"]))}
    tables, keys = [], {}
    for name in (name for name, kind in kinds.items() if kind == "NODE"):
        properties = _rows(connection, f"CALL table_info({_text(name)}) RETURN *")
        [keys[name]] = [row["name"] for row in properties if row["primary key"]]
        vectors = {row["name"]: kind for row in properties if (kind := _VECTOR.fullmatch(row["type"]))}
        scalars = [row["name"] for row in properties if row["name"] not in vectors]
        source, kept = _nodes(connection, name, scalars, vectors)
        left_out += [(name, column) for column in scalars if column not in kept]
        tables.append(Table(name, source=source, pkey_col=keys[name]))
    sources = {}
    for name in (name for name, kind in kinds.items() if kind == "REL"):
        columns = [row["name"] for row in _rows(connection, f"CALL table_info({_text(name)}) RETURN *")]
        for row in _rows(connection, f"CALL show_connection({_text(name)}) RETURN *"):
            src, dst = row["source table name"], row["destination table name"]
            found = _edges(connection, (src, name, dst), (keys[src], keys[dst]), columns)
            sources[src, name, dst] = _plain(found)
            kept = sources[src, name, dst].column_names
            left_out += [(name, column) for column in columns if column not in kept]
    names = edge_table_names(list(sources), tables)
    edges = [
        EdgeTable(name, src=src, dst=dst, source=source, relation=relation)
        for name, ((src, relation, dst), source) in zip(names, sources.items(), strict=True)
    ]
    return tables, edges, list(dict.fromkeys(left_out))


def _nodes(
    connection: Any, name: str, scalars: list[str], vectors: dict[str, re.Match[str]]
) -> tuple[ArraySource, list[str]]:
    """The source of a node table, and its columns with one value a row."""
    wanted = ", ".join(f"n.{_quoted(column)} AS {_quoted(column)}" for column in scalars)
    order = "ORDER BY offset(id(n))"
    plain = _plain(_arrow(connection, f"MATCH (n:{_quoted(name)}) RETURN {wanted} {order}"))
    columns: dict[str, ArrayColumn] = {}
    for column in plain.column_names:
        values = plain.column(column)
        is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        if (is_number or pa.types.is_boolean(values.type)) and not values.null_count:
            columns[column] = dense(values.to_numpy(), f"table '{name}', column '{column}'")
    for column, kind in vectors.items():
        name_of_dtype, width = kind.groups()
        dtype = np.dtype(_DTYPES[name_of_dtype])
        array = spooled(_pieces(connection, name, column, dtype, int(width)), dtype).reshape(-1, int(width))
        columns[column] = dense(array, f"table '{name}', column '{column}'")
    return ArraySource(columns, plain.num_rows, plain), plain.column_names


def _pieces(connection: Any, table: str, column: str, dtype: np.dtype[Any], width: int) -> Iterator[Array]:
    """The vectors of all nodes, some at a time."""
    match = f"MATCH (n:{_quoted(table)})"
    [[last]] = [row.values() for row in _rows(connection, f"{match} RETURN max(offset(id(n)))")]
    step = max(1, _PIECE_BYTES // (dtype.itemsize * width))
    for begin in range(0, 0 if last is None else last + 1, step):
        part = f"WHERE offset(id(n)) >= {begin} AND offset(id(n)) < {begin + step}"
        value, order = f"n.{_quoted(column)}", "ORDER BY offset(id(n))"
        # Kùzu 0.3 cannot hand over vectors of which some are null.
        there = _arrow(connection, f"{match} {part} RETURN {value} IS NOT NULL AS v {order}").column("v")
        is_there = there.to_numpy().astype(bool)
        if dtype.kind != "f" and not is_there.all():
            raise SourceError(f"table '{table}', column '{column}' has nulls, which {dtype} cannot hold")
        rows = np.full((len(is_there), width), np.nan if dtype.kind == "f" else 0, dtype)
        found = _arrow(connection, f"{match} {part} AND {value} IS NOT NULL RETURN {value} AS v {order}")
        rows[is_there] = found.column("v").combine_chunks().flatten().to_numpy().reshape(-1, width)
        yield rows


def _edges(
    connection: Any, edge_type: tuple[str, str, str], keys: tuple[str, str], columns: list[str]
) -> pa.Table:
    """The keys of both ends, then the columns."""
    src, relation, dst = map(_quoted, edge_type)
    ends = []
    for name in ("src", "dst"):
        while name in columns:
            name = f"_{name}"
        ends.append(name)
    wanted = [f"{n}.{_quoted(key)} AS {_quoted(end)}" for n, key, end in zip("ab", keys, ends, strict=True)]
    wanted += [f"r.{_quoted(column)} AS {_quoted(column)}" for column in columns]
    match = f"MATCH (a:{src})-[r:{relation}]->(b:{dst})"
    return _arrow(connection, f"{match} RETURN {', '.join(wanted)} ORDER BY offset(id(r))")


def _plain(table: pa.Table) -> pa.Table:
    """The columns that are not nested."""
    return table.select([field.name for field in table.schema if not pa.types.is_nested(field.type)])


def _rows(connection: Any, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _arrow(connection, query).to_pylist()
    return found


def _arrow(connection: Any, query: str) -> pa.Table:
    return connection.execute(query).get_as_arrow(_CHUNK_ROWS)


def _quoted(name: str) -> str:
    return f"`{name}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
