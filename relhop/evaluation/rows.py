"""Rows of a store, as people know them: their columns and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from relhop.sources.quoting import quoted
from relhop.store.reader import Store

_LONGEST_VALUE = 60


def columns_of_rows(
    store: Store, table: str, rows: NDArray[np.int64], columns: Sequence[str]
) -> pd.DataFrame:
    """Columns of rows [n] of a table, which may repeat, in their order."""
    chosen = ", ".join(f"t.{quoted(column)}" for column in dict.fromkeys(columns))
    if not chosen:
        return pd.DataFrame(index=range(len(rows)))
    with closing(store.connect()) as connection:
        connection.register("wanted", pa.table({"row": rows, "n": np.arange(len(rows))}))
        found: pd.DataFrame = connection.sql(
            f"SELECT {chosen} FROM wanted w LEFT JOIN {quoted(table)} t ON t._rh_row = w.row ORDER BY w.n"
        ).df()
    return found


def key_text(table: str, pkey: Sequence[str], record: Mapping[Any, Any], row: int) -> str:
    """A row in words: its table and key, or its number where there is none."""
    if not pkey:
        return f"{table} row {row}"
    return f"{table} {', '.join(str(record[column]) for column in pkey)}"


def value_text(value: Any) -> str:
    """A value in words; long ones are cut."""
    if isinstance(value, list | tuple | np.ndarray):
        text = " ".join(map(str, value))
    elif pd.isna(value):
        text = "missing"
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
