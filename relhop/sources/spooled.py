"""Arrays too large for memory that no file holds as they are: written to one that has no name, and mapped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from relhop.sources.array_columns import Array


def spooled(pieces: Iterable[Any], dtype: np.dtype[Any]) -> Array:
    """The bytes of all pieces as one array, which the file system forgets when nothing refers to it.

    Args:
        pieces: Buffers, one after another.
        dtype: Of the numbers in them.

    Returns:
        All numbers, read-only [N].

    Raises:
        OSError: If the temporary folder (`TMPDIR`) has no room.
        ValueError: If the last number is incomplete.
    """
    with tempfile.TemporaryFile() as file:
        for piece in pieces:
            file.write(piece)
        if file.tell() == 0:
            return np.empty(0, dtype)
        file.flush()
        return np.memmap(file, dtype, mode="r").view(np.ndarray)
