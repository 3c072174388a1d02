"""A large float32 matrix in a file, row by row, whose every row says which it is.

Columns 0 and 1 hold the row's number (number // 4096 and number % 4096, exact in float32), the others random
bytes that repeat every PIECE rows. So what a reader returns can be checked without the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.graphs import Array
from relhop import _native

PIECE = 1 << 14


@dataclass(frozen=True)
class Matrix:
    """A file of float32 numbers, seen as rows.

    Attributes:
        path: Of the file.
        rows: How many.
        width: Numbers in each.
        together: How many rows of the matrix that was made are one row here.
        slots: The file that says, packed, where in the file each row is; `None`: in their order.
    """

    path: Path
    rows: int
    width: int
    together: int = 1
    slots: Path | None = None

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return 4 * self.width

    @property
    def num_bytes(self) -> int:
        """Of the file."""
        return self.rows * self.row_bytes

    def __str__(self) -> str:
        return f"{self.num_bytes / 1e9:.2g} GB of rows of {self.row_bytes} B"

    def wider(self, together: int) -> Matrix:
        """The same file with so many rows taken for one."""
        return Matrix(self.path, self.rows // together, self.width * together, self.together * together)

    def packed_slots(self) -> _native.PackedRows | None:
        """Where in the file each row is, as relhop has it; `None`: in their order."""
        if self.slots is None:
            return None
        return _native.PackedRows(np.fromfile(self.slots, np.uint8), self.rows, _native.width_of(self.rows))

    def check(self, rows: Array, found: Array) -> None:
        """Raises ValueError unless `found` [N, width] are these rows [N]."""
        made = (rows[:, None] * self.together + np.arange(self.together)).ravel()
        width = self.width // self.together
        values, piece = found.reshape(-1, width), _piece(width)
        wrong = np.flatnonzero((values[:, 0] != made // 4096) | (values[:, 1] != made % 4096))
        if not len(wrong):
            wrong = np.flatnonzero((values[:, 2:] != piece[made % PIECE, 2:]).any(axis=1))
        if len(wrong):
            place = wrong[0] // self.together
            raise ValueError(f"row {rows[place]}, at place {place}, is not what {self.path} holds")


def make(folder: Path, rows: int, width: int, slots: Array | None = None) -> Matrix:
    """The matrix of this shape in a folder: written by the first call, found by later ones.

    Args:
        folder: Where.
        rows: How many.
        width: Numbers in each.
        slots: Where in the file each row is to be, int64 [rows]; default in their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matrix = Matrix(folder / f"{rows}x{width}.bin", rows, width)
    if slots is not None:
        path = folder / f"{rows}x{width}.ordered.bin"
        matrix = Matrix(path, rows, width, slots=path.with_suffix(".slots"))
    if matrix.path.exists() and matrix.path.stat().st_size == matrix.num_bytes:
        return matrix
    if slots is not None and matrix.slots is not None:
        _native.pack(slots.astype(np.uint64), _native.width_of(rows)).tofile(matrix.slots)
    in_order = np.arange(rows) if slots is None else np.argsort(slots)
    unfinished = matrix.path.with_suffix(".part")
    with unfinished.open("wb", buffering=0) as file:
        for begin in range(0, rows, PIECE):
            file.write(values(in_order[begin : begin + PIECE], width).data.cast("B"))
        os.fsync(file.fileno())
    unfinished.rename(matrix.path)
    return matrix


def values(rows: Array, width: int) -> Array:
    """What the matrix of this width holds in some rows."""
    result: Array = _piece(width)[rows % PIECE]
    result[:, 0], result[:, 1] = rows // 4096, rows % 4096
    return result


def drop_cached(path: Path) -> None:
    """Asks the system to forget the pages of a file; not those that are mapped."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@lru_cache(maxsize=1)
def _piece(width: int) -> Array:
    return np.random.default_rng(width).random((PIECE, width), np.float32)
