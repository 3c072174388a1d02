"""CSV files of numbers without a header, as OGB has them, read once from the first line to the last."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from relhop.errors import SourceError
from relhop.sources.array_columns import Array
from relhop.sources.spooled import spooled

_BLOCK_BYTES = 8 << 20
_TYPES: dict[np.dtype[Any], pa.DataType] = {
    np.dtype(np.int64): pa.int64(),
    np.dtype(np.float32): pa.float32(),
}


def read_numbers(path: Path) -> Array:
    """All numbers of a file of equally long lines.

    Args:
        path: Of a .csv.gz file, or of a .csv file.

    Returns:
        [lines, fields], mapped: int64 if all are integers, else float32, NaN where a field is empty. A file
        without a line is int64 [0, 1].

    Raises:
        SourceError: If there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}, which OGB's layout has there")
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            first = file.readline()
        if not first:
            return np.empty((0, 1), np.int64)
        width = first.count(",") + 1
        for dtype in _TYPES:
            try:
                return spooled(_pieces(path, width, dtype), dtype).reshape(-1, width)
            except pa.ArrowInvalid as error:
                problem = error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    raise SourceError(f"{path} is no CSV file of numbers: {problem}") from problem


def _pieces(path: Path, width: int, dtype: np.dtype[Any]) -> Iterator[Array]:
    names = [str(i) for i in range(width)]
    reader = csv.open_csv(
        path,
        csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
        csv.ParseOptions(ignore_empty_lines=False),
        csv.ConvertOptions(column_types=dict.fromkeys(names, _TYPES[dtype])),
    )
    with reader:
        for batch in reader:
            if dtype.kind == "i" and any(column.null_count for column in batch.columns):
                raise pa.ArrowInvalid("some fields are empty")
            columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
            yield np.stack(columns, axis=1).astype(dtype, copy=False)
