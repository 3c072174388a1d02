"""Row numbers and times as the native code takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relhop import _native


def rows(numbers: Sequence[int] | npt.NDArray[np.integer], count: int) -> _native.PackedRows:
    """Rows of a table of `count` rows, -1 for none."""
    width = _native.width_of(count)
    largest = (1 << width) - 1
    stored = np.array([largest if n == -1 else int(n) for n in numbers], np.uint64)
    return _native.PackedRows(_native.pack(stored, width), len(stored), width)


def times(micros: Sequence[int] | npt.NDArray[np.integer]) -> _native.PackedTimes:
    blocks, stream = _native.encode_times(np.array(micros, np.int64), 0)
    return _native.PackedTimes(blocks, np.append(stream, np.zeros(8, np.uint8)), len(micros))
