"""Metrics over time and by slice: where a model is good and where it is not.

A slice with few examples says little, so its number of examples and the interval of each metric stand beside
it; what a slice cannot tell (the AUROC of examples that are all alike) is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.errors import TrainingError
from relhop.evaluation.bootstrap import LEVEL, RESAMPLES, metric_intervals
from relhop.evaluation.scored import Scored
from relhop.times import format_time, to_micros

MIN_EXAMPLES = 30
"""Neighboring anchor times share a slice until it has so many; rarer values of a column share one."""

MAX_TIME_BINS = 12

MAX_VALUES = 10
"""Of a column with more different values, the most frequent ones are slices of their own."""

QUANTILE_BINS = 4
"""Of numbers and times: so many slices, which hold equally many examples."""

MISSING = "missing"


def over_time(
    scored: Scored,
    *,
    min_examples: int = MIN_EXAMPLES,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Metrics by anchor time.

    Neighboring anchor times share a slice where one alone has too few examples, or there are more than
    `MAX_TIME_BINS`.

    Args:
        scored: Of any task.
        min_examples: Examples of a slice, at least, but for a split that has fewer.
        resamples: Draws of entities for the intervals.
        level: The share of draws that an interval holds.
        seed: Key of the draws.

    Returns:
        The rows of `by_slice`, with `first` and `last`, the anchor times of the slice, as datetime64.
    """
    anchors, index = np.unique(scored.times, return_inverse=True)
    size = max(min_examples, -(-len(scored) // MAX_TIME_BINS))
    bins = _merged(np.bincount(index, minlength=len(anchors)), size)
    number = bins[index]
    firsts = {b: int(anchors[bins == b].min()) for b in np.unique(bins)}
    lasts = {b: int(anchors[bins == b].max()) for b in np.unique(bins)}
    names = [_span(firsts[b], lasts[b]) for b in firsts]
    frame = _judged(scored, number, names, resamples, level, seed)
    by_name = dict(zip(names, firsts, strict=True))
    for column, times in (("first", firsts), ("last", lasts)):
        micros = np.array([times[by_name[name]] for name in frame["slice"]], np.int64)
        frame[column] = micros.view("datetime64[us]")
    return frame


def by_slice(
    scored: Scored,
    values: Sequence[Any] | NDArray[Any] | pd.Series[Any],
    *,
    min_examples: int = MIN_EXAMPLES,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Metrics by a value of each example.

    Numbers and times fall into `QUANTILE_BINS` slices that hold equally many, if they have more than
    `MAX_VALUES` different values. Of other values each is a slice, most frequent first; those after
    `MAX_VALUES` and those with fewer than `min_examples` examples share one.

    Args:
        scored: Of any task.
        values: [n], aligned with the examples; missing ones are a slice.
        min_examples: See above.
        resamples: Draws of entities for the intervals.
        level: The share of draws that an interval holds.
        seed: Key of the draws.

    Returns:
        A row a slice and metric: `slice`, `examples`, `entities`, `metric`, `value`, `low`, `high`.

    Raises:
        TrainingError: If there are not as many values as examples.
    """
    if len(values) != len(scored):
        raise TrainingError(
            f"{len(values):,} values slice {len(scored):,} examples; give one value for each example, in"
            " their order"
        )
    number, names = _slices(pd.Series(values).reset_index(drop=True), min_examples)
    return _judged(scored, number, names, resamples, level, seed)


def _judged(
    scored: Scored, number: NDArray[np.int64], names: Sequence[str], resamples: int, level: float, seed: int
) -> pd.DataFrame:
    parts = []
    for code, name in enumerate(names):
        part = scored.take(np.flatnonzero(number == code))
        frame = metric_intervals(part, resamples=resamples, level=level, seed=seed)
        frame.insert(0, "slice", name)
        frame.insert(1, "examples", len(part))
        frame.insert(2, "entities", len(np.unique(part.entities)))
        parts.append(frame)
    if not parts:
        return pd.DataFrame(columns=["slice", "examples", "entities", "metric", "value", "low", "high"])
    return pd.concat(parts, ignore_index=True)


def _merged(counts: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """The slice of each anchor: neighbors join until they have `least` examples; a rest joins the last."""
    bins = np.zeros(len(counts), np.int64)
    number, filled = 0, 0
    for place, count in enumerate(counts.tolist()):
        bins[place] = number
        filled += count
        if filled >= least and counts[place + 1 :].sum() >= least:
            number, filled = number + 1, 0
    return bins


def _span(first: int, last: int) -> str:
    return format_time(first) if first == last else f"{format_time(first)} to {format_time(last)}"


def _slices(values: pd.Series[Any], min_examples: int) -> tuple[NDArray[np.int64], list[str]]:
    """The slice of each value, and the slices' names."""
    values = values.map(lambda v: " ".join(map(str, v)) if isinstance(v, list | np.ndarray) else v)
    missing = values.isna().to_numpy()
    known = values[~missing]
    is_ordered = pd.api.types.is_numeric_dtype(known) or pd.api.types.is_datetime64_any_dtype(known)
    is_ordered &= not pd.api.types.is_bool_dtype(known)
    if is_ordered and known.nunique() > MAX_VALUES:
        inside, names = _quantiles(known)
    else:
        inside, names = _frequent(known, min_examples)
    number = np.full(len(values), len(names), np.int64)
    number[~missing] = inside
    return number, [*names, MISSING] if missing.any() else names


def _quantiles(known: pd.Series[Any]) -> tuple[NDArray[np.int64], list[str]]:
    cut = pd.qcut(known, QUANTILE_BINS, duplicates="drop")
    codes = cut.cat.codes.to_numpy(np.int64)
    inside = np.unique(codes, return_inverse=True)[1]
    groups = known.groupby(inside)
    ends = zip(map(_shown, groups.min()), map(_shown, groups.max()), strict=True)
    return inside.astype(np.int64), [low if low == high else f"{low} to {high}" for low, high in ends]


def _frequent(known: pd.Series[Any], min_examples: int) -> tuple[NDArray[np.int64], list[str]]:
    counts = known.value_counts(sort=False)
    counts = counts.iloc[np.argsort(-counts.to_numpy(), kind="stable")]
    kept = [value for value, n in counts.items() if n >= min_examples][:MAX_VALUES]
    names = [_shown(value) for value in kept]
    rest = [value for value in counts.index if value not in set(kept)]
    if len(rest) == 1:
        names.append(_shown(rest[0]))
    elif rest:
        names.append(f"{len(rest):,} other values")
    code = {value: i for i, value in enumerate(kept)}
    return known.map(lambda value: code.get(value, len(kept))).to_numpy(np.int64), names


def _shown(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return format_time(to_micros(value))
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
