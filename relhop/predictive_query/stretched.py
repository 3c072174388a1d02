"""Anchors that would look at nothing: rows lie far behind all others (9999-12-31); labels begin late."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from relhop.errors import TrainingError
from relhop.query.anchors import Anchors
from relhop.times import END_OF_TIME, format_time
from relhop.training_table import TRAIN

if TYPE_CHECKING:
    from relhop.predictive_query.asked import Asked

_MOST_EMPTY_STRIDES = 100
_SHARE_TOLD = 0.1


def refuse_far_end(asked: Asked) -> None:
    """Refuses labels whose newest rows lie far behind all others.

    Raises:
        TrainingError: If there are such rows; names a table, a row and the times.
    """
    tables, stride = asked.store.tables, asked.compiled.stride
    ends = {name: asked.store.cut(name, END_OF_TIME) for name in asked.compiled.label_tables}
    times = {name: time for name, end in ends.items() if end and (time := tables[name].time) is not None}
    if not times or stride is None:
        return
    oldest = min(int(time[0]) for time in times.values())
    newest = max(int(time[ends[name] - 1]) for name, time in times.items())
    # A gap of more than half of the time has the middle of the time in it.
    cuts = {name: asked.store.cut(name, (oldest + newest) // 2) for name in times}
    begin = max(int(times[name][cut - 1]) for name, cut in cuts.items() if cut)
    behind = {name: ends[name] - cut for name, cut in cuts.items() if cut < ends[name]}
    end = min((int(times[name][cuts[name]]) for name in behind), default=begin)
    is_far = end - begin > max((newest - oldest) / 2, _MOST_EMPTY_STRIDES * stride.seconds * 1e6)
    if not is_far or sum(behind.values()) >= sum(cuts.values()):
        return
    [(name, count), *_] = behind.items()
    first = np.array([cuts[name]])
    key = asked.store.keys_of(name, first).to_pylist()[0] if asked.schema.table(name).pkey else {}
    which = ", ".join(f"{column} {value}" for column, value in key.items())
    last, far = format_time(begin), format_time(end) + (f" ({which})" if which else "")
    raise TrainingError(
        f"{count:,} of {ends[name]:,} rows of {name} lie at {far} or later, and none after {last} until"
        " then, so most anchors would look at a time without rows; if that time stands for none, make it null"
        f" with sql, or use store.as_of({last!r}), which leaves these rows out"
    )


def early_anchors_note(asked: Asked, anchors: Anchors) -> tuple[str, ...]:
    """What is said of training anchors whose label windows end before the first row that makes labels."""
    names = asked.compiled.label_tables
    times = [time for name in names if (time := asked.store.tables[name].time) is not None and len(time)]
    first = min(int(time[0]) for time in times)
    train = anchors.times[anchors.split == TRAIN].tolist()
    early = bisect_left(train, first, key=asked.compiled.label_end)
    if early <= len(train) * _SHARE_TOLD:
        return ()
    return (
        f"at {early:,} of {len(train):,} training anchors there is no row of {', '.join(names)} yet, of which"
        f" the first is at {format_time(first)}; train_start={format_time(first)!r} leaves them out",
    )
