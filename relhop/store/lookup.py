"""Keys to rows, rows to keys, codes to categories: what is read from a store's Parquet files on demand."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from relhop.errors import CorruptStore, SchemaError, nearest
from relhop.sources.columns import weight_of
from relhop.store import sql


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the readers of Parquet raise about a damaged file into CorruptStore; system errors stay."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as error:
        raise CorruptStore(f"{path} is damaged: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise CorruptStore(f"{path} is damaged: {error}") from error


def pkey_of(table: str, pkey: tuple[str, ...]) -> tuple[str, ...]:
    """The primary key's columns.

    Raises:
        SchemaError: If there are none.
    """
    if not pkey:
        raise SchemaError(f"table '{table}' has no primary key, so its rows have no keys")
    return pkey


def key_table(table: str, pkey: tuple[str, ...], keys: Sequence[Any] | pd.DataFrame | pa.Table) -> pa.Table:
    """Keys as users give them, as an Arrow table with the primary key's columns.

    Raises:
        SchemaError: If the table has no primary key, a column is missing, or keys are of mixed types or
        lengths.
    """
    pkey_of(table, pkey)
    if isinstance(keys, (pd.DataFrame, pa.Table)):
        columns = list(keys.columns if isinstance(keys, pd.DataFrame) else keys.column_names)
        for column in pkey:
            if column not in columns:
                raise SchemaError(
                    f"the keys of table '{table}' need the column '{column}', which is not among"
                    f" {', '.join(map(repr, columns))}.{nearest(column, map(str, columns))}"
                )
        if isinstance(keys, pa.Table):
            return keys.select(list(pkey))
    try:
        if isinstance(keys, pd.DataFrame):
            return pa.Table.from_pandas(keys[list(pkey)], preserve_index=False)
        if len(pkey) == 1:
            return pa.table({pkey[0]: pa.array(keys, from_pandas=True)})
        by_column = list(zip(*keys, strict=True)) or [()] * len(pkey)
        return pa.table({c: pa.array(v, from_pandas=True) for c, v in zip(pkey, by_column, strict=True)})
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        shape = "single values" if len(pkey) == 1 else f"tuples ({', '.join(pkey)})"
        raise SchemaError(f"keys of table '{table}' must be {shape} of one type each: {error}") from None


def rows_of(connection: duckdb.DuckDBPyConnection, columns: str, wanted: pa.Table) -> npt.NDArray[np.int64]:
    """The first row of each key of `wanted`, -1 where there is none; `columns` is the relation to look in."""
    pkey = wanted.column_names
    given = [f"k{i}" for i in range(len(pkey))]
    connection.register(
        "wanted", wanted.rename_columns(given).append_column("n", pa.array(np.arange(len(wanted))))
    )
    stored = connection.sql(f"SELECT {sql.names(pkey)} FROM {columns} LIMIT 0")
    asked = connection.sql(f"SELECT {sql.names(given)} FROM wanted LIMIT 0")
    types = [(str(a), str(b)) for a, b in zip(asked.types, stored.types, strict=True)]
    same = sql.keys_equal([f"w.{k}" for k in given], ["t." + sql.name(c) for c in pkey], types)
    try:
        found = connection.execute(
            f"SELECT w.n, min(t._rh_row) FROM wanted w JOIN {columns} t ON {same} GROUP BY w.n"
        ).fetchnumpy()
    except (duckdb.BinderException, duckdb.ConversionException) as error:
        raise SchemaError(f"the keys cannot be compared with ({', '.join(pkey)}): {error}") from None
    rows = np.full(len(wanted), -1, np.int64)
    positions, values = found.values()
    rows[np.asarray(positions, np.int64)] = np.asarray(values, np.int64)
    return rows


def weights(connection: duckdb.DuckDBPyConnection, path: Path, column: str) -> npt.NDArray[np.float64]:
    """The weight of each row of a columns.parquet, null as 0; mapped from a nameless file.

    Raises:
        CorruptStore: If the file is damaged.
    """
    with reading(path), tempfile.TemporaryFile() as file:
        found = connection.sql(f"SELECT coalesce({weight_of(column)}, 0) FROM {sql.parquet(path)}")
        for batch in found.to_arrow_reader(1 << 17):
            file.write(batch.column(0).to_numpy().data)
        size = file.tell()
        file.flush()
        return np.memmap(file, np.float64, mode="r") if size else np.empty(0)


def keys_of(
    connection: duckdb.DuckDBPyConnection, columns: str, pkey: tuple[str, ...], rows: npt.NDArray[np.int64]
) -> pa.Table:
    """The key's columns of `rows`, in their order."""
    connection.register("wanted", pa.table({"row": rows, "n": np.arange(len(rows))}))
    return connection.sql(
        f"SELECT {sql.names(pkey, 't.')} FROM wanted w JOIN {columns} t ON t._rh_row = w.row ORDER BY w.n"
    ).to_arrow_table()


def categories(path: Path, column: str) -> list[str]:
    """The values of a categorical column, by code.

    Raises:
        CorruptStore: If the file cannot be read or its codes are not 0, 1, 2, …
    """
    with reading(path):
        table = pq.read_table(path, columns=["column", "code", "value"], partitioning=None)
        mine = table.filter(pc.equal(table["column"], column))
        codes = mine["code"].to_numpy()
        values: list[str] = mine["value"].to_pylist()
    if not np.array_equal(codes, np.arange(len(mine))):
        raise CorruptStore(f"{path} is damaged: the codes of column '{column}' are not 0 to {len(mine) - 1}")
    return values
