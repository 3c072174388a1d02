"""A table given as arrays by column: .npy and .npz files, which stay on disk, NumPy arrays, torch tensors."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from relhop.dtypes import float32_of_bfloat16
from relhop.errors import SourceError
from relhop.sources.array_columns import Array, ArrayColumn, dense
from relhop.sources.array_files import read_file
from relhop.sources.spooled import spooled

POSITION_COLUMN = "position"
"""The one ordinary column of a table whose arrays all have rows of several numbers: the row's number."""

_BATCH_ROWS = 1 << 20
_MOST_COPIED = 64 << 20


@dataclass(frozen=True, eq=False)
class ArraySource:
    """A table of arrays.

    Attributes:
        columns: By name.
        num_rows: Of each.
        plain: All columns with one value a row, where these are there as a table.
    """

    columns: Mapping[str, ArrayColumn]
    num_rows: int
    plain: pa.Table | None = None

    @property
    def attributes(self) -> dict[str, ArrayColumn]:
        """The columns that tensors can hold: all but text and times."""
        return {name: column for name, column in self.columns.items() if column.dtype is not None}

    @property
    def tensors(self) -> dict[str, ArrayColumn]:
        """Those that are nothing else, for their rows are of several numbers."""
        return {name: column for name, column in self.columns.items() if column.shape}

    def table(self) -> pa.Table | None:
        """The columns with one value a row; None where there are none. What is mapped is not read."""
        if self.plain is not None:
            return self.plain
        plain = {name: column for name, column in self.columns.items() if not column.shape}
        if not plain:
            return None
        table = pa.table({name: _arrow(name, column) for name, column in plain.items()})
        # DuckDB gives each of its threads batches of their own.
        return pa.Table.from_batches(table.to_batches(_BATCH_ROWS), table.schema)


def array_source(columns: Mapping[Any, Any], name: str) -> ArraySource:
    """A table of arrays as the user gives it.

    Args:
        columns: By name, what `array_column` takes.
        name: The source's name.

    Raises:
        SourceError: If there are none, one cannot be read, or lengths differ.
    """
    where = f"source '{name}'"
    if not columns:
        raise SourceError(f"{where} is an empty mapping; give at least one array")
    found: dict[str, ArrayColumn] = {}
    for title, value in columns.items():
        twin = next((other for other in found if other.lower() == str(title).lower()), None)
        if twin is not None:
            raise SourceError(
                f"{where} has the columns '{twin}' and '{title}'; rename one, for SQL does not tell upper"
                " from lower case"
            )
        found[str(title)] = array_column(value, f"{where}, column '{title}'")
    first, *others = found
    for other in others:
        if found[other].num_rows != found[first].num_rows:
            raise SourceError(
                f"{where}: the column '{first}' has {found[first].num_rows} rows, '{other}'"
                f" {found[other].num_rows}; the arrays of a table are of one length"
            )
    return ArraySource(found, found[first].num_rows)


def array_column(value: Any, where: str) -> ArrayColumn:
    """One array as the user gives it.

    Args:
        value: The path of a .npy file; of a .npz file with one array, with its name behind a colon, or with a
            sparse matrix as scipy saves it; an array, or a torch tensor; or what this made of one.
        where: What errors call it.

    Raises:
        SourceError: If it cannot be read, has no rows, or a dtype that no attribute has.
    """
    if isinstance(value, ArrayColumn):
        return value
    if isinstance(value, (str, os.PathLike)):
        return read_file(str(os.fspath(value)), where)
    dtype = None
    try:
        if hasattr(value, "detach"):  # a tensor: who has one has imported torch
            value = value.detach().cpu()
            if str(value.dtype) == "torch.bfloat16":
                dtype, value = "bfloat16", value.view(sys.modules["torch"].int16)
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SourceError(f"{where} cannot be read as an array: {error}") from error
    return dense(array, where, dtype=dtype)


def _arrow(name: str, column: ArrayColumn) -> pa.Array:
    whole = _whole(column)
    if column.dtype == "bfloat16":
        whole = float32_of_bfloat16(whole)
    elif column.dtype == "float16":
        whole = whole.astype(np.float32)
    try:
        return pa.array(whole)
    except pa.ArrowException as error:
        raise SourceError(f"the column '{name}' cannot be read: {error}") from error


def _whole(column: ArrayColumn) -> Array:
    """All rows; large ones that do not lie beside each other are brought together in a nameless file."""
    found = column.read(slice(0, column.num_rows))
    if found.flags.c_contiguous or found.nbytes <= _MOST_COPIED:
        return column.rows(0, column.num_rows)
    return spooled(column.pieces(), found.dtype.newbyteorder("="))
