"""rows.bin, or the rows of an attribute, with the checksums of their blocks: written and checked in one go.

Knows nothing of what is in a record.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from relhop._native import CHECKSUM_BLOCK, PackedRows, RecordChecksums, crc32c_blocks
from relhop.errors import CorruptStore

Verify: TypeAlias = Literal["never", "always"]
"""Whether what is read of records is compared with their checksums."""

_PIECE = 1024 * CHECKSUM_BLOCK


def checksums_bytes(size: int) -> int:
    """Bytes of the file of checksums beside `size` bytes of records: 4 a block."""
    return 4 * -(-size // CHECKSUM_BLOCK)


class RecordWriter:
    """Writes records from pieces of any length, and the checksums of their blocks to a second file."""

    def __init__(self, records: Path, checksums: Path) -> None:
        # Pieces are large: a buffer would only copy them.
        self._records = records.open("wb", buffering=0)
        self._checksums = checksums
        self._found: list[npt.NDArray[np.uint32]] = []
        self._rest = np.empty(0, np.uint8)

    def write(self, records: npt.NDArray[np.uint8]) -> None:
        """Appends a piece, uint8 [rows, record_size]."""
        piece = records.reshape(-1)
        _write_whole(self._records, piece)
        missing = -len(self._rest) % CHECKSUM_BLOCK
        begun = np.concatenate([self._rest, piece[:missing]])
        whole = len(piece) - (len(piece) - missing) % CHECKSUM_BLOCK
        if len(begun) % CHECKSUM_BLOCK or whole < missing:
            self._rest = begun
            return
        self._found += [crc32c_blocks(begun), crc32c_blocks(piece[missing:whole])]
        self._rest = piece[whole:].copy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._records:
            if failure is None:
                os.fsync(self._records.fileno())
                found = np.concatenate([*self._found, crc32c_blocks(self._rest)])
                self._checksums.write_bytes(found.astype("<u4").tobytes())


def _write_whole(file: FileIO, piece: npt.NDArray[np.uint8]) -> None:
    written = 0
    while written < len(piece):  # the system writes at most 2 GiB at once
        written += file.write(piece[written:].data)


def read_checksums(path: Path) -> npt.NDArray[np.uint32]:
    """The checksums beside a file of records, uint32 [blocks]."""
    return np.fromfile(path.with_suffix(".crc"), "<u4")


def check_records(
    path: Path, records: npt.NDArray[np.uint8], record_size: int, slots: PackedRows | None
) -> None:
    """Compares all records of a file, as they lie in memory, with the checksums beside it.

    Args:
        path: The file.
        records: Its bytes, uint8 [size].
        record_size: Bytes of a record.
        slots: Row -> record; None where that is the same.

    Raises:
        CorruptStore: Naming the first damaged block and a row in it.
    """
    blocks = RecordChecksums(str(path), len(records), max(1, record_size), read_checksums(path), slots)
    blocks.check_blocks(records, 0)


def check_file(path: Path, size: int, record_size: int) -> None:
    """Compares the blocks of a file of records with their checksums, reading it piece by piece.

    Args:
        path: The file.
        size: Bytes that it should have; the checksums are of as many.
        record_size: Bytes of a record.

    Raises:
        CorruptStore: If it has another size, or naming the first damaged block and a row in it.
        FileNotFoundError: If one of the two is missing.
    """
    found = path.stat().st_size
    if found != size:
        raise CorruptStore(f"{path} has {found} bytes, not {size}; build the store again")
    checksums = read_checksums(path)
    blocks = RecordChecksums(str(path), size, max(1, record_size), checksums)
    with path.open("rb") as file:
        for first in range(0, len(checksums), _PIECE // CHECKSUM_BLOCK):
            piece = file.read(_PIECE)
            if len(piece) != min(_PIECE, size - first * CHECKSUM_BLOCK):
                raise CorruptStore(f"{path} became shorter while it was read")
            blocks.check_blocks(np.frombuffer(piece, np.uint8), first)
