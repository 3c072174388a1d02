"""Windowed aggregates of an entity's past as numbers that a network reads.

What is fitted, is fitted on training examples: which aggregates there are, how they are standardised, which
categories are told apart. Knows nothing of labels or of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relhop.aggregates import Seen, aggregates, frequent_values
from relhop.statistics import LARGEST_DEVIATION, NumericalStatistics, fit_numerical
from relhop.store.reader import Store

MAX_EXAMPLES = 50_000
"""Of more training examples so many, evenly spaced, are fitted on."""

LEAST_COUNT = 20
"""A category that fewer examples have is not told apart."""

MAX_CATEGORIES = 30
"""Of an aggregate with more, the most frequent are told apart."""

PARTS = 32
"""So many parts with as many training examples each; between their bounds ranks grow evenly."""


@dataclass(frozen=True)
class AggregateFeatures:
    """Which aggregates a model reads, and how they become numbers.

    Attributes:
        entity_table: The table that examples are rows of.
        unseen: Columns that no aggregate is made of, as `table.column`.
        left_out: Which aggregates are not made, since they would be of too many rows.
        frequent: By column the values whose shares are aggregates; see `relhop.aggregates.aggregates`.
        numbers: By aggregate, of the finite values of training examples.
        quantiles: Of these, ascending; none where there are none.
        categories: By aggregate the values that are told apart, most frequent first.
    """

    entity_table: str
    unseen: tuple[str, ...]
    left_out: tuple[str, ...]
    frequent: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, NumericalStatistics]
    quantiles: Mapping[str, tuple[float, ...]]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, store: Store, entity_table: str, seen: Seen, cut: int, unseen: Sequence[str] = ()) -> Self:
        """Of training examples.

        Args:
            store: What they see.
            entity_table: The table that they are rows of.
            seen: The examples.
            cut: Which categories are frequent is found in the rows up to this time, in microseconds.
            unseen: Columns to leave out, as `table.column`.
        """
        frequent = frequent_values(store, cut, unseen)
        frame = aggregates(store, entity_table, seen.take(evenly(len(seen), MAX_EXAMPLES)), frequent, unseen)
        numbers, quantiles, categories = {}, {}, {}
        for name, values in frame.items():
            if isinstance(values.dtype, pd.CategoricalDtype):
                counts = values.value_counts()
                kept = counts[counts >= LEAST_COUNT].index[:MAX_CATEGORIES]
                categories[str(name)] = tuple(sorted(kept, key=lambda value: (-counts[value], value)))
            else:
                found = values.to_numpy(np.float64)
                numbers[str(name)] = fit_numerical(found)
                quantiles[str(name)] = _quantiles(found[np.isfinite(found)])
        left_out = frame.attrs["left_out"]
        return cls(entity_table, tuple(unseen), left_out, frequent, numbers, quantiles, categories)

    @property
    def width(self) -> int:
        """How many numbers describe an example."""
        marks = sum(known.has_nulls for known in self.numbers.values())
        return 2 * len(self.numbers) + marks + sum(map(len, self.categories.values()))

    def of(self, store: Store, seen: Seen) -> NDArray[np.float32]:
        """Numbers of examples, float32 [n, width]: standardised, null as 0; a mark for each null where
        training has nulls; 1 for the category that it is; last, for each of `numbers`, its rank among
        training examples, null as the middle, since counts and ages spread over orders of magnitude.

        The same examples and store give the same bits.
        """
        frame = aggregates(store, self.entity_table, seen, self.frequent, self.unseen, self.left_out)
        values = frame[list(self.numbers)].to_numpy(np.float64)
        known = self.numbers.values()
        means, stds = (np.array([getattr(s, what) for s in known]) for what in ("mean", "std"))
        is_null = ~np.isfinite(values)
        standard = np.where(is_null, 0.0, (values - means) / stds)
        parts = [
            standard.clip(-LARGEST_DEVIATION, LARGEST_DEVIATION),
            is_null[:, [s.has_nulls for s in known]],
        ]
        for name, categories in self.categories.items():
            texts = frame[name].astype(object).to_numpy()
            parts.append(texts[:, None] == np.array(categories, object)[None, :])
        parts += [_ranks(values[:, [i]], self.quantiles[name]) for i, name in enumerate(self.numbers)]
        return np.hstack([part.astype(np.float32) for part in parts])

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, also of what JSON made of it."""
        return cls(
            data["entity_table"],
            tuple(data["unseen"]),
            tuple(data["left_out"]),
            {name: tuple(values) for name, values in data["frequent"].items()},
            {name: NumericalStatistics(**known) for name, known in data["numbers"].items()},
            {name: tuple(values) for name, values in data["quantiles"].items()},
            {name: tuple(values) for name, values in data["categories"].items()},
        )


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """So many of `count` places at most, evenly spaced, int64."""
    return np.arange(0, count, max(1, -(-count // most)))


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    """The bounds of `PARTS`."""
    return tuple(np.quantile(values, np.linspace(0, 1, PARTS + 1)).tolist()) if len(values) else ()


def _ranks(values: NDArray[np.float64], quantiles: Sequence[float]) -> NDArray[np.float64]:
    """From the least training example to the largest evenly from -1 to 1, times the root of 3, which makes
    the variance 1; equal ones have the middle of their ranks. NaN is 0.
    """
    if not quantiles:
        return np.zeros_like(values)
    bounds, which = np.unique(quantiles, return_inverse=True)
    ranks = np.bincount(which, np.linspace(-1, 1, len(quantiles))) / np.bincount(which)
    return np.where(np.isnan(values), 0.0, np.interp(values, bounds, 3**0.5 * ranks))
