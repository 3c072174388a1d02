"""Arrays with a row for each row of a table, read piece by piece wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop.dtypes import NUMPY_DTYPES, dtype_name
from relhop.errors import SourceError

Array: TypeAlias = npt.NDArray[Any]
Which: TypeAlias = slice | npt.NDArray[np.int64]

_PIECE_BYTES = 8 << 20  # Small enough that the allocator uses the memory of one piece for the next.


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """One array.

    Attributes:
        dtype: A key of `relhop.dtypes.NUMPY_DTYPES`; None of text and times, which no tensor holds.
        shape: Of one row; `()` of one value a row.
        num_rows: How many rows there are.
        read: Some rows, as they lie.
        file: Where they are; None of rows in memory.
        member: Of which array of the file; None where it has no others.
    """

    dtype: str | None
    shape: tuple[int, ...]
    num_rows: int
    read: Callable[[Which], Array]
    file: Path | None = None
    member: str | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of an attribute."""
        size = 1 if self.dtype is None else NUMPY_DTYPES[self.dtype].itemsize
        return size * int(np.prod(self.shape, dtype=np.int64))

    def rows(self, begin: int, end: int) -> Array:
        """Rows [end - begin, *shape], C-contiguous and little-endian; of bfloat16 the bits as uint16."""
        return self._plain(self.read(slice(begin, end)))

    def take(self, positions: npt.NDArray[np.int64]) -> Array:
        """The same of rows anywhere."""
        return self._plain(self.read(positions))

    @property
    def rows_of_piece(self) -> int:
        """How many rows are read at once."""
        return max(1, _PIECE_BYTES // max(1, self.row_bytes))

    def pieces(self) -> Iterator[Array]:
        """All rows in their order, some at a time."""
        for begin in range(0, self.num_rows, self.rows_of_piece):
            yield self.rows(begin, min(begin + self.rows_of_piece, self.num_rows))

    def _plain(self, rows: Array) -> Array:
        rows = np.ascontiguousarray(rows)
        return rows if self.dtype is None else rows.astype(NUMPY_DTYPES[self.dtype], copy=False)


def dense(
    array: Array, where: str, file: Path | None = None, member: str | None = None, dtype: str | None = None
) -> ArrayColumn:
    """An array that is there, or mapped.

    Args:
        array: [N, *shape].
        where: What errors call it.
        file: Where it is mapped from.
        member: The array's name in it.
        dtype: "bfloat16" where the array holds bits of it.

    Raises:
        SourceError: If it has no rows, or a dtype that no attribute has.
    """
    kind = checked(array.dtype, array.shape, where) if dtype is None else dtype
    plain = array if dtype is None else array.view(NUMPY_DTYPES[dtype])
    return ArrayColumn(kind, array.shape[1:], len(array), lambda which: plain[which], file, member)


def checked(dtype: np.dtype[Any], shape: tuple[int, ...], where: str) -> str | None:
    """The name of an array's dtype; None of text and times.

    Raises:
        SourceError: If no column can have it, or it has no rows.
    """
    if not shape:
        raise SourceError(f"{where} is a single value; give an array with a row for each row of the table")
    if dtype.hasobject:
        raise SourceError(f"{where} holds Python objects, which are not read; give numbers, text or times")
    if dtype.kind in "UM" and len(shape) == 1:
        return None
    try:
        return dtype_name(dtype)
    except TypeError as error:
        raise SourceError(f"{where}: {error}") from None
