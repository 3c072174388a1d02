"""Lengths of time in the units of the query language, calendar months among them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relhop.errors import nearest
from relhop.times import MICROS_PER

UNITS: tuple[str, ...] = ("seconds", "minutes", "hours", "days", "weeks", "months")
"""Units of time; months are calendar months, the others have a fixed length."""

_SECONDS_PER = {
    "seconds": 1,
    "minutes": 60,
    "hours": 3_600,
    "days": 86_400,
    "weeks": 604_800,
    "months": 2_629_746,
}
_LONGEST_SECONDS = 1000 * 12 * _SECONDS_PER["months"]


@dataclass(frozen=True)
class Duration:
    """A number of units of time, such as 30 days or 1 month; may be negative.

    Attributes:
        count: How many.
        unit: One of `UNITS`.
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Duration:
        """A duration as people write it: `30 days`, `1 month`.

        Raises:
            ValueError: If the text is none.
        """
        match = re.fullmatch(r"\s*([+-]?\d+)\s*([A-Za-z]+)\s*", text)
        if match is None:
            raise ValueError(f"{text!r} is no length of time; write it like '30 days' or '1 month'")
        return cls(int(match[1]), unit_named(match[2]))

    @property
    def seconds(self) -> int:
        """The length in seconds; months count as a mean month. For comparing, not for stepping."""
        return self.count * _SECONDS_PER[self.unit]

    @property
    def is_sane(self) -> bool:
        """Whether it is at most a thousand years, so that adding it to a time cannot overflow."""
        return abs(self.seconds) <= _LONGEST_SECONDS

    def after(self, time: int, times: int = 1) -> int:
        """The time `times` such durations after another, in microseconds since 1970.

        The step is taken at once, so that months counted from the 31st do not drift: two months after
        January 31st is March 31st.
        """
        if self.unit != "months":
            return time + times * self.count * _SECONDS_PER[self.unit] * MICROS_PER["s"]
        moved = pd.Timestamp(time, unit="us") + pd.DateOffset(months=times * self.count)
        return int(moved.as_unit("us").asm8.astype(np.int64))

    def __str__(self) -> str:
        return f"{self.count} {self.unit[:-1] if abs(self.count) == 1 else self.unit}"


def unit_named(name: str) -> str:
    """The unit of that name, singular or plural, in any case.

    Raises:
        ValueError: If there is none; suggests the nearest.
    """
    folded = name.lower()
    for unit in UNITS:
        if folded in (unit, unit[:-1]):
            return unit
    raise ValueError(
        f"'{name}' is no unit of time; choose one of {', '.join(UNITS)}.{nearest(folded, UNITS)}"
    )
