"""Where the anchors of each split lie in time, drawn in letters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from relhop.times import format_time

WIDTH = 60
"""Columns between the oldest and the newest anchor."""


def draw_time_line(anchors: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """A line for each split with a mark where it has anchors, under a line with the first and the last time.

    Args:
        anchors: Times (int64, microseconds since 1970) by the split's name; at least two different ones.
    """
    every = np.concatenate(list(anchors.values()))
    first, last = int(every.min()), int(every.max())
    margin = max(map(len, anchors)) + 1
    begin, end = format_time(first), format_time(last)
    lines = [" " * margin + begin + end.rjust(WIDTH - len(begin))]
    for name, times in anchors.items():
        marks = np.full(WIDTH, " ")
        marks[np.rint((times - first) / (last - first) * (WIDTH - 1)).astype(np.int64)] = "|"
        lines.append((name.ljust(margin) + "".join(marks)).rstrip())
    return lines
