"""The step of a build that writes the attributes of edges: arrays as they are, and the numbers of other
sources.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial

import numpy as np

from relhop.dtypes import NUMPY_DTYPES
from relhop.edge_table import EdgeTable
from relhop.sources.array_columns import ArrayColumn
from relhop.sources.columns import is_number
from relhop.store import layout, sql
from relhop.store.attributes import as_bytes
from relhop.store.copying import copy_array
from relhop.store.manifest import AttributeEntry
from relhop.store.records import RecordWriter
from relhop.store.tables import Build

_KEPT = {
    "DOUBLE": "float64",
    "FLOAT": "float32",
    "BIGINT": "int64",
    "INTEGER": "int32",
    "SMALLINT": "int16",
    "TINYINT": "int8",
    "UINTEGER": "int64",
    "USMALLINT": "int32",
    "UTINYINT": "uint8",
    "BOOLEAN": "bool",
}
"""The dtype of a column's numbers by its DuckDB type; of other numbers, and of those with nulls, float64."""


def copy_arrays(
    build: Build, edges: EdgeTable, columns: Mapping[str, ArrayColumn], rows: int
) -> dict[str, AttributeEntry]:
    """Writes arrays with a row for each of the edges, which are written.

    Raises:
        SourceError: If an array has not a row for each, or cannot be read.
    """
    file, timed = partial(layout.edge_file, edges.name), edges.time_col is not None
    return {
        name: copy_array(
            build, f"edge table '{edges.name}', column '{name}'", name, column, file, rows, timed
        )
        for name, column in columns.items()
    }


def write_numbers(build: Build, edges: EdgeTable) -> dict[str, AttributeEntry]:
    """Writes the columns of columns.parquet that hold numbers; null is NaN."""
    source = sql.parquet(build.file(layout.edge_file(edges.name, "columns.parquet")))
    types = {
        column: kind
        for column, kind in build.types(source).items()
        if not column.startswith(layout.RESERVED_PREFIX) and (is_number(kind) or kind == "BOOLEAN")
    }
    if not types:
        return {}
    counts = ", ".join(f"count(*) - count({sql.name(column)})" for column in types)
    [nulls] = build.connection.execute(f"SELECT {counts} FROM {source}").fetchall()
    dtypes = {}
    for (column, kind), missing in zip(types.items(), nulls, strict=True):
        kept = _KEPT.get(kind, "float64")
        dtypes[column] = "float64" if missing and not kept.startswith("float") else kept
    selected = [
        f"coalesce(CAST({sql.name(column)} AS DOUBLE), 'nan')" if dtype == "float64" else sql.name(column)
        for column, dtype in dtypes.items()
    ]
    with contextlib.ExitStack() as stack:
        paths = [
            [build.file(layout.edge_file(edges.name, file)) for file in layout.attribute_files(name)]
            for name in dtypes
        ]
        writers = [stack.enter_context(RecordWriter(*written)) for written in paths]
        for batch in build.stream(f"SELECT {', '.join(selected)} FROM {source}"):
            for writer, dtype, values in zip(writers, dtypes.values(), batch, strict=True):
                writer.write(as_bytes(np.ascontiguousarray(values.astype(NUMPY_DTYPES[dtype]))))
    return {name: AttributeEntry(dtype=dtype, shape=[]) for name, dtype in dtypes.items()}
