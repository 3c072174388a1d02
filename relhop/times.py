"""Time as relhop keeps it: int64 microseconds since 1970-01-01 00:00 UTC.

Sources hold timestamps, dates or integers; all become this one unit when a store is built. Knows nothing of
tables.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

TimeLike: TypeAlias = str | dt.datetime | dt.date | np.datetime64 | int
"""What users give as a time: ISO text, a date or datetime, or an int of microseconds since 1970."""

TimeUnit: TypeAlias = Literal["us", "ms", "s", "minutes", "hours", "days", "years"]
"""What one step of an integer time column means, counted from 1970; `years` are calendar years (2009)."""

MICROS_PER: dict[str, int] = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
}

UNITS: dict[str, int] = MICROS_PER | {name[:-1]: size for name, size in MICROS_PER.items() if len(name) > 2}
"""The same, and `1 day` beside `2 days`; us, ms and s are no plurals, and "m" would not be what it seems."""

NULL_TIME: int = np.iinfo(np.int64).max
"""The time of a row whose time is null: later than any anchor, so never visible to a timed seed."""

END_OF_TIME: int = NULL_TIME - 1
"""The latest anchor: every row with a time is visible at it."""


def to_micros(time: TimeLike) -> int:
    """Microseconds since 1970 of a time; zone-less times are UTC.

    Raises:
        ValueError: If the text is no time.
    """
    if isinstance(time, bool):
        raise ValueError(f"{time!r} is no time")
    if isinstance(time, (int, np.integer)):
        return int(time)
    try:
        stamp = pd.Timestamp(time)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{time!r} is no time; write it like '2010-01-01' or '2010-01-01 12:30:00'"
        ) from error
    if pd.isna(stamp):
        raise ValueError(f"{time!r} is no time")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return int(stamp.as_unit("us").asm8.astype(np.int64))


def format_time(micros: int) -> str:
    """A time as people write it: `2010-01-01`, or `2010-01-01 12:30:00` where it is not midnight."""
    stamp = pd.Timestamp(micros, unit="us")
    if stamp == stamp.normalize():
        return stamp.strftime("%Y-%m-%d")
    return stamp.isoformat(sep=" ")


def micros_of(times: npt.NDArray[np.int64], unit: TimeUnit | None) -> npt.NDArray[np.int64]:
    """Microseconds of times that count a unit since 1970; None: they are microseconds. A null time stays
    null.

    Raises:
        ValueError: If a time is beyond what microseconds can say.
    """
    if unit is None or unit == "us":
        return times
    if unit == "years":
        micros = (times - 1970).astype("datetime64[Y]").astype("datetime64[us]").astype(np.int64)
    else:
        largest = END_OF_TIME // MICROS_PER[unit]
        wrong = times[(np.abs(times) > largest) & (times != NULL_TIME)]
        if len(wrong):
            raise ValueError(f"the time {wrong[0]} {unit} since 1970 is beyond what microseconds can say")
        with np.errstate(over="ignore"):
            micros = times * MICROS_PER[unit]
    return np.where(times == NULL_TIME, NULL_TIME, micros)


def from_micros(micros: npt.NDArray[np.int64], unit: TimeUnit | None) -> npt.NDArray[np.int64]:
    """The inverse of `micros_of`."""
    if unit is None or unit == "us":
        return micros
    if unit == "years":
        times = micros.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    else:
        times = micros // MICROS_PER[unit]
    return np.where(micros == NULL_TIME, NULL_TIME, times)
