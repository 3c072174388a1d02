"""Which anchor times a training table has, and which split each belongs to.

A split never reaches into the next: the windows of its anchors end before the first anchor of the next split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.query.compiler import CompiledQuery
from relhop.query.duration import Duration
from relhop.times import format_time
from relhop.training_table import TEST, TRAIN, VAL

MAX_ANCHORS = 100_000
"""More anchors than this are taken for a mistake: a window of a minute over years of data."""


@dataclass(frozen=True)
class Anchors:
    """Anchor times in ascending order.

    Attributes:
        times: int64 [k], microseconds since 1970.
        split: int8 [k], of TRAIN, VAL and TEST.
        notes: What was left out, and why.
    """

    times: NDArray[np.int64]
    split: NDArray[np.int8]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Dates:
    """What is said about where anchors and splits lie; times are microseconds since 1970.

    Attributes:
        val_start: First validation anchor.
        test_start: First test anchor.
        max_eval_anchors: How many anchors validation and test may have, each.
        train_start: No training anchor is earlier.
        max_train_anchors: How many training anchors there may be: the newest.
        shares: Without dates: which parts of the anchors, the newest, are for validation and for test.
    """

    val_start: int | None = None
    test_start: int | None = None
    max_eval_anchors: int | None = None
    train_start: int | None = None
    max_train_anchors: int | None = None
    shares: tuple[float, float] = (0.1, 0.1)

    def check(self) -> None:
        """Raises TrainingError if they contradict each other."""
        if (self.val_start is None) != (self.test_start is None):
            raise TrainingError("give both val_start and test_start, or neither")
        for name in ("max_eval_anchors", "max_train_anchors"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise TrainingError(f"{name} must be at least 1, not {limit}")
        starts = [
            (name, start)
            for name in ("train_start", "val_start", "test_start")
            if (start := getattr(self, name)) is not None
        ]
        for (earlier, a), (later, b) in pairwise(starts):
            if a >= b:
                raise TrainingError(f"{earlier} {format_time(a)} must lie before {later} {format_time(b)}")


def place_anchors(
    compiled: CompiledQuery, oldest: int, newest: int, stride: Duration, dates: Dates
) -> Anchors:
    """The anchors between the oldest and the newest time of the data.

    With dates, training anchors step back from `val_start` to `oldest`, validation and test anchors forward
    from theirs while their windows end by `test_start` and `newest`. Without, all step back from the newest
    complete window, and are split by `shares`.

    Raises:
        TrainingError: If a split gets no anchor, there are too many, or the dates contradict each other.
    """
    if stride.count <= 0:
        raise TrainingError(f"the stride between anchors must be positive, not {stride}")
    dates.check()
    start = oldest if dates.train_start is None else max(oldest, dates.train_start)
    if dates.val_start is None or dates.test_start is None:
        placed = _placed_from_the_end(compiled, start, newest, stride, dates)
    else:
        placed = _placed_by_dates(
            compiled, (start, newest), stride, dates.val_start, dates.test_start, dates.max_eval_anchors
        )
    if dates.max_train_anchors is not None:
        train = np.flatnonzero(placed.split == TRAIN)
        kept = np.arange(len(placed.times)) >= len(train) - dates.max_train_anchors
        placed = Anchors(placed.times[kept], placed.split[kept], placed.notes)
    return replace(placed, notes=(*placed.notes, *_young_note(compiled, oldest, placed)))


def all_anchors(compiled: CompiledQuery, oldest: int, newest: int, stride: Duration, dates: Dates) -> Anchors:
    """The anchors of a table whose splits are not by time: all back from the newest complete window.

    Raises:
        TrainingError: If there is none, or there are too many.
    """
    dates.check()
    start = oldest if dates.train_start is None else max(oldest, dates.train_start)
    found = _from_the_end(compiled, start, newest, stride)
    if not found:
        raise TrainingError(
            f"no label window fits between {format_time(start)} and {format_time(newest)}; choose a shorter"
            " window or an earlier train_start"
        )
    found = found[-(dates.max_train_anchors or len(found)) :]
    placed = _joined(found, [], [], [])
    return replace(placed, notes=_young_note(compiled, oldest, placed))


def _from_the_end(compiled: CompiledQuery, start: int, newest: int, stride: Duration) -> list[int]:
    last = min(horizon.after(newest, -1) for horizon in compiled.horizons)
    return _bounded(takewhile(lambda t: t >= start, _steps(last, stride, 0, -1)), stride)[::-1]


def _young_note(compiled: CompiledQuery, oldest: int, placed: Anchors) -> tuple[str, ...]:
    """What is said of training anchors at which a window on the past begins before the data does."""
    train = placed.times[placed.split == TRAIN]
    if compiled.history is None:
        return ()
    full = compiled.history.after(oldest)
    young = int((train < full).sum())
    if not young:
        return ()
    return (
        f"at {young:,} of {len(train):,} training anchors the data is younger than the {compiled.history}"
        f" that the query looks back; train_start={format_time(full)!r} leaves them out",
    )


def _placed_by_dates(
    compiled: CompiledQuery,
    span: tuple[int, int],
    stride: Duration,
    val_start: int,
    test_start: int,
    limit: int | None,
) -> Anchors:
    oldest, newest = span

    def forward(start: int, until: int) -> list[int]:
        complete = takewhile(lambda t: compiled.label_end(t) <= until, _steps(start, stride, 0, 1))
        return _bounded(islice(complete, limit), stride)

    before = _bounded(takewhile(lambda t: t >= oldest, _steps(val_start, stride, -1, -1)), stride)
    train = [t for t in reversed(before) if compiled.label_end(t) <= val_start]
    val, test = forward(val_start, min(test_start, newest)), forward(test_start, newest)
    notes = []
    if len(train) < len(before):
        notes.append(_overlap_note(len(before) - len(train), "training", "validation", val_start))
    for name, found, start, end in (
        ("training", train, oldest, val_start),
        ("validation", val, val_start, min(test_start, newest)),
        ("test", test, test_start, newest),
    ):
        if not found:
            raise TrainingError(
                f"no {name} anchor: no label window fits between {format_time(start)} and {format_time(end)};"
                " choose other dates or a shorter window"
            )
    return _joined(train, val, test, notes)


def _placed_from_the_end(
    compiled: CompiledQuery, oldest: int, newest: int, stride: Duration, dates: Dates
) -> Anchors:
    found = _from_the_end(compiled, oldest, newest, stride)
    limit = dates.max_eval_anchors or len(found)
    num_val, num_test = (max(1, min(round(len(found) * share), limit)) for share in dates.shares)
    test = found[-num_test:]
    before_test = [t for t in found if test and compiled.label_end(t) <= test[0]]
    val = before_test[-num_val:]
    train = [t for t in before_test if val and compiled.label_end(t) <= val[0]]
    if not train:
        raise TrainingError(
            f"the data spans {format_time(oldest)} to {format_time(newest)}, which is too short: train, val"
            f" and test need an anchor each, every {stride}, with complete label windows that do not overlap"
        )
    notes = []
    lost_val, lost_train = len(found) - len(test) - len(before_test), len(before_test) - len(val) - len(train)
    if lost_val:
        notes.append(_overlap_note(lost_val, "validation", "test", test[0]))
    if lost_train:
        notes.append(_overlap_note(lost_train, "training", "validation", val[0]))
    return _joined(train, val, test, notes)


def _steps(start: int, stride: Duration, first: int, step: int) -> Iterator[int]:
    k = first
    while True:
        yield stride.after(start, k)
        k += step


def _bounded(times: Iterator[int], stride: Duration) -> list[int]:
    found = list(islice(times, MAX_ANCHORS + 1))
    if len(found) > MAX_ANCHORS:
        raise TrainingError(f"more than {MAX_ANCHORS:,} anchors, one every {stride}; give a longer stride")
    return found


def _overlap_note(count: int, earlier: str, later: str, start: int) -> str:
    return (
        f"{count:,} {earlier} anchor{'s' if count > 1 else ''} left out: the label windows would reach beyond"
        f" {format_time(start)}, the first {later} anchor"
    )


def _joined(train: list[int], val: list[int], test: list[int], notes: list[str]) -> Anchors:
    split = np.repeat(np.array([TRAIN, VAL, TEST], np.int8), [len(train), len(val), len(test)])
    return Anchors(np.array([*train, *val, *test], np.int64), split, tuple(notes))
