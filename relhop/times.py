"""Time as relhop keeps it: int64 microseconds since 1970-01-01 00:00 UTC.

Sources hold timestamps, dates or integers; all become this one unit when a store is built. Knows nothing of
tables.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, TypeAlias

import numpy as np
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
