"""Columns of the entities that say something of examples: which split they are in, how much they weigh."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relhop.errors import TrainingError, nearest
from relhop.sources.quoting import quoted
from relhop.training_table import PREDICTION, SPLIT_NAMES


def split_of_rows(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> NDArray[np.int8]:
    """The split that a column names for each row (`train`, `val` or `test`); PREDICTION where it names none.

    Raises:
        TrainingError: If there is no such column.
    """
    cases = " ".join(f"WHEN '{name}' THEN {code}" for name, code in SPLIT_NAMES.items())
    value = f"CASE CAST({_column(connection, table, column)} AS VARCHAR) {cases} ELSE {PREDICTION} END"
    codes: NDArray[np.int8] = _values(connection, table, f"CAST({value} AS TINYINT)").to_numpy()
    return codes


def weight_of_rows(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> NDArray[np.float32]:
    """A column of numbers as weights; NaN where there is none.

    Raises:
        TrainingError: If there is no such column, or it holds no numbers.
    """
    value = f"CAST({_column(connection, table, column)} AS FLOAT)"
    try:
        found = _values(connection, table, value)
    except duckdb.ConversionException:
        raise TrainingError(f"the weights in {table}.{column} must be numbers") from None
    weights: NDArray[np.float32] = found.to_numpy(zero_copy_only=False)
    return weights


def _column(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> str:
    known = [str(row[0]) for row in connection.execute(f"DESCRIBE {quoted(table)}").fetchall()]
    name = column.removeprefix(f"{table}.")
    if name not in known:
        raise TrainingError(f"table '{table}' has no column '{name}'.{nearest(name, known)}")
    return quoted(name)


def _values(connection: duckdb.DuckDBPyConnection, table: str, value: str) -> pa.Array:
    statement = f"SELECT {value} AS value FROM {quoted(table)} ORDER BY _rh_row"
    return connection.sql(statement).to_arrow_table()["value"].combine_chunks()
