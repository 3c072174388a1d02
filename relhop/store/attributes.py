"""Tensors with a row for each row of a table or each edge: in memory, mapped, or on disk behind a pool."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop._native import DiskRecords, FeatureTable
from relhop.dtypes import NUMPY_DTYPES, dtype_name

Array: TypeAlias = npt.NDArray[Any]


class AttributeReader:
    """Gathers rows of one attribute.

    Attributes:
        name: The attribute.
        dtype: A key of `relhop.dtypes.NUMPY_DTYPES`.
        shape: Of one row; `()` of an attribute that is a number a row.
        num_rows: How many rows there are.
        native: The same reader for the native pipeline.
        disk: The rows behind their pool; None where they are in memory or mapped.

    Args:
        name: The attribute.
        dtype: Of the rows.
        whole: All rows [N, *shape] of NumPy's dtype, C-contiguous; mapped where `disk` is there.
        disk: See above.
        owner: The table or the edges that have it, which errors name.
    """

    def __init__(
        self,
        name: str,
        dtype: str,
        whole: Array,
        disk: DiskRecords | None = None,
        owner: str | None = None,
    ) -> None:
        self.name, self.dtype = name, dtype
        self.shape: tuple[int, ...] = whole.shape[1:]
        self.num_rows, self.disk, self._whole = len(whole), disk, whole
        title = name if owner is None else f"{owner}.{name}"
        self.native = FeatureTable(title, as_bytes(whole) if disk is None else disk, None, None, None)

    @classmethod
    def of_array(cls, name: str, array: npt.ArrayLike, dtype: str | None = None) -> AttributeReader:
        """A reader of rows that are in memory or mapped, without a copy where they are C-contiguous.

        Args:
            name: The attribute.
            array: [N, *shape].
            dtype: "bfloat16" where the array holds the bits of bfloat16, as integers of 16 bits.

        Raises:
            TypeError: If no attribute can have the array's dtype.
        """
        whole = np.ascontiguousarray(array)
        if dtype is None:
            dtype = dtype_name(whole.dtype)
            whole = whole.astype(NUMPY_DTYPES[dtype], copy=False)
        return cls(name, dtype, whole.view(NUMPY_DTYPES[dtype]))

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return NUMPY_DTYPES[self.dtype].itemsize * math.prod(self.shape)

    def gather(self, rows: npt.NDArray[np.int64], num_threads: int = 1) -> Array:
        """Some rows, which may repeat: [N, *shape] of NumPy's dtype; of bfloat16 the bits as uint16.

        Args:
            rows: Row numbers, int64 [N].
            num_threads: Threads; change nothing but the speed.

        Raises:
            IndexError: If there is no such row.
            StoreError: If the file cannot be read.
            CorruptStore: If what is read does not fit its checksum, in a store that verifies always.
        """
        return self.of_native(self.native.gather(np.ascontiguousarray(rows, dtype=np.int64), num_threads))

    def of_native(self, features: dict[str, Any]) -> Array:
        """The same of rows that a native pipeline gathered with `native`; copies nothing."""
        raw: npt.NDArray[np.uint8] = features["raw"]
        return raw.reshape(-1).view(NUMPY_DTYPES[self.dtype]).reshape(len(raw), *self.shape)

    def array(self) -> Array:
        """All rows [num_rows, *shape], in memory or mapped, read-only those of a store; copies nothing."""
        return self._whole

    def __repr__(self) -> str:
        return f"AttributeReader({self.name!r}, {self.dtype}, {self.num_rows:,} rows of shape {self.shape})"


def as_bytes(rows: Array) -> npt.NDArray[np.uint8]:
    """Rows as bytes, uint8 [N, bytes of a row]; `rows` are C-contiguous."""
    size = rows.dtype.itemsize * math.prod(rows.shape[1:])
    return rows.reshape(-1).view(np.uint8).reshape(len(rows), size)
