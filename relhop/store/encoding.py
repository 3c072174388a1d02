"""Columns to bytes and back: how the features of a row lie in its record.

Knows nothing of files or SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relhop.schema import Stype

NULL_TIMESTAMP: int = np.iinfo(np.int64).min
"""A timestamp feature that is null; the time of a row uses `relhop.times.NULL_TIME` instead."""

NULL_CODE: int = -1
"""A categorical feature that is null."""

_DTYPES: dict[Stype, np.dtype[np.generic]] = {
    Stype.timestamp: np.dtype("<i8"),
    Stype.numerical: np.dtype("<f4"),
    Stype.categorical: np.dtype("<i4"),
}


@dataclass(frozen=True)
class Field:
    """Where one feature column lies in a record.

    Attributes:
        column: Its name in the table.
        stype: timestamp, numerical or categorical.
        dtype: int64 (microseconds), float32 or int32 (category codes), little-endian.
        offset: First byte within the record, a multiple of the dtype's size.
    """

    column: str
    stype: Stype
    dtype: np.dtype[np.generic]
    offset: int


def record_layout(features: Mapping[str, Stype]) -> tuple[tuple[Field, ...], int]:
    """The fields of a table's record and its size in bytes.

    Timestamps come first, then numerical, then categorical columns, each in the order given. So every field
    is aligned to its size. The size is a multiple of 8 where there is a timestamp, else of 4; 0 without
    features.
    """
    fields: list[Field] = []
    offset = 0
    for stype, dtype in _DTYPES.items():
        for column, its_stype in features.items():
            if its_stype == stype:
                fields.append(Field(column, stype, dtype, offset))
                offset += dtype.itemsize
    alignment = 8 if any(field.stype == Stype.timestamp for field in fields) else 4
    return tuple(fields), -(-offset // alignment) * alignment


def record_dtype(fields: Sequence[Field], record_size: int) -> np.dtype[np.void]:
    """The fields as a NumPy structured dtype with names "0", "1", … in the fields' order."""
    return np.dtype(
        {
            "names": [str(i) for i in range(len(fields))],
            "formats": [field.dtype for field in fields],
            "offsets": [field.offset for field in fields],
            "itemsize": record_size,
        }
    )


def pack(
    columns: Sequence[npt.NDArray[np.generic]], fields: Sequence[Field], record_size: int
) -> npt.NDArray[np.uint8]:
    """The records of some rows, uint8 [rows, record_size].

    Args:
        columns: One array [rows] a field, nulls already in their coded form. float64 is rounded to float32;
            what is beyond float32 becomes infinite.
        fields: Of `record_layout`.
        record_size: Of `record_layout`.
    """
    records = np.zeros(len(columns[0]), record_dtype(fields, record_size))
    with np.errstate(over="ignore"):
        for i, values in enumerate(columns):
            records[str(i)] = values
    return records.view(np.uint8).reshape(len(records), record_size)


def unpack(records: npt.NDArray[np.uint8], field: Field) -> npt.NDArray[np.generic]:
    """One column of records uint8 [rows, record_size], in coded form: null is NaN, -1 or int64 min."""
    part = records[:, field.offset : field.offset + field.dtype.itemsize]
    return np.ascontiguousarray(part).view(field.dtype).reshape(len(records))
