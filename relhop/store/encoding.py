"""Columns to bytes and back: how the features of a row lie in its record.

Knows nothing of files or SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from relhop._native import NumberKind, Numbers
from relhop.schema import Stype
from relhop.store.precision import DTYPES, Grid, Precision, decode, encode, precision_of

NULL_TIMESTAMP: int = np.iinfo(np.int64).min
"""A timestamp feature that is null; the time of a row uses `relhop.times.NULL_TIME` instead."""

NULL_CODE: int = -1
"""A categorical feature that is null."""

NO_CODE: int = -1
"""In the codes of a list: none; others do not come after it."""

NULL_LIST: int = -2
"""The first of the codes of a list that is null."""

_DTYPES: dict[Stype, np.dtype[np.generic]] = {
    Stype.timestamp: np.dtype("<i8"),
    Stype.categorical: np.dtype("<i4"),
}


@dataclass(frozen=True)
class Field:
    """Where one feature column lies in a record.

    Attributes:
        column: Its name in the table.
        stype: timestamp, numerical or categorical.
        dtype: Of its bytes: int64 (microseconds), int32 (category codes) or one of `precision.DTYPES`,
            little-endian.
        offset: First byte within the record, a multiple of the dtype's size.
        grid: What the codes of numbers kept as int8 stand for; else None.
    """

    column: str
    stype: Stype
    dtype: np.dtype[np.generic]
    offset: int
    grid: Grid | None = None

    @property
    def kind(self) -> str:
        """The dtype by name, "bfloat16" among them."""
        return precision_of(self.dtype) if self.stype == Stype.numerical else self.dtype.name


def record_layout(
    features: Mapping[str, Stype],
    precision: Precision = "float32",
    grids: Mapping[str, Grid] = MappingProxyType({}),
) -> tuple[tuple[Field, ...], int]:
    """The fields of a table's record and its size in bytes.

    Timestamps come first, then numerical, then categorical columns, each in the order given and each group at
    the next multiple of its fields' size. The record's size is a multiple of its largest field's; 0 without
    features.

    Args:
        features: The columns.
        precision: How numbers are kept.
        grids: By column, those of int8; a column without one has `Grid()`.
    """
    fields: list[Field] = []
    offset, alignment = 0, 1
    for stype in (Stype.timestamp, Stype.numerical, Stype.categorical):
        dtype = DTYPES[precision] if stype == Stype.numerical else _DTYPES[stype]
        for column, its_stype in features.items():
            if its_stype == stype:
                offset += -offset % dtype.itemsize
                on_grid = stype == Stype.numerical and precision == "int8"
                grid = grids.get(column, Grid()) if on_grid else None
                fields.append(Field(column, stype, dtype, offset, grid))
                offset += dtype.itemsize
                alignment = max(alignment, dtype.itemsize)
    return tuple(fields), offset + -offset % alignment


def native_numbers(fields: Sequence[Field]) -> Numbers:
    """How the numbers of a record are kept, for native code."""
    numbers = [field for field in fields if field.stype == Stype.numerical]
    grids = [field.grid for field in numbers if field.grid is not None]
    kind = NumberKind[numbers[0].kind] if numbers else NumberKind.float32
    return Numbers(kind, [grid.scale for grid in grids], [grid.zero for grid in grids])


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
) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """The records of some rows, uint8 [rows, record_size], and how many of each field were out of range.

    Args:
        columns: One array [rows] a field, nulls already in their coded form, numbers as float64.
        fields: Of `record_layout`.
        record_size: Of `record_layout`.
    """
    records = np.zeros(len(columns[0]), record_dtype(fields, record_size))
    out_of_range = [0] * len(fields)
    for i, (values, field) in enumerate(zip(columns, fields, strict=True)):
        if field.stype == Stype.numerical:
            precision = precision_of(field.dtype)
            records[str(i)], out_of_range[i] = encode(values.astype(np.float64), precision, field.grid)
        else:
            records[str(i)] = values
    return records.view(np.uint8).reshape(len(records), record_size), out_of_range


def unpack(records: npt.NDArray[np.uint8], field: Field) -> npt.NDArray[np.generic]:
    """One column of records uint8 [rows, record_size]; see `decode_field`."""
    return decode_field(records[:, field.offset : field.offset + field.dtype.itemsize], field)


def decode_field(part: npt.NDArray[np.uint8], field: Field) -> npt.NDArray[np.generic]:
    """A field's own bytes, uint8 [rows, size], as numbers: float32, or in coded form what is no number.

    Null is NaN, -1 or int64 min.
    """
    kept = np.ascontiguousarray(part).view(field.dtype).reshape(len(part))
    return decode(kept, field.grid) if field.stype == Stype.numerical else kept
