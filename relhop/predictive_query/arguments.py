"""What users write of times, strides and parts, as numbers."""

from __future__ import annotations

import datetime as dt
import math

from relhop.errors import TrainingError
from relhop.query.duration import Duration
from relhop.times import TimeLike, to_micros


def micros_of(time: TimeLike) -> int:
    """A time in microseconds.

    Raises:
        TrainingError: If it is none.
    """
    try:
        return to_micros(time)
    except ValueError as error:
        raise TrainingError(str(error)) from None


def stride_of(given: str | dt.timedelta | None, default: Duration) -> Duration:
    """How far anchors lie apart.

    Raises:
        TrainingError: If what is given is no duration.
    """
    if given is None:
        return default
    if isinstance(given, dt.timedelta):
        return Duration(round(given.total_seconds()), "seconds")
    if not isinstance(given, str):
        raise TrainingError(f"stride is {given!r}; write such as '30 days'")
    try:
        return Duration.parse(given)
    except ValueError as error:
        raise TrainingError(f"stride: {error}") from None


def shares_of(split: tuple[float, float, float]) -> tuple[float, float]:
    """The parts of validation and test.

    Raises:
        TrainingError: If the three make no whole.
    """
    if len(split) != 3 or min(split) <= 0 or not math.isclose(sum(split), 1):
        raise TrainingError(
            f"split is {split}; give three positive parts, for train, val and test, that add up to 1"
        )
    return split[1], split[2]
