"""What several checks do: look at long arrays piece by piece, compare, refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relhop.errors import CorruptStore
from relhop.store.stored import Rows, Times

CHUNK_ROWS = 1 << 20


def same(path: Path, what: str, found: object, expected: object) -> None:
    """Refuses what is found unless it is what is expected."""
    if found != expected:
        raise CorruptStore(f"{path}: {what}: {found} contradicts {expected}")


def chunks(end: int, overlap: int = 0, begin: int = 0) -> Iterator[slice]:
    """Slices that cover [begin, end); each begins `overlap` elements before the end of the last."""
    for start in range(begin, end, CHUNK_ROWS):
        yield slice(max(begin, start - overlap), min(end, start + CHUNK_ROWS))


def check_ascending(path: Path, what: str, values: Rows | Times) -> None:
    """No value is less than the one before it."""
    for part in chunks(len(values), overlap=1):
        found = values[part]
        if np.any(found[1:] < found[:-1]):
            raise CorruptStore(f"{path}: {what} do not ascend")


def is_permutation(rows: Rows) -> bool:
    """Whether each row from 0 on is there once."""
    seen = np.zeros(len(rows), bool)
    for part in chunks(len(rows)):
        found = rows[part]
        seen[found[(found >= 0) & (found < len(rows))]] = True
    return bool(seen.all())


def check_sums(
    where: Path,
    column: str,
    offsets: Rows,
    weights: npt.NDArray[np.float64],
    items: Rows,
    own: npt.NDArray[np.float64],
) -> None:
    """Sums of weights begin anew in each list, never fall, and are those of the items' own weights.

    Args:
        where: The file of the sums.
        column: What the weights are, for the message.
        offsets: Of the lists; sound.
        weights: The sums.
        items: What is in the lists; sound.
        own: The weight of each item.
    """
    for of_owners in chunks(len(offsets) - 1):
        bounds = offsets[of_owners.start : of_owners.stop + 1]
        for part in chunks(int(bounds[-1]), overlap=1, begin=int(bounds[0])):
            sums = weights[part]
            starts = np.zeros(len(sums), bool)
            starts[bounds[(bounds >= part.start) & (bounds < part.stop)] - part.start] = True
            before = np.where(starts, 0.0, np.roll(sums, 1))
            known = slice(0 if starts[0] else 1, None)  # What is before the first may be in the part before.
            if not np.all((sums >= before)[known] & np.isfinite(sums[known])):
                raise CorruptStore(f"{where}: the sums of a list's weights fall, or are not finite")
            if np.any((before + own[items[part]] != sums)[known]):
                raise CorruptStore(f"{where}: not the sums of {column}")
