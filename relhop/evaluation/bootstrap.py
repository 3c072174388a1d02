"""How far metrics may be off by chance: percentile bootstrap over entities.

Examples of one entity depend on each other: a driver who finishes in spring finishes in summer. Drawn one by
one they would pass for independent, and intervals would be too narrow. So entities are drawn with
replacement, each with all its examples (the cluster bootstrap; Cameron, Gelbach and Miller 2008, doi
10.1162/rest.90.3.414). What differs between two metrics of the same examples is told by the same draws
(paired), for it varies much less than either.

Intervals tell the chance in which entities are judged. They do not tell that of training (another seed gives
other weights), nor that the future may differ from the past.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.evaluation.scored import Scored
from relhop.metrics import HORIZON, SMALLER_IS_BETTER

Values = TypeVar("Values", float, NDArray[np.float64])

RESAMPLES = 1000
"""Draws of all entities; 1,000 give ends of a 95 % interval to a tenth of its width or so."""

LEVEL = 0.95
"""The share of draws that an interval holds."""

MIN_ENTITIES = 5
"""Of fewer entities no interval is told, for draws of so few do not say how others would do."""

_BLOCK = 2_000_000
"""Weights that are in memory at once."""

_WORK = 400_000_000
"""Examples times columns times draws: of more, fewer draws are made, but at least MIN_RESAMPLES."""

MIN_RESAMPLES = 100


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of entities with replacement, the same each time they are asked for.

    Attributes:
        entities: [n], which entity each example is of.
        resamples: How many draws.
        seed: Key of the draws.
    """

    entities: NDArray[np.int64]
    resamples: int = RESAMPLES
    seed: int = 0

    @classmethod
    def for_examples(cls, scored: Scored, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
        """So many draws, or as many as some seconds are enough for."""
        columns = scored.scores.shape[1] if scored.scores.ndim == 2 else 1
        affordable = _WORK // max(1, len(scored) * columns)
        return cls(scored.entities, min(resamples, max(MIN_RESAMPLES, affordable)), seed)

    def weights(self) -> Iterator[NDArray[np.float64]]:
        """How often each example was drawn, float64 [draws of a block, n]."""
        entities, index = np.unique(self.entities, return_inverse=True)
        count, rng = len(entities), np.random.default_rng(self.seed)
        block = max(1, _BLOCK // max(1, len(index)))
        for begin in range(0, self.resamples, block):
            size = min(block, self.resamples - begin)
            drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
            yield counts.astype(np.float64)[:, index]


def resampled(scored: Scored, draws: Draws) -> dict[str, NDArray[np.float64]]:
    """Each metric of each draw, [resamples]; NaN where a draw cannot tell it."""
    weighted = scored.weighted()
    parts = [weighted(weights) for weights in draws.weights()]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(values: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The middle part of values [resamples]; NaN if more than half are."""
    known = values[~np.isnan(values)]
    if 2 * len(known) < len(values) or not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def metric_intervals(
    scored: Scored, *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> pd.DataFrame:
    """A row a metric: `metric`, `value`, `low` and `high`, the ends of its interval; NaN where unknown."""
    values = scored.metrics().values
    ends = dict.fromkeys(values, (float("nan"), float("nan")))
    if len(np.unique(scored.entities)) >= MIN_ENTITIES:
        found = resampled(scored, Draws.for_examples(scored, resamples, seed))
        ends = {name: interval(found[name], level) for name in values}
    rows = [(name, value, *ends[name]) for name, value in values.items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def worse_by(metric: str, before: Values, after: Values) -> Values:
    """How much worse a metric became: positive if `after` is worse."""
    return after - before if is_smaller_better(metric) else before - after


def is_smaller_better(metric: str) -> bool:
    """Whether smaller values are better; `mae@2`, of one timeframe, is as `mae`."""
    return metric.split(HORIZON)[0] in SMALLER_IS_BETTER


def differences(
    metric: str,
    first: Scored,
    others: Sequence[Scored],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """How much worse other scores of the same examples are than the first, by draws that all share.

    Returns:
        A row for each of `others`: `worse_by` (the metric's drop, or rise where smaller is better), `low` and
        `high`, the ends of its interval; NaN where unknown.
    """
    before = first.metrics().values[metric]
    drops = [worse_by(metric, before, other.metrics().values[metric]) for other in others]
    ends = [(float("nan"), float("nan"))] * len(others)
    if others and len(np.unique(first.entities)) >= MIN_ENTITIES:
        draws, of_first = Draws.for_examples(first, resamples, seed), first.weighted()
        of_others = [other.weighted() for other in others]
        drawn = [
            [worse_by(metric, base, of(weights)[metric]) for of in of_others]
            for weights in draws.weights()
            for base in [of_first(weights)[metric]]
        ]
        ends = [interval(np.concatenate(parts), level) for parts in zip(*drawn, strict=True)]
    rows = [(drop, *its) for drop, its in zip(drops, ends, strict=True)]
    return pd.DataFrame(rows, columns=["worse_by", "low", "high"])
