"""Numbers in few bytes: how a store keeps its numerical features, and what is lost by it.

Knows nothing of records, files or SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from relhop._native import NumberKind, decode_numbers

Precision: TypeAlias = Literal["float32", "float16", "bfloat16", "int8"]
"""How numerical features are kept. NaN is null in each."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

DTYPES: dict[Precision, np.dtype[np.generic]] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "int8": np.dtype("i1"),
}
"""Of the bytes; NumPy has no bfloat16, so its bits stand in an unsigned integer."""

_KINDS = {dtype: precision for precision, dtype in DTYPES.items()}
_NULL_CODE = -128
_LARGEST_CODE = 127
_STEPS = 2 * _LARGEST_CODE
_BOUND = 3e38  # So that no number on a grid exceeds float32.


@dataclass(frozen=True)
class Grid:
    """What the codes of an int8 column stand for: c, from -127 to 127, for `zero + scale * c`; -128 is null.

    Attributes:
        scale: The distance of two codes, above 0; a float32.
        zero: What code 0 stands for; a float32.
    """

    scale: float = 1.0
    zero: float = 0.0


@dataclass(frozen=True)
class Spread:
    """Of a column's finite numbers.

    Attributes:
        least: The smallest.
        most: The largest.
        low: One in a thousand of a sample lies below it.
        high: One in a thousand of a sample lies above it.
        whole: Whether all are whole numbers.
    """

    least: float
    most: float
    low: float
    high: float
    whole: bool


def fit_grid(spread: Spread | None) -> Grid:
    """A grid over a column's numbers, but for those that lie far from nearly all others.

    It reaches from `low` to `high` and half as far again on both sides, but not beyond the numbers that there
    are. Whole numbers stay whole where there are codes enough for them.

    Args:
        spread: None where there is no number.
    """
    if spread is None:
        return Grid()
    room = (spread.high - spread.low) / 2
    lower, upper = spread.least, spread.most
    if room > 0:
        lower, upper = max(lower, spread.low - room), min(upper, spread.high + room)
    lower, upper = (min(max(end, -_BOUND), _BOUND) for end in (lower, upper))
    middle = (lower + upper) / 2
    if spread.whole and upper - lower <= _STEPS and abs(middle) < 1 << 23:
        return Grid(1.0, float(np.ceil(middle)))
    # Float32 knows no finer steps than this where the numbers are.
    finest = float(np.spacing(np.float32(max(abs(lower), abs(upper)))))
    return Grid(float(np.float32(max((upper - lower) / _STEPS, finest))), float(np.float32(middle)))


def encode(
    numbers: npt.NDArray[np.float64], precision: Precision, grid: Grid | None
) -> tuple[npt.NDArray[np.generic], int]:
    """Numbers as they are kept, and how many of them were out of range.

    They are rounded to float32 first, then to the nearest number that there is, of two the even one. Out of
    range are finite numbers that become infinite and, of int8, all that lie beyond the grid; these take its
    nearest end.

    Args:
        numbers: NaN where null.
        precision: How they are to be kept.
        grid: Of int8, else None.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if grid is not None:
            places = np.rint((numbers - grid.zero) / grid.scale)
            codes = np.clip(places, -_LARGEST_CODE, _LARGEST_CODE)
            beyond = int(np.count_nonzero(np.abs(places) > _LARGEST_CODE))
            return np.where(np.isnan(numbers), _NULL_CODE, codes).astype(np.int8), beyond
        singles = numbers.astype(np.float32)
        kept = _to_bfloat16(singles) if precision == "bfloat16" else singles.astype(DTYPES[precision])
        if precision == "float16":
            kept[np.isnan(singles)] = np.nan
    became_infinite = np.isinf(decode(kept, None)) & np.isfinite(numbers)
    return kept, int(np.count_nonzero(became_infinite))


def decode(kept: npt.NDArray[np.generic], grid: Grid | None) -> npt.NDArray[np.float32]:
    """Kept numbers [n] as float32; the dtype says how they are kept."""
    grid = grid or Grid()
    kind = NumberKind[precision_of(kept.dtype)]
    return decode_numbers(kind, np.ascontiguousarray(kept).view(np.uint8), grid.scale, grid.zero)


def precision_of(dtype: np.dtype[np.generic]) -> Precision:
    """Which precision is kept so."""
    return _KINDS[dtype]


def _to_bfloat16(singles: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    bits = singles.view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(singles), 0x7FC0, rounded).astype("<u2")
