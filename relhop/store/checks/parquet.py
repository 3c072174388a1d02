"""Whether a Parquet file has the rows that it should, and the store's own columns in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from relhop.errors import CorruptStore
from relhop.store import layout, lookup
from relhop.store.checks.common import CHUNK_ROWS, same
from relhop.store.stored import Rows, Times
from relhop.times import NULL_TIME


def check_footer(path: Path, rows: int) -> None:
    """The footer of a Parquet file says that it has so many rows."""
    with lookup.reading(path):
        found = pq.read_metadata(path).num_rows
    if found != rows:
        raise CorruptStore(f"{path} has {found} rows, not {rows}")


def check_own_columns(
    path: Path, rows: int, expected: Mapping[str, Times | Rows | npt.NDArray[np.int64]]
) -> None:
    """A columns.parquet numbers its rows, and has what is expected in the columns named; null is NULL_TIME or
    -1.
    """
    start = 0
    with lookup.reading(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(CHUNK_ROWS, columns=[layout.ROW_COLUMN, *expected]):
            part = slice(start, start + len(batch))
            same(path, "its columns", batch.schema.names, [layout.ROW_COLUMN, *expected])
            check_column(path, layout.ROW_COLUMN, batch, np.arange(part.start, part.stop), null=-1)
            for column, stored in expected.items():
                null = NULL_TIME if column == layout.TIME_COLUMN else -1
                check_column(path, column, batch, stored[part], null)
            start = part.stop
    same(path, "the number of its rows", start, rows)


def check_column(
    path: Path, column: str, batch: pa.RecordBatch, wanted: npt.NDArray[np.int64], null: int
) -> None:
    """Compares a column with an array in which `null` stands for null."""
    values = batch.column(batch.schema.get_field_index(column)).cast(pa.int64())
    nulls = values.is_null().to_numpy(zero_copy_only=False)
    plain = values.fill_null(0).to_numpy(zero_copy_only=False)
    if not np.array_equal(nulls, wanted == null) or np.any(plain[~nulls] != wanted[~nulls]):
        raise CorruptStore(f"{path}: column {column} contradicts the store's arrays")
