"""Anchors that would look at nothing: few rows lie far from all others, as at 9999-12-31; labels begin late."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relhop.errors import TrainingError
from relhop.query.anchors import Anchors
from relhop.query.duration import Duration
from relhop.times import END_OF_TIME, format_time
from relhop.training_table import TRAIN

if TYPE_CHECKING:
    from relhop.predictive_query.asked import Asked
    from relhop.store.reader import Store

_MOST_EMPTY_STRIDES = 100
_SHARE_TOLD = 0.1


@dataclass(frozen=True)
class _Gap:
    """More than half of the time between the oldest and the newest row, without a row.

    Attributes:
        begin: The time of the last row before it, microseconds since 1970.
        end: Of the first one behind it.
        before: How many rows of each table lie before it, where any do.
        behind: How many behind.
    """

    begin: int
    end: int
    before: dict[str, int]
    behind: dict[str, int]


def refuse_far_end(asked: Asked) -> None:
    """Refuses labels whose newest rows lie far behind all others.

    Raises:
        TrainingError: If there are such rows; names a table, a row and the times.
    """
    gap = _gap(asked.store, asked.compiled.label_tables, asked.compiled.stride)
    if gap is None or sum(gap.behind.values()) >= sum(gap.before.values()):
        return
    [(name, count), *_] = gap.behind.items()
    first = gap.before.get(name, 0)
    key = asked.store.keys_of(name, np.array([first])).to_pylist()[0] if asked.schema.table(name).pkey else {}
    which = ", ".join(f"{column} {value}" for column, value in key.items())
    begin, end = format_time(gap.begin), format_time(gap.end) + (f" ({which})" if which else "")
    raise TrainingError(
        f"{count:,} of {first + count:,} rows of {name} lie at {end} or later, and none after {begin} until"
        " then, so most anchors would look at a time without rows; if that time stands for none, make it null"
        f" with sql, or use store.as_of({begin!r}), which leaves these rows out"
    )


def far_start_note(asked: Asked, stride: Duration, start: int | None) -> tuple[str, ...]:
    """What is said of a few rows that lie long before all others, unless training starts later."""
    tables = asked.store.tables
    gap = _gap(asked.store, tables, stride)
    if gap is None or (start is not None and start > gap.begin):
        return ()
    if sum(gap.before.values()) > sum(gap.behind.values()):
        return ()
    rows = ", ".join(f"{n:,} of {tables[name].num_rows:,} rows of {name}" for name, n in gap.before.items())
    begin, end = format_time(gap.begin), format_time(gap.end)
    return (
        f"{rows} lie at {begin} or before, and no row of any table from then to {end}; train_start={end!r}"
        " leaves out the anchors between",
    )


def early_anchors_note(asked: Asked, anchors: Anchors) -> tuple[str, ...]:
    """What is said of training anchors whose label windows end before the first row that makes labels."""
    names = asked.compiled.label_tables
    times = [time for name in names if (time := asked.store.tables[name].time) is not None and len(time)]
    first = min(int(time[0]) for time in times)
    train = anchors.times[anchors.split == TRAIN].tolist()
    early = bisect_left(train, first, key=asked.compiled.label_end)
    if early < len(train) * _SHARE_TOLD:
        return ()
    return (
        f"at {early:,} of {len(train):,} training anchors there is no row of {', '.join(names)} yet, of which"
        f" the first is at {format_time(first)}; train_start={format_time(first)!r} leaves them out",
    )


def _gap(store: Store, names: Iterable[str], stride: Duration | None) -> _Gap | None:
    """A gap of many strides; one of more than half of the time has the middle of the time in it."""
    times = {name: t for name in names if (t := store.tables[name].time) is not None}
    ends = {name: store.cut(name, END_OF_TIME) for name in times}
    times = {name: time for name, time in times.items() if ends[name]}
    if not times or stride is None:
        return None
    oldest = min(int(time[0]) for time in times.values())
    newest = max(int(time[ends[name] - 1]) for name, time in times.items())
    middle = (oldest + newest) // 2
    cuts = {name: store.cut(name, middle) for name in times}
    begin = max(int(times[name][cut - 1]) for name, cut in cuts.items() if cut)
    end = min((int(times[name][cut]) for name, cut in cuts.items() if cut < ends[name]), default=begin)
    if end - begin <= max((newest - oldest) / 2, _MOST_EMPTY_STRIDES * stride.seconds * 1e6):
        return None
    behind = {name: ends[name] - cut for name, cut in cuts.items() if cut < ends[name]}
    return _Gap(begin, end, {name: cut for name, cut in cuts.items() if cut}, behind)
